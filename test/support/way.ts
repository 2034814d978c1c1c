/** A way to get Kafka and a registry, and the Kafka version that all of them give. */

export type Say = (line: string) => void;

/** Undefined: this way is not open on this machine, and the reason was given to `say`. */
export type Way = (say: Say) => Promise<Means | undefined>;

/**
 * `oauth`: clients must present an (unsecured) JWT by OAUTHBEARER, again every few seconds, and may
 * do what an ACL allows their subject; `admin` may do everything.
 */
export type Access = 'open' | 'oauth';

/** The clusters that an open way can start. */
export type Means = {
  /** Its origin, for people. */
  readonly origin: string;
  readonly startBrokers: (count: 1 | 3, access?: Access) => Promise<Brokers>;
  readonly startRegistry: () => Promise<Registry>;
};

export type Brokers = AsyncDisposable & {
  /** host:port of each, comma-separated. */
  readonly bootstrap: string;
  readonly nodes: readonly Broker[];
};

/**
 * One broker, as a fault test sees it. Each call settles when it has happened, `start` when the
 * process runs (not yet when it serves).
 */
export type Broker = {
  readonly id: number;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** SIGTERM: it hands its partitions over first. */
  readonly stop: () => Promise<void>;
  /** After `kill` or `stop`, with its data and its port. */
  readonly start: () => Promise<void>;
  /** Its sockets stay open and nothing answers. */
  readonly pause: () => Promise<void>;
  readonly resume: () => Promise<void>;
};

export type Registry = AsyncDisposable & { readonly url: string };

export const kafkaVersion = '4.3.1';

/** @param listener the one that clients use, as its name stands in settings */
export function accessSettings(access: Access, listener: string): Readonly<Record<string, string>> {
  if (access === 'open') return {};
  const module = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule';
  const name = `listener.name.${listener.toLowerCase()}`;
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // The brokers themselves come by a listener without authentication.
    'super.users': 'User:ANONYMOUS;User:admin',
    [`${name}.sasl.enabled.mechanisms`]: 'OAUTHBEARER',
    [`${name}.oauthbearer.sasl.jaas.config`]: `${module} required unsecuredLoginStringClaim_sub="broker";`,
    [`${name}.oauthbearer.connections.max.reauth.ms`]: '5000',
  };
}

export const securityOf = (access: Access) => (access === 'open' ? 'PLAINTEXT' : 'SASL_PLAINTEXT');

/**
 * Settings that depend on the number of brokers; with three, a dead one is noticed after 3 s
 * instead of 9.
 */
export function brokerSettings(count: 1 | 3): Readonly<Record<string, string>> {
  const common = {
    'offsets.topic.replication.factor': String(count),
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.replication.factor': String(count),
    'transaction.state.log.min.isr': count === 1 ? '1' : '2',
    'transaction.state.log.num.partitions': '5',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
  };
  if (count === 1) return common;
  return {
    ...common,
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'replica.lag.time.max.ms': '3000',
  };
}
