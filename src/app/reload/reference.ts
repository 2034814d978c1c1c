/** The reference data: read whole before the first transaction, then kept up to date. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Decoder } from '../../avro/decoder.ts';
import type { CampaignReference, ReferenceRecord } from '../../avro/records.ts';
import type { Registry } from '../../avro/registry.ts';
import { schemas } from '../../avro/schemas.ts';
import { CampaignReferences } from '../../enrichment/reference.ts';
import type { LogReader } from '../../kafka/log-reader.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';

type Context = {
  readonly reader: LogReader;
  readonly registry: Registry;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'referenceEntries'>;
};

const pollEveryMs = 1_000;

export class ReloadedReference {
  readonly #references: CampaignReferences;
  readonly #context: Context;
  readonly #stop = new AbortController();
  #following: Promise<void> | undefined;

  private constructor(references: CampaignReferences, context: Context) {
    this.#references = references;
    this.#context = context;
  }

  /** Reads the topic, then follows it. @throws AppError if it cannot be read at first */
  static async start(
    topic: string,
    partitions: number,
    context: Context,
  ): Promise<ReloadedReference> {
    const { reader, registry, log } = context;
    const decoder = new Decoder<CampaignReference>(schemas.CampaignReference.type, registry);
    const references = new CampaignReferences(reader, decoder, { topic, partitions });
    const reloaded = new ReloadedReference(references, context);
    await reloaded.#catchUp();
    log.info({ campaigns: references.entries.size }, 'the reference data was read');
    reloaded.#following = reloaded.#follow();
    return reloaded;
  }

  of(campaignId: string): ReferenceRecord | undefined {
    return this.#references.of(campaignId);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #catchUp(): Promise<void> {
    await this.#references.catchUp();
    this.#context.metrics.referenceEntries.set(this.#references.entries.size);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(pollEveryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      // While Kafka is unreachable, the few events that can still be processed use what was read
      // before.
      await this.#catchUp().catch((error: unknown) =>
        this.#context.log.warn({ err: error }, 'the reference data cannot be read and is retried'),
      );
    }
  }
}
