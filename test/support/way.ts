/** A way to get Kafka and a registry, and the Kafka version that all of them give. */

export type Say = (line: string) => void;

/** Undefined: this way is not open on this machine, and the reason was given to `say`. */
export type Way = (say: Say) => Promise<Means | undefined>;

/** The listeners of a broker, and the settings and files behind them. */
export type Access = {
  /**
   * Each gets a port of its own. The brokers themselves use another one, without authentication.
   */
  readonly listeners: Readonly<Record<string, SecurityProtocol>>;
  /** The host that the broker advertises, by listener. @default 127.0.0.1 */
  readonly advertisedHosts?: Readonly<Record<string, string>>;
  /** @param directory of the files, as the broker sees it */
  readonly settings: (directory: string) => Readonly<Record<string, string>>;
  /** Texts by file name. */
  readonly files: Readonly<Record<string, string>>;
  readonly javaOptions: (directory: string) => readonly string[];
};

type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';

export const openAccess: Access = {
  listeners: { EXTERNAL: 'PLAINTEXT' },
  settings: () => ({}),
  files: {},
  javaOptions: () => [],
};

/** The clusters that an open way can start. */
export type Means = {
  /** Its origin, for people. */
  readonly origin: string;
  readonly startBrokers: (count: 1 | 3, access?: Access) => Promise<Brokers>;
  readonly startRegistry: () => Promise<Registry>;
};

export type Brokers = AsyncDisposable & {
  /** host:port of each at the first listener, comma-separated. */
  readonly bootstrap: string;
  /** The same for a listener of its own. */
  readonly bootstrapOf: (listener: string) => string;
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

export const kafkaVersion = process.env['KAFKA_VERSION'] ?? '4.3.1';

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
