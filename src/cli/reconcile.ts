/** `voucherbus reconcile`: finds and backfills the publications of which no webhook came. */

import { parseArgs } from 'node:util';
import { connectDeployment } from '../app/connect-deployment.ts';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { audited, operatorName } from '../app/operator.ts';
import { type ReconcileRequest, Reconciler } from '../app/reconcile-app.ts';
import { runReconcileService } from '../app/reconcile-service.ts';
import { runService } from '../app/run-service.ts';
import { createLog } from '../observability/log.ts';
import { hasGap, type Report, renderReport } from '../reconcile/report.ts';
import { hasSmallHeap, runInSmallHeap } from '../workers/small-heap.ts';
import { parseAge } from './age.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';
import { progressOn } from './progress.ts';

const usage = `voucherbus reconcile [--since AGE] [--until AGE] [--overlap AGE] [--execute [--allow-stale] [--by NAME]] [--source NAME] [--json | --every AGE]
  Compares Voucherify's export of publications with what reached us, and lists what is missing. Needs VOUCHERIFY_APP_ID and VOUCHERIFY_APP_TOKEN
  (read rights and the right to create exports), and RECONCILE=true with the topic that \`voucherbus setup\` creates for it.
  --since        publications that are younger, for example 2d; default: since the last run that left no gap, less the overlap
  --until        publications that are older, for example 1h; default: all
  --overlap      younger publications may be in flight, and are not called missing; default 1h
  --execute      writes what is missing to raw, from Voucherify's API, as if its webhook had come; without it nothing is written
  --allow-stale  also what is older than DEDUP_WINDOW
  --by           the operator's name; default the system's user
  --source       the <source> of POST /webhooks/<source> under which the webhooks would have come; default voucherify
  --json         the report as JSON, with every missing publication
  --every        runs as a service, and reconciles again after this time, for example 15m; with /readyz and /metrics on ADMIN_PORT
  A run that was killed goes on where it was if it is started again with the same arguments within six hours.
Exit code 0: nothing is missing. 1: something is, or it could not be determined.`;

const options = {
  since: { type: 'string' },
  until: { type: 'string' },
  overlap: { type: 'string', default: '1h' },
  execute: { type: 'boolean', default: false },
  'allow-stale': { type: 'boolean', default: false },
  by: { type: 'string' },
  source: { type: 'string', default: 'voucherify' },
  json: { type: 'boolean', default: false },
  every: { type: 'string' },
} as const;

export const command: Command = {
  summary: 'finds publications of which no webhook came, and backfills them',
  usage,
  run: async (args, io) => {
    const parsed = parseOrUsage(io, usage, () => parse(args));
    if (!parsed) return 2;
    const { everyMs } = parsed;
    const isService = everyMs !== undefined;
    if (!hasSmallHeap) return runInSmallHeap(['reconcile', ...args], { isService });
    return isService ? serve(everyMs, parsed.requestAt, io) : runOnce(parsed, io);
  },
};

type Parsed = ReturnType<typeof parse>;

const groups = ['kafka', 'registry', 'topics', 'processor', 'lookup', 'project'] as const;

async function runOnce({ requestAt, by, isJson }: Parsed, io: Io): Promise<number> {
  const config = configOf(groups, io);
  const log = createLog('silent', 'reconcile');
  const onProgress = progressOn(io);
  const onElected = (isLeader: boolean) => {
    if (!isLeader) onProgress('another instance reconciles this deployment: waiting for it');
  };
  await using deployment = await connectDeployment(config);
  await using reconciler = await Reconciler.join(config, deployment, log, onElected);
  await reconciler.leadership.acquired();
  const request = requestAt(Date.now());
  const observer = { onProgress, onApiCall: () => {}, onBackfilled: () => {} };
  const work = () => reconciler.run(request, observer);
  const report = await (request.isExecuted ? withAudit(by, work) : work());
  const lines = isJson ? [JSON.stringify(report, null, 2)] : renderReport(report);
  for (const line of lines) io.out(line);
  return hasGap(report) ? 1 : 0;
}

function serve(everyMs: number, requestAt: Parsed['requestAt'], io: Io): Promise<number> {
  const config = configOf([...groups, 'operation'], io);
  return runService(
    {
      name: 'reconcile',
      runs: 'reconcile is ready',
      workers: 1,
      readyWith: 'all',
      tuning: { garbagePercent: 60, isCompiledSoon: false },
      run: (worker) => runReconcileService(config, { everyMs, requestAt }, worker),
    },
    config,
  );
}

function parse(args: readonly string[]) {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  // As people say it: --until 1h ago.
  if (positionals.some((word) => word !== 'ago')) throw new Error('expected options only');
  const { since, until, overlap, execute, source, json: isJson, every } = values;
  if (isJson && every !== undefined) throw new Error('expected either --json or --every');
  const isStaleAllowed = values['allow-stale'];
  const [sinceAgeMs, untilAgeMs, everyMs] = [since, until, every].map((age) =>
    age === undefined ? undefined : parseAge(age),
  );
  const overlapMs = parseAge(overlap);
  const requestAt = (nowMs: number): ReconcileRequest => ({
    sinceMs: sinceAgeMs === undefined ? undefined : nowMs - sinceAgeMs,
    untilMs: nowMs - (untilAgeMs ?? 0),
    request: JSON.stringify({ since, until, overlap, execute, isStaleAllowed, source }),
    overlapMs,
    isExecuted: execute,
    isStaleAllowed,
    source,
  });
  return { requestAt, everyMs, by: values.by ?? operatorName(), isJson };
}

async function withAudit(by: string, work: () => Promise<Report>): Promise<Report> {
  let report: Report | undefined;
  const facts = () => ({ by, run: report?.runId, backfilled: report?.backfilled });
  return audited('reconcile.backfill', facts, async () => {
    report = await work();
    return report;
  });
}
