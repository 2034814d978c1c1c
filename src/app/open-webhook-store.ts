/** Opens the webhook store of one worker of the bridge, and the directories of its spool. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Spool, type SpoolState } from '../bridge/spool/spool.ts';
import {
  SpoolingStore,
  storeOnKafka,
  type WebhookStore,
  type Write,
} from '../bridge/webhook-store.ts';
import { Throttle } from '../concurrency/throttle.ts';
import type { BridgeConfig } from '../config/config.ts';
import type { Log } from '../observability/log.ts';
import type { WorkerContext } from './run-service.ts';

const logEveryMs = 5_000;

/** Small enough to be read into memory and sent at once. */
const segmentBytes = 4 * 1024 * 1024;

/**
 * With SPOOL_DIR, takes this worker's part of it, and begins to send what an earlier bridge left
 * there.
 * @throws AppError SPOOL_UNUSABLE
 */
export async function openWebhookStore(
  config: BridgeConfig,
  worker: Pick<WorkerContext, 'number' | 'of'>,
  write: Write,
  log: Log,
): Promise<WebhookStore> {
  const { spoolDirectory, spoolMaxBytes: maxBytes, spoolAfterMs: budgetMs } = config;
  if (spoolDirectory === undefined) return storeOnKafka(write, config.responseTimeoutMs);
  const throttle = new Throttle(logEveryMs);
  const onTrouble = (error: unknown, consequence: string) => {
    if (throttle.isDue()) log.warn({ err: error }, consequence);
  };
  const open = async (directory: string) => {
    const spool = await Spool.open({ directory, maxBytes, segmentBytes });
    const { webhooks } = spool.state;
    const text = 'webhooks of an earlier bridge wait in the spool';
    if (webhooks > 0) log.info({ webhooks, directory }, text);
    return new SpoolingStore(write, spool, { budgetMs, onTrouble });
  };
  const [own, ...left] = directoriesOf(spoolDirectory, worker);
  const stores = [await open(own)] as [SpoolingStore, ...SpoolingStore[]];
  // Nothing is added to the others: they are only sent.
  for (const directory of left) stores.push(await open(directory));
  return {
    store: stores[0].store,
    spoolState: () => sumOf(stores.map(({ spoolState }) => spoolState())),
    close: async () => {
      await Promise.all(stores.map(({ close }) => close()));
    },
  };
}

const prefix = 'worker-';

/**
 * Returns the worker's own directory. The first worker also gets those of workers that no longer
 * exist, because there were more of them once.
 */
function directoriesOf(
  root: string,
  { number, of }: Pick<WorkerContext, 'number' | 'of'>,
): [own: string, ...left: string[]] {
  if (number > 1) return [join(root, `${prefix}${number}`)];
  const names = existsSync(root) ? readdirSync(root) : [];
  const left = names.filter(
    (name) => name.startsWith(prefix) && Number(name.slice(prefix.length)) > of,
  );
  return [root, ...left.map((name) => join(root, name))];
}

function sumOf(states: readonly SpoolState[]): SpoolState {
  const oldest = states.flatMap(({ oldestMs }) => oldestMs ?? []);
  return {
    webhooks: states.reduce((sum, { webhooks }) => sum + webhooks, 0),
    bytes: states.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestMs: oldest.length > 0 ? Math.min(...oldest) : undefined,
    refused: states.reduce((sum, { refused }) => sum + refused, 0),
    damaged: states.reduce((sum, { damaged }) => sum + damaged, 0),
  };
}
