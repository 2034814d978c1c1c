/** Writes webhooks to the raw topic, once Kafka and the registry were found and are fit. Who has a spool need not wait for that. */

import type { Write } from '../bridge/keeper.ts';
import { rawRecord } from '../bridge/record.ts';
import type { RawWebhook } from '../codec/records.ts';
import { schemas } from '../codec/schemas.ts';
import { Space } from '../codec/space.ts';
import { createEncoder } from '../codec/wire.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { createClient } from '../kafka/client.ts';
import { openWriter, type Writer } from '../kafka/writer.ts';
import type { Log } from '../observability/log.ts';
import { createCatalog } from '../topics/catalog.ts';
import { retryAtStart, start } from './start.ts';

export type RawWriter = {
  /** @throws AppError BROKER_UNAVAILABLE also while it is not connected yet */
  readonly write: Write;
  /** Settles when it can write. @throws AppError, as `start` does */
  readonly connected: Promise<void>;
  readonly close: () => Promise<void>;
};

/** Begins to connect. @param config with a START_TIMEOUT of `Infinity` it goes on until it is closed */
export function openRawWriter(
  config: Config<'kafka' | 'registry' | 'start' | 'topics'>,
  log: Log,
): RawWriter {
  const catalog = createCatalog(config.topics);
  let opened: { readonly write: Write; readonly close: Writer['close'] } | undefined;
  let isClosed = false;
  const connect = async () => {
    const { admin, schemaId } = await start(config, catalog, log);
    await admin.close();
    const client = createClient(config.kafka, log);
    const writer = await retryAtStart(config.start, log, () => openWriter(client, catalog.raw));
    if (isClosed) return writer.close();
    const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId(catalog.raw));
    opened = {
      close: writer.close,
      write: async (webhooks, timeoutMs) => {
        const space = new Space();
        const records = webhooks.map(({ verified, receipt }) =>
          rawRecord(verified, receipt, encode, space),
        );
        try {
          return await writer.write(records, timeoutMs);
        } finally {
          space.giveBack();
        }
      },
    };
  };
  return {
    connected: connect(),
    write: async (webhooks, timeoutMs) => {
      if (opened) return opened.write(webhooks, timeoutMs);
      const text = 'Kafka and the registry have not been reached since the start';
      throw new AppError('BROKER_UNAVAILABLE', 'retriable', text);
    },
    close: async () => {
      isClosed = true;
      await opened?.close();
    },
  };
}
