/**
 * Whether the topics are still those to which the leases and positions belong. A topic that is deleted and made again under running processors has
 * the same name, and offsets that start at 0: KafkaJS goes on without a word, and the records below the old position would be skipped.
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

export type DeploymentWatch = {
  readonly current: () => { readonly deployment: DeploymentIdentity; readonly identity: Buffer };
  /**
   * Call after records were fetched and before they are worked on.
   * @throws AppError ASSUMPTION_BROKEN, fatal, where a topic is another one now; retriable, where Kafka cannot be asked
   */
  readonly verify: () => Promise<void>;
  /** Rejects as `verify` does where nothing is fetched. */
  readonly ended: Promise<never>;
  readonly stop: () => void;
};

/** An answer counts for so long: to make a topic again, and to fill it beyond the position, takes longer. */
const freshMs = 250;
const betweenLooksMs = 5_000;

type Options = {
  readonly admin: Pick<Admin, 'identify'>;
  readonly group: string;
  readonly core: CoreTopics;
  /** Every topic of the deployment; routes may add some. */
  readonly topics: () => readonly string[];
};

/** @throws AppError, where Kafka cannot be asked */
export async function watchDeployment({
  admin,
  group,
  core,
  topics,
}: Options): Promise<DeploymentWatch> {
  const read = async (): Promise<DeploymentIdentity> => {
    const found = await admin.identify(topics());
    const topicIds = Object.fromEntries([...found].map(([name, { id }]) => [name, id]));
    // While it does not exist nothing can be fetched, and nothing is known of it.
    const partitions = found.get(core.raw)?.partitions ?? current.deployment.partitions;
    return { group, partitions, topicIds, isAdopted: false };
  };
  const asCurrent = (deployment: DeploymentIdentity) => {
    return { deployment, identity: identityOf(deployment) };
  };
  let current = asCurrent({ group, partitions: 0, topicIds: {}, isAdopted: false });
  current = asCurrent(await read());
  let lookedAt = performance.now();
  let looking: Promise<void> | undefined;
  const look = async () => {
    const startedAt = performance.now();
    const found = await read();
    const differences = differencesOf(current.deployment, found);
    if (differences.length > 0) {
      const text = differences.map((one) => describeDifference(one, core)).join('; ');
      throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
    }
    // One that is away for the moment keeps its id: made again, it must not pass for the same.
    const topicIds = { ...current.deployment.topicIds, ...found.topicIds };
    if (Object.keys(topicIds).length > Object.keys(current.deployment.topicIds).length) {
      current = asCurrent({ ...current.deployment, topicIds });
    }
    lookedAt = startedAt;
  };
  const verify = async () => {
    if (performance.now() - lookedAt < freshMs) return;
    looking ??= look().finally(() => {
      looking = undefined;
    });
    await looking;
  };
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const timer = setInterval(() => {
    verify().catch((error: unknown) => {
      // While Kafka is away there is nothing to work on either.
      if (error instanceof AppError && error.recovery === 'stop') ended.reject(error);
    });
  }, betweenLooksMs);
  return {
    current: () => current,
    verify,
    ended: ended.promise,
    stop: () => clearInterval(timer),
  };
}
