/** Writes webhooks to the raw topic, once Kafka and the registry were found and are fit. Who has a spool need not wait for that. */

import { Arena } from '../avro/arena.ts';
import { createEncoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { rawRecord } from '../bridge/raw-record.ts';
import type { Write } from '../bridge/webhook-store.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { createClient } from '../kafka/client.ts';
import { openWriter, type Writer } from '../kafka/writer.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createCatalog } from '../topics/catalog.ts';
import { type IdWatch, watchSchemaIds } from '../topics/schema-id-watch.ts';
import { retryAtStart, start } from './startup.ts';

export type RawWriter = {
  /** @throws AppError BROKER_UNAVAILABLE also while it is not connected yet */
  readonly write: Write;
  /** Settles when it can write. @throws AppError, as `start` does */
  readonly connected: Promise<void>;
  /** Rejects where the registry has other ids than those that are written. */
  readonly ended: Promise<never>;
  /** Whether Kafka answers, and every partition of raw has a leader. */
  readonly isReachable: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

/** Log throttle: while the clock is wrong, every batch is refused. */
const sayAgainAfterMs = 60_000;

/** Begins to connect. @param config with a START_TIMEOUT of `Infinity` it goes on until it is closed */
export function openRawWriter(
  config: Config<'kafka' | 'registry' | 'start' | 'topics' | 'bridge'>,
  log: Log,
  { clockRefusals }: Pick<Metrics, 'clockRefusals'>,
): RawWriter {
  const catalog = createCatalog(config.topics);
  let opened: (Pick<Writer, 'close' | 'isReachable'> & { readonly write: Write }) | undefined;
  let isClosed = false;
  let ids: IdWatch | undefined;
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  let saidAt = Number.NEGATIVE_INFINITY;
  const connect = async () => {
    const { admin, registry, schemaId } = await start(config, catalog, log, {
      read: [],
      write: [catalog.raw],
      maxBodyBytes: config.bridge.maxBodyBytes,
    });
    await admin.close();
    const client = createClient(config.kafka, log);
    const onClockRefused = () => {
      clockRefusals.inc();
      if (performance.now() - saidAt < sayAgainAfterMs) return;
      saidAt = performance.now();
      log.error(
        "Kafka refuses the time stamps of this host: its clock is more than the topic's message.timestamp.after.max.ms ahead of the broker's, or behind it. Set the clock right (NTP). Until then records are written without a time stamp",
      );
    };
    const writer = await retryAtStart(config.start, log, () =>
      openWriter(client, catalog.raw, onClockRefused),
    );
    if (isClosed) return writer.close();
    ids = watchSchemaIds(registry, catalog, schemaId);
    ids.ended.catch(ended.reject);
    const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId(catalog.raw));
    opened = {
      close: writer.close,
      isReachable: writer.isReachable,
      write: async (webhooks, timeoutMs) => {
        const arena = new Arena();
        const records = webhooks.map(({ verified, receipt }) =>
          rawRecord(verified, receipt, encode, arena),
        );
        try {
          return await writer.write(records, timeoutMs);
        } finally {
          arena.giveBack();
        }
      },
    };
  };
  return {
    connected: connect(),
    ended: ended.promise,
    write: async (webhooks, timeoutMs) => {
      if (opened) return opened.write(webhooks, timeoutMs);
      const text = 'Kafka and the registry have not been reached since the start';
      throw new AppError('BROKER_UNAVAILABLE', 'retry', text);
    },
    isReachable: async () => (await opened?.isReachable()) ?? false,
    close: async () => {
      isClosed = true;
      ids?.stop();
      await opened?.close();
    },
  };
}
