/** The keeper of one worker of the bridge, and the directories of its spool. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Spool, type SpoolState } from '../bridge/spool/spool.ts';
import {
  keepOnKafka,
  keepWithSpool,
  type WebhookStore,
  type Write,
} from '../bridge/webhook-store.ts';
import type { BridgeConfig } from '../config/config.ts';
import type { Log } from '../observability/log.ts';
import type { WorkerContext } from './run-service.ts';

/** In an outage the same happens again and again. */
const sayAgainAfterMs = 5_000;

/** Small enough to be read into memory and sent at once. */
const segmentBytes = 4 * 1024 * 1024;

/** With SPOOL_DIR: takes this worker's part of it, and begins to send what an earlier bridge left there. @throws AppError SPOOL_UNUSABLE */
export async function openWebhookStore(
  config: BridgeConfig,
  worker: Pick<WorkerContext, 'number' | 'of'>,
  write: Write,
  log: Log,
): Promise<WebhookStore> {
  const { spoolDirectory, spoolMaxBytes: maxBytes, spoolAfterMs: budgetMs } = config;
  if (spoolDirectory === undefined) return keepOnKafka(write, config.responseTimeoutMs);
  let saidAt = 0;
  const onTrouble = (error: unknown, consequence: string) => {
    if (Date.now() - saidAt < sayAgainAfterMs) return;
    saidAt = Date.now();
    log.warn({ err: error }, consequence);
  };
  const open = async (directory: string) => {
    const spool = await Spool.open({ directory, maxBytes, segmentBytes });
    const { webhooks } = spool.state;
    const text = 'webhooks of an earlier bridge wait in the spool';
    if (webhooks > 0) log.info({ webhooks, directory }, text);
    return keepWithSpool(write, spool, { budgetMs, onTrouble });
  };
  const [own, ...left] = directoriesOf(spoolDirectory, worker);
  const store = await open(own);
  // Nothing is added to these: they are only sent.
  const others: WebhookStore[] = [];
  for (const directory of left) others.push(await open(directory));
  const all = [store, ...others];
  return {
    keep: store.keep,
    spoolState: () => sumOf(all.flatMap(({ spoolState }) => spoolState() ?? [])),
    close: async () => {
      await Promise.all(all.map(({ close }) => close()));
    },
  };
}

const prefix = 'worker-';

/** The worker's own; for the first also those of workers that there are no more, since there were more of them once. */
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
