/** What a way to Kafka and a registry is, and the version of Kafka that all of them give. */

export type Say = (line: string) => void;

/** Undefined: this way is not open on this machine, and the reason was given to `say`. */
export type Way = (say: Say) => Promise<Means | undefined>;

/** What an open way can start. */
export type Means = {
  /** For people: where it comes from. */
  readonly origin: string;
  readonly startBrokers: (count: 1 | 3) => Promise<Brokers>;
  readonly startRegistry: () => Promise<Registry>;
};

export type Brokers = AsyncDisposable & {
  /** host:port of each, comma-separated. */
  readonly bootstrap: string;
  readonly nodes: readonly Broker[];
};

/** One broker, as a fault test sees it. Each call settles when it has happened, `start` when the process runs (not yet when it serves). */
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

/** Settings that depend on the number of brokers; with three, a dead one is noticed after 3 s instead of 9. */
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
