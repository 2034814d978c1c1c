/** Reads the company's own data on campaigns. */

import { Decoder } from '../avro/decoder.ts';
import type { CampaignReference } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { CampaignReferences } from '../enrichment/reference.ts';
import type { Deployment } from '../topics/deployment.ts';

/** @throws AppError */
export async function readReferences(
  { reader, registry, admin }: Deployment,
  topic: string,
): Promise<CampaignReferences> {
  const partitions = (await admin.describe([topic])).get(topic)?.partitions ?? 0;
  const decoder = new Decoder<CampaignReference>(schemas.CampaignReference.type, registry);
  const references = new CampaignReferences(reader, decoder, { topic, partitions });
  await references.catchUp();
  return references;
}
