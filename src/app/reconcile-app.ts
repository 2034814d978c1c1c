/** The parts of a reconciliation, and runs of it: one, or one after the other. */

import { createEncoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { exponentialBackoff, retry } from '../concurrency/retry.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { recoveryOf } from '../kafka/failure.ts';
import { expectStored, Writer } from '../kafka/writer.ts';
import { Leadership } from '../membership/leadership.ts';
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

export type ReconcileAppConfig = Config<'topics' | 'processor' | 'lookup' | 'project'>;

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

/** Called during a run, so that the counts are right also if it fails. */
export type ReconcileObserver = {
  readonly onProgress: (text: string) => void;
  readonly onApiCall: () => void;
  readonly onBackfilled: () => void;
};

const apiTimeoutMs = 30_000;
const writeTimeoutMs = 10_000;
const writing = { backoff: exponentialBackoff(100, 5_000), maxFailures: 12 };

/**
 * One instance of a deployment that may reconcile it, while it leads the others. Open it with
 * `join`.
 */
export class Reconciler implements AsyncDisposable {
  readonly #config: ReconcileAppConfig;
  readonly #deployment: ConnectedDeployment;
  readonly #topic: string;
  readonly #api: VoucherifyApi;
  readonly leadership: Leadership;

  private constructor(
    config: ReconcileAppConfig,
    deployment: ConnectedDeployment,
    { topic, api, leadership }: { topic: string; api: VoucherifyApi; leadership: Leadership },
  ) {
    this.#config = config;
    this.#deployment = deployment;
    this.#topic = topic;
    this.#api = api;
    this.leadership = leadership;
  }

  /**
   * @param onElected called at each rebalance, with whether this instance leads
   * @throws AppError
   */
  static async join(
    config: ReconcileAppConfig,
    deployment: ConnectedDeployment,
    log: Log,
    onElected: (isLeader: boolean) => void,
  ): Promise<Reconciler> {
    const api = openApi(config);
    const topic = await expectOptionalTopic(deployment, 'reconcile', 'RECONCILE');
    const { sessionTimeoutMs, group } = config.processor;
    const options = { group: reconcileGroupOf(group), topic, sessionTimeoutMs, onElected };
    const leadership = await Leadership.join(deployment.client, options, log);
    return new Reconciler(config, deployment, { topic, api, leadership });
  }

  /** Reconciles once; this instance must lead. @throws AppError */
  async run(asked: ReconcileRequest, observer: ReconcileObserver): Promise<Report> {
    const deployment = this.#deployment;
    const { client, catalog } = deployment;
    await using opened = new AsyncDisposableStack();
    const progress = await Writer.open(client, this.#topic);
    opened.defer(() => progress.close());
    const raw = await Writer.open(client, catalog.raw);
    opened.defer(() => raw.close());
    const progressId = await expectSchemaId(deployment, this.#topic, 'ReconcileProgress');
    const runLog = await RunLog.open(deployment, this.#topic, progressId, progress);
    const { onProgress } = observer;
    const vendor = new Vendor(this.#api, observer);
    const { projectId = null } = this.#config.project;
    const personalFields = this.#config.processor.personalData;
    const write = await this.#writerOf(raw, asked, observer);
    return await reconcile(optionsOf(asked, runLog, this.#config), {
      vendor,
      runLog,
      known: ({ since, runId }, unitMs) =>
        // Clocks differ: what came shortly before the window began is read, too.
        new KnownPublications(deployment, { sinceMs: since - asked.overlapMs, unitMs, runId }),
      bodies: new BodyBuilder(vendor, { projectId, personalFields }),
      write: asked.isExecuted ? write : undefined,
      onProgress,
      expectLease: () => this.leadership.expectHeld(),
    });
  }

  async #writerOf(
    raw: Writer,
    { source, isStaleAllowed }: ReconcileRequest,
    { onBackfilled }: ReconcileObserver,
  ) {
    const { projectId = null } = this.#config.project;
    const schemaId = await expectSchemaId(
      this.#deployment,
      this.#deployment.catalog.raw,
      'RawWebhook',
    );
    const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId);
    const isRetriable = (error: unknown) => recoveryOf(error) === 'retry';
    return async ({ runId }: Run, backfill: Backfill) => {
      const record = backfillRecord(backfill, { encode, runId, source, projectId, isStaleAllowed });
      const attempt = async () => expectStored(await raw.write([record], writeTimeoutMs));
      await retry(attempt, { ...writing, isRetriable });
      onBackfilled();
    };
  }

  /** Leaves the group, so that another instance leads at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.leadership.release();
  }
}

function openApi({ project, lookup }: ReconcileAppConfig): VoucherifyApi {
  const { appId, appToken } = lookup;
  if (appId !== undefined && appToken !== undefined) {
    return new VoucherifyApi({ url: project.apiUrl, appId, appToken, timeoutMs: apiTimeoutMs });
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
