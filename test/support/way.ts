/** What a way to a cluster is, and the version of Kafka that all of them give. */

export type Cluster = {
  readonly brokers: string;
  readonly registryUrl: string;
  /** For people: where it came from. */
  readonly origin: string;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** Undefined: this way is not open on this machine, and the reason was given to `say`. */
export type Way = (say: Say) => Promise<Cluster | undefined>;
export type Say = (line: string) => void;

export const kafkaVersion = '4.3.1';
