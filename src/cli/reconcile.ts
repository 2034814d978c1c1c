/** `voucherbus reconcile`: finds and backfills the publications of which no webhook came. */

import { parseArgs } from 'node:util';
import { connectDeployment } from '../app/connect-deployment.ts';
import { configOf } from '../app/environment.ts';
import { audited, operatorName } from '../app/operator.ts';
import { type ReconcileRequest, runReconcile } from '../app/reconcile-app.ts';
import { createLog } from '../observability/log.ts';
import { hasGap, type Report, renderReport } from '../reconcile/report.ts';
import { hasSmallHeap, runInSmallHeap } from '../workers/small-heap.ts';
import { parseAge } from './age.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';
import { progressOn } from './progress.ts';

const usage = `voucherbus reconcile [--since AGE] [--until AGE] [--overlap AGE] [--execute [--allow-stale] [--by NAME]] [--source NAME] [--json]
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
} as const;

export const command: Command = {
  summary: 'finds publications of which no webhook came, and backfills them',
  usage,
  run: async (args, io) => {
    const parsed = parseOrUsage(io, usage, () => parse(args));
    if (!parsed) return 2;
    if (!hasSmallHeap) return runInSmallHeap(['reconcile', ...args]);
    const groups = ['kafka', 'registry', 'topics', 'processor', 'lookup', 'project'] as const;
    const config = configOf(groups, io);
    await using deployment = await connectDeployment(config);
    const log = createLog('silent', 'reconcile');
    const work = () => runReconcile(config, deployment, parsed.request, log, progressOn(io));
    const report = await (parsed.request.isExecuted ? withAudit(parsed.by, work) : work());
    const lines = parsed.isJson ? [JSON.stringify(report, null, 2)] : renderReport(report);
    for (const line of lines) io.out(line);
    return hasGap(report) ? 1 : 0;
  },
};

function parse(args: readonly string[]) {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  // As people say it: --until 1h ago.
  if (positionals.some((word) => word !== 'ago')) throw new Error('expected options only');
  const { since, until, overlap, execute, source } = values;
  const isStaleAllowed = values['allow-stale'];
  const nowMs = Date.now();
  const request: ReconcileRequest = {
    sinceMs: since === undefined ? undefined : nowMs - parseAge(since),
    untilMs: until === undefined ? nowMs : nowMs - parseAge(until),
    request: JSON.stringify({ since, until, overlap, execute, isStaleAllowed, source }),
    overlapMs: parseAge(overlap),
    isExecuted: execute,
    isStaleAllowed,
    source,
  };
  return { request, by: values.by ?? operatorName(), isJson: values.json };
}

async function withAudit(by: string, work: () => Promise<Report>): Promise<Report> {
  let report: Report | undefined;
  const facts = () => ({ by, run: report?.runId, backfilled: report?.backfilled });
  return audited('reconcile.backfill', facts, async () => {
    report = await work();
    return report;
  });
}
