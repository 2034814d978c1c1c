/** Reads what a cluster supports: the ApiVersions request, version 3 (KafkaJS uses version 2). */

import { requestTimeoutMs } from './client.ts';
import { type Cluster, errorOfCode, request } from './cluster.ts';
import { ByteReader, ByteWriter } from './protocol/bytes.ts';

export type ClusterFacts = {
  /** Highest version of each request that the broker knows, by API key. */
  readonly apiVersions: Readonly<Record<number, number>>;
  /** Finalized feature levels, such as metadata.version. Empty before Kafka 2.7. */
  readonly features: Readonly<Record<string, number>>;
};

const apiVersionsApi = { key: 18, version: 3, name: 'ApiVersions' };
const software = 'voucherbus';
const finalizedFeaturesTag = 2;

export async function fetchClusterFacts(cluster: Cluster): Promise<ClusterFacts> {
  await cluster.connect();
  const broker = await cluster.brokerPool.findConnectedBroker();
  return decodeFacts(await request(broker, apiVersionsApi, encodeRequest, requestTimeoutMs));
}

function encodeRequest(head: number): Buffer {
  const size = 1 + 2 * (1 + software.length) + 1;
  const writer = new ByteWriter(size, head).int8(0); // tagged fields of the header
  // The name and the version of the client software.
  for (let texts = 2; texts > 0; texts -= 1) {
    writer.unsignedVarint(software.length + 1).text(software);
  }
  return writer.int8(0).buffer;
}

/** The header of this response has no tagged fields, in every version. */
function decodeFacts(body: Buffer): ClusterFacts {
  const reader = new ByteReader(body);
  const errorCode = reader.int16();
  if (errorCode !== 0) throw errorOfCode(errorCode);
  const apiVersions: Record<number, number> = {};
  reader.compactArray(() => {
    const key = reader.int16();
    reader.int16(); // lowest version
    apiVersions[key] = reader.int16();
    reader.skipTags();
  });
  reader.int32(); // throttle
  const features: Record<string, number> = {};
  for (let left = reader.unsignedVarint(); left > 0; left -= 1) {
    const tag = reader.unsignedVarint();
    const end = reader.unsignedVarint() + reader.position;
    if (tag === finalizedFeaturesTag) {
      reader.compactArray(() => {
        const name = reader.compactString() ?? '';
        features[name] = reader.int16();
        reader.int16(); // lowest level
        reader.skipTags();
      });
    }
    reader.position = end;
  }
  return { apiVersions, features };
}
