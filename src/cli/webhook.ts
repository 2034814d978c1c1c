/** `voucherbus webhook`: whether Voucherify's webhook is active, and making it active again. */

import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { type OurWebhooks, openWebhookConfigurations } from '../app/open-webhook-configurations.ts';
import { audited, operatorName } from '../app/operator.ts';
import { AppError } from '../errors.ts';
import {
  isSameUrl,
  type WebhookConfiguration,
  webhookProblems,
} from '../voucherify/webhook-configuration.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus webhook status [--json]
       voucherbus webhook enable [--yes] [--by NAME]
  Needs VOUCHERIFY_MANAGEMENT_ID, VOUCHERIFY_MANAGEMENT_TOKEN, VOUCHERIFY_PROJECT_ID and WEBHOOK_TARGET_URL, the address of the bridge.
  status  the project's webhooks, and whether one of them sends publications to that address
  enable  makes the webhook with that address active. Voucherify sends nothing for the time before: \`voucherbus reconcile\` finds it
  --yes   does not ask
  --by    the operator's name; default the system's user
Exit code 0: the webhook sends publications. 1: it does not.`;

const options = {
  json: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  by: { type: 'string' },
} as const;

export const command: Command = {
  summary: "status | enable: whether Voucherify's webhook is active",
  usage,
  run: async (args, io) => {
    const parsed = parseOrUsage(io, usage, () => parse(args));
    if (!parsed) return 2;
    const { webhooks: configurations, targetUrl } = open(io);
    const webhooks = await configurations.list();
    if (parsed.verb === 'status') return show(webhooks, targetUrl, parsed.json, io);
    const inactive = webhooks.filter((one) => isSameUrl(one.targetUrl, targetUrl) && !one.isActive);
    for (const webhook of inactive) {
      if (!parsed.yes && !(await isConfirmed(webhook))) {
        io.err('nothing was changed: answer yes, or give --yes');
        return 1;
      }
      const by = parsed.by ?? operatorName();
      const facts = () => ({ by, webhook: webhook.id, targetUrl });
      await audited('webhook.enable', facts, () => configurations.enable(webhook));
    }
    return show(await configurations.list(), targetUrl, parsed.json, io);
  },
};

function parse(args: readonly string[]) {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [verb, ...rest] = positionals;
  if ((verb === 'status' || verb === 'enable') && rest.length === 0) return { ...values, verb };
  throw new Error('expected status or enable');
}

/** @throws AppError CONFIG_INVALID */
function open(io: Io): OurWebhooks {
  const opened = openWebhookConfigurations(configOf(['project', 'management'], io));
  if (opened) return opened;
  const text =
    'expected VOUCHERIFY_MANAGEMENT_ID, VOUCHERIFY_MANAGEMENT_TOKEN, VOUCHERIFY_PROJECT_ID and WEBHOOK_TARGET_URL';
  throw new AppError('CONFIG_INVALID', 'stop', text);
}

function show(
  webhooks: readonly WebhookConfiguration[],
  targetUrl: string,
  isJson: boolean,
  io: Io,
): number {
  const problems = webhookProblems(webhooks, targetUrl);
  if (isJson) {
    io.out(JSON.stringify({ targetUrl, problems, webhooks }, null, 2));
    return problems.length === 0 ? 0 : 1;
  }
  for (const { id, targetUrl: url, events, isActive } of webhooks) {
    io.out(`${isActive ? 'active  ' : 'inactive'}  ${id}  ${url}  ${events.join(', ')}`);
  }
  for (const problem of problems) io.out(problem);
  if (problems.length === 0) io.out(`publications are sent to ${targetUrl}`);
  return problems.length === 0 ? 0 : 1;
}

async function isConfirmed({ id, targetUrl }: WebhookConfiguration): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const text = await terminal.question(`make webhook ${id} to ${targetUrl} active? [yes/no] `);
    return text.trim().toLowerCase() === 'yes';
  } finally {
    terminal.close();
  }
}
