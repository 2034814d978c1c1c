/**
 * Watches whether the topics are still those to which the leases and positions belong. A topic that
 * is recreated under running processors has the same name, and its offsets start at 0. KafkaJS
 * continues silently, and the records below the old position would be skipped.
 */

import type { DeploymentIdentity } from '../avro/records.ts';
import { AppError } from '../errors.ts';
import {
  type CoreTopics,
  describeDifference,
  differencesOf,
  identityOf,
} from '../journal/deployment-identity.ts';
import type { Admin } from '../kafka/admin.ts';

/**
 * A result stays valid for this long. Recreating a topic and filling it beyond the position takes
 * longer.
 */
const validForMs = 250;
const pollEveryMs = 5_000;

type Options = {
  readonly admin: Pick<Admin, 'identify'>;
  readonly group: string;
  readonly core: CoreTopics;
  /** Every topic of the deployment; routes may add some. */
  readonly topics: () => readonly string[];
};

type Current = { readonly deployment: DeploymentIdentity; readonly identity: Buffer };

export class DeploymentWatch {
  readonly #options: Options;
  #current: Current;
  #verifiedAtMs = performance.now();
  #verifying: Promise<void> | undefined;
  readonly #ended = Promise.withResolvers<never>();
  readonly #timer: NodeJS.Timeout;

  private constructor(options: Options, deployment: DeploymentIdentity) {
    this.#options = options;
    this.#current = withIdentity(deployment);
    this.#ended.promise.catch(() => undefined);
    this.#timer = setInterval(() => {
      this.verify().catch((error: unknown) => {
        // While Kafka cannot be reached nothing is processed either.
        if (error instanceof AppError && error.recovery === 'stop') this.#ended.reject(error);
      });
    }, pollEveryMs);
  }

  /** @throws AppError if Kafka cannot be reached */
  static async start(options: Options): Promise<DeploymentWatch> {
    return new DeploymentWatch(options, await read(options, 0));
  }

  get current(): Current {
    return this.#current;
  }

  /** Rejects as `verify` does, even if nothing is fetched. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  /**
   * Call this after records were fetched and before they are processed.
   * @throws AppError ASSUMPTION_BROKEN if a topic was recreated; BROKER_UNAVAILABLE if Kafka cannot
   * be reached
   */
  async verify(): Promise<void> {
    if (performance.now() - this.#verifiedAtMs < validForMs) return;
    this.#verifying ??= this.#compare().finally(() => {
      this.#verifying = undefined;
    });
    await this.#verifying;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #compare(): Promise<void> {
    const startedAtMs = performance.now();
    const { deployment: known } = this.#current;
    const found = await read(this.#options, known.partitions);
    const differences = differencesOf(known, found);
    if (differences.length > 0) {
      const text = differences.map((one) => describeDifference(one, this.#options.core)).join('; ');
      throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
    }
    // A topic that is missing for the moment keeps its id, so that a recreated one does not pass
    // for it.
    const topicIds = { ...known.topicIds, ...found.topicIds };
    if (Object.keys(topicIds).length > Object.keys(known.topicIds).length) {
      this.#current = withIdentity({ ...known, topicIds });
    }
    this.#verifiedAtMs = startedAtMs;
  }
}

/** @param knownPartitions of raw, if it does not exist now: nothing can be fetched from it then */
async function read(
  { admin, group, core, topics }: Options,
  knownPartitions: number,
): Promise<DeploymentIdentity> {
  const found = await admin.identify(topics());
  const topicIds = Object.fromEntries([...found].map(([name, { id }]) => [name, id]));
  const partitions = found.get(core.raw)?.partitions ?? knownPartitions;
  return { group, partitions, topicIds, isAdopted: false };
}

function withIdentity(deployment: DeploymentIdentity): Current {
  return { deployment, identity: identityOf(deployment) };
}
