/** The parts of a reconciliation, and one run of it. */

import { createEncoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { exponentialBackoff, retry } from '../concurrency/retry.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { recoveryOf } from '../kafka/failure.ts';
import { expectStored, Writer } from '../kafka/writer.ts';
import type { Log } from '../observability/log.ts';
import { type Backfill, backfillRecord } from '../reconcile/backfill-record.ts';
import { BodyBuilder } from '../reconcile/body.ts';
import { KnownPublications } from '../reconcile/known.ts';
import { type ReconcileOptions, reconcile } from '../reconcile/reconcile.ts';
import type { Report } from '../reconcile/report.ts';
import { type Run, RunLog } from '../reconcile/run-log.ts';
import { Vendor, type Window } from '../reconcile/vendor.ts';
import { reconcileGroupOf } from '../topics/acls.ts';
import { VoucherifyApi } from '../voucherify/api.ts';
import {
  type ConnectedDeployment,
  expectOptionalTopic,
  expectSchemaId,
} from './connect-deployment.ts';
import { ReconcileLease } from './reconcile-lease.ts';

type ReconcileAppConfig = Config<'topics' | 'processor' | 'lookup' | 'project'>;

export type ReconcileRequest = {
  /** Undefined: since the last run without a gap. */
  readonly sinceMs: number | undefined;
  readonly untilMs: number;
  /** The arguments, to recognise a run that was killed. */
  readonly request: string;
  readonly overlapMs: number;
  readonly isExecuted: boolean;
  readonly isStaleAllowed: boolean;
  /** The source under which the webhooks would have arrived. */
  readonly source: string;
};

const apiTimeoutMs = 30_000;
const writeTimeoutMs = 10_000;
const writing = { backoff: exponentialBackoff(100, 5_000), maxFailures: 12 };

/** @throws AppError */
export async function runReconcile(
  config: ReconcileAppConfig,
  deployment: ConnectedDeployment,
  asked: ReconcileRequest,
  log: Log,
  onProgress: (text: string) => void,
): Promise<Report> {
  const api = openApi(config.lookup);
  const { client, catalog } = deployment;
  const topic = await expectOptionalTopic(deployment, 'reconcile', 'RECONCILE');
  await using opened = new AsyncDisposableStack();
  const { sessionTimeoutMs, group } = config.processor;
  const leaseOptions = { group: reconcileGroupOf(group), topic, sessionTimeoutMs };
  const lease = await ReconcileLease.join(client, leaseOptions, log, () =>
    onProgress('another instance reconciles this deployment: waiting for it'),
  );
  opened.defer(() => lease.release());
  await lease.acquired();
  const progressWriter = await Writer.open(client, topic);
  opened.defer(() => progressWriter.close());
  const raw = await Writer.open(client, catalog.raw);
  opened.defer(() => raw.close());
  const runLog = await RunLog.open(
    deployment,
    topic,
    await expectSchemaId(deployment, topic, 'ReconcileProgress'),
    progressWriter,
  );
  const vendor = new Vendor(api, onProgress);
  const { projectId = null } = config.project;
  const personalFields = config.processor.personalData;
  const encode = createEncoder<RawWebhook>(
    schemas.RawWebhook.type,
    await expectSchemaId(deployment, catalog.raw, 'RawWebhook'),
  );
  const { source, isStaleAllowed } = asked;
  const write = async ({ runId }: Run, backfill: Backfill) => {
    const record = backfillRecord(backfill, { encode, runId, source, projectId, isStaleAllowed });
    const isRetriable = (error: unknown) => recoveryOf(error) === 'retry';
    const attempt = async () => expectStored(await raw.write([record], writeTimeoutMs));
    await retry(attempt, { ...writing, isRetriable });
  };
  return await reconcile(optionsOf(asked, runLog, config), {
    vendor,
    runLog,
    known: ({ since, runId }, unitMs) =>
      // Clocks differ: what came shortly before the window began is read, too.
      new KnownPublications(deployment, { sinceMs: since - asked.overlapMs, unitMs, runId }),
    bodies: new BodyBuilder(vendor, { projectId, personalFields }),
    write: asked.isExecuted ? write : undefined,
    onProgress,
    expectLease: () => lease.expectHeld(),
  });
}

function openApi({ url, appId, appToken }: ReconcileAppConfig['lookup']): VoucherifyApi {
  if (appId !== undefined && appToken !== undefined) {
    return new VoucherifyApi({ url, appId, appToken, timeoutMs: apiTimeoutMs });
  }
  const text =
    "VOUCHERIFY_APP_ID and VOUCHERIFY_APP_TOKEN are not set: expected an API key that may read Voucherify's publications";
  throw new AppError('CONFIG_INVALID', 'stop', text);
}

function optionsOf(
  asked: ReconcileRequest,
  runLog: RunLog,
  { topics }: ReconcileAppConfig,
): ReconcileOptions {
  const { overlapMs, request, isStaleAllowed } = asked;
  const last = runLog.run?.reconciledUntil ?? null;
  const sinceMs = asked.sinceMs ?? (last === null ? undefined : last - overlapMs);
  if (sinceMs === undefined) {
    const text =
      'no run has ended without a gap yet, so there is no time to begin with: give --since, for example --since 2d';
    throw new AppError('CONFIG_INVALID', 'stop', text);
  }
  const window: Window = { sinceMs, untilMs: asked.untilMs };
  const { dedupWindowMs } = topics;
  return { window, request, overlapMs, dedupWindowMs, isStaleAllowed };
}
