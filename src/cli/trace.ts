/** `voucherbus trace`: why did this event (not) arrive? */

import { parseArgs } from 'node:util';
import { connectFromEnvironment } from '../app/connect-deployment.ts';
import type { Io } from '../app/io.ts';
import { auditOperator, operatorName } from '../app/operator.ts';
import { maskedTrace } from '../inspect/mask.ts';
import { renderTrace } from '../inspect/render-trace.ts';
import { findTraces } from '../inspect/trace.ts';
import { since } from './age.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';
import { progressOn } from './progress.ts';

const usage = `voucherbus trace ID [--since AGE] [--unmask] [--json]
  ID        a publication id, an event id, a voucher code, or a customer's id or source id
  --since   how far back raw is searched for another id, for example 2h or 3d; default all of it. A publication id needs no search
  --unmask  shows the personal data that the output event carries
  --json    prints JSON
Exit code 0: found. 1: never received.`;

const options = {
  since: { type: 'string' },
  unmask: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: 'shows what happened to a publication, an event or a voucher',
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    await using deployment = await connectFromEnvironment(io);
    const progress = progressOn(io);
    const { found: traces, direct } = await findTraces(
      deployment,
      parsed.id,
      parsed.sinceMs,
      progress,
    );
    if (parsed.unmask && traces.length > 0) {
      const ids = traces.map((trace) => trace.key);
      auditOperator('personal-data.unmask', { by: operatorName(), publications: ids });
    }
    const shown = traces.map((trace) => (parsed.unmask ? trace : maskedTrace(trace)));
    if (parsed.json) io.out(JSON.stringify(shown, null, 2));
    else
      for (const line of (shown.length > 0 ? shown : [direct]).flatMap(renderTrace)) io.out(line);
    return shown.length > 0 ? 0 : 1;
  },
};

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [id, ...rest] = positionals;
    if (!id || rest.length > 0) throw new Error('expected one ID');
    return { ...values, id, sinceMs: since(values.since) };
  });
}
