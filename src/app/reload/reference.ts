/** The reference data: read whole before the first transaction, then followed. */

import { createDecoder } from '../../avro/decoder.ts';
import type { CampaignReference } from '../../avro/records.ts';
import type { Registry } from '../../avro/registry.ts';
import { schemas } from '../../avro/schemas.ts';
import type { ReferenceOf } from '../../enrichment/enrich.ts';
import { CampaignReferences } from '../../enrichment/reference.ts';
import type { Reader } from '../../kafka/log-reader.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';

export type FollowedReference = {
  readonly of: ReferenceOf;
  readonly stop: () => Promise<void>;
};

const lookEveryMs = 1_000;

/** @param topic undefined where CAMPAIGN_REFERENCE is off. @throws AppError, where it can not be read at first */
export async function followReference(
  topic: string | undefined,
  partitions: number,
  reader: Reader,
  registry: Registry,
  log: Log,
  metrics: Metrics,
): Promise<FollowedReference> {
  if (topic === undefined) return { of: () => undefined, stop: async () => {} };
  const decoder = createDecoder<CampaignReference>(schemas.CampaignReference.type, registry);
  const references = new CampaignReferences(reader, decoder, { topic, partitions });
  const catchUp = async () => {
    await references.catchUp();
    metrics.referenceEntries.set(references.entries.size);
  };
  await catchUp();
  log.info({ campaigns: references.entries.size }, 'the reference data was read');
  let isStopped = false;
  const following = (async () => {
    while (!isStopped) {
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      if (isStopped) return;
      // Kafka away: the events that can be processed then are few, and have what was known.
      await catchUp().catch((error: unknown) =>
        log.warn({ err: error }, 'the reference data could not be read on'),
      );
    }
  })();
  return {
    of: (campaignId) => references.of(campaignId),
    stop: async () => {
      isStopped = true;
      await following;
    },
  };
}
