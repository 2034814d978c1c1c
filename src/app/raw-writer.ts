/**
 * Writes webhooks to the raw topic, as soon as Kafka and the registry were reached and checked. A
 * bridge with a spool need not wait for that.
 */

import { createEncoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { fieldReader } from '../bridge/fast-path/fast-path.ts';
import { type RawRecordContext, rawRecord } from '../bridge/raw-record.ts';
import type { Write } from '../bridge/webhook-store.ts';
import { Arena } from '../buffers/arena.ts';
import { Throttle } from '../concurrency/throttle.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { createClient } from '../kafka/client.ts';
import { Writer } from '../kafka/writer.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createCatalog, withoutReconcile } from '../topics/catalog.ts';
import { SchemaIdWatch } from '../topics/schema-id-watch.ts';
import { retryAtStart, start } from './startup.ts';
import { watchCertificates } from './watch-certificates.ts';

type RawWriterConfig = Config<'kafka' | 'registry' | 'start' | 'topics' | 'bridge'>;

/** While the clock is wrong, every batch is refused. */
const logClockEveryMs = 60_000;

const clockText =
  "Kafka refuses the timestamps of this host: its clock is more than the topic's message.timestamp.after.max.ms ahead of the broker's, or behind it. Correct the clock (NTP). Until then records are written without a timestamp";

export class RawWriter {
  readonly #config: RawWriterConfig;
  readonly #log: Log;
  readonly #metrics: Pick<Metrics, 'clockRefusals' | 'certificateNotAfter'>;
  readonly #ended = Promise.withResolvers<never>();
  readonly #clockThrottle = new Throttle(logClockEveryMs);
  #writer: Writer | undefined;
  #record: RawRecordContext | undefined;
  #ids: SchemaIdWatch | undefined;
  #isClosed = false;

  /** Settles when it can write. Rejects with the AppErrors of `start`. */
  readonly connected: Promise<void>;

  /**
   * Begins to connect.
   * @param config with a START_TIMEOUT of `Infinity` it retries until it is closed
   */
  constructor(
    config: RawWriterConfig,
    log: Log,
    metrics: Pick<Metrics, 'clockRefusals' | 'certificateNotAfter'>,
  ) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
    this.#ended.promise.catch(() => undefined);
    this.connected = this.#connect();
  }

  /** Rejects if the registry's schema ids have changed. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  /** @throws AppError BROKER_UNAVAILABLE, also while it is not connected yet */
  readonly write: Write = async (webhooks, timeoutMs) => {
    const [writer, record] = [this.#writer, this.#record];
    if (!writer || !record) {
      const text = 'Kafka and the registry have not been reached since the start';
      throw new AppError('BROKER_UNAVAILABLE', 'retry', text);
    }
    const arena = new Arena();
    const records = webhooks.map((webhook) => rawRecord(webhook, record, arena));
    return writer.write(records, timeoutMs, arena);
  };

  /** Returns whether raw can be written now, as far as Kafka tells. */
  async isReachable(): Promise<boolean> {
    return (await this.#writer?.isReachable()) ?? false;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ids?.stop();
    await this.#writer?.close();
  }

  async #connect(): Promise<void> {
    const config = this.#config;
    const catalog = createCatalog(withoutReconcile(config.topics));
    const { maxBodyBytes } = config.bridge;
    const needs = { read: [], write: [catalog.raw], maxBodyBytes };
    const certificates = watchCertificates(this.#log, this.#metrics);
    const context = { log: this.#log, certificates };
    const { admin, registry, schemaId } = await start(config, catalog, context, needs);
    await admin.close();
    const client = createClient(config.kafka, this.#log, { certificates });
    const writer = await retryAtStart(config.start, this.#log, () =>
      Writer.open(client, catalog.raw, () => this.#onClockRefused()),
    );
    if (this.#isClosed) return writer.close();
    this.#ids = new SchemaIdWatch(registry, catalog, schemaId);
    this.#ids.ended.catch(this.#ended.reject);
    const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId(catalog.raw));
    this.#record = { encode, readFields: fieldReader(config.bridge) };
    this.#writer = writer;
  }

  #onClockRefused(): void {
    this.#metrics.clockRefusals.inc();
    if (this.#clockThrottle.isDue()) this.#log.error(clockText);
  }
}
