/** `voucherbus dead-letters`: lists, shows and redrives dead letters. */

import { parseArgs } from 'node:util';
import { type ConnectedDeployment, connectFromEnvironment } from '../app/connect-deployment.ts';
import type { Io } from '../app/io.ts';
import { audited, auditOperator, operatorName } from '../app/operator.ts';
import { bodyOf, type Filter, type Letter, readLetters } from '../inspect/dead-letters.ts';
import { maskedBody, maskText } from '../inspect/mask.ts';
import { redrive, type Triage, triageOf } from '../inspect/redrive.ts';
import { formatPosition } from '../kafka/record-position.ts';
import { Writer } from '../kafka/writer.ts';
import type { Deployment } from '../topics/deployment.ts';
import { parseAge, since } from './age.ts';
import type { Command } from './command.ts';
import { parseOrUsage, parseWhole } from './options.ts';
import { progressOn } from './progress.ts';

const usage = `voucherbus dead-letters list    [FILTERS] [--json]
       voucherbus dead-letters show    PARTITION@OFFSET [--unmask] [--json]
       voucherbus dead-letters redrive [FILTERS] [--execute] [--allow-stale] [--force] [--max-attempts N] [--by NAME]
  FILTERS         --reason R, --source-topic T, --since AGE, --until AGE (for example 2h, 3d), --partition N, --offsets FROM-TO, --id PUBLICATION
  list            counts by reason, with an example of each
  show            shows one letter: the reason, the position in its data, its headers and its body
  --unmask        shows personal data too
  redrive         sends the original bytes back to raw. Without --execute it only says how many it would send
  --allow-stale   also sends letters older than DEDUP_WINDOW. You guarantee that they are not repeats, and the journal records it
  --max-attempts  skips letters that failed this many times, default 5; --force sends them nevertheless
  --by            the operator's name in the journal; default the system's user`;

const options = {
  reason: { type: 'string' },
  'source-topic': { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  partition: { type: 'string' },
  offsets: { type: 'string' },
  id: { type: 'string' },
  execute: { type: 'boolean', default: false },
  'allow-stale': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  'max-attempts': { type: 'string', default: '5' },
  by: { type: 'string' },
  unmask: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: 'list | show | redrive: inspects dead letters, and redrives them',
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    await using deployment = await connectFromEnvironment(io);
    switch (parsed.verb) {
      case 'list':
        return list(deployment, parsed, io);
      case 'show':
        return show(deployment, parsed, io);
      case 'redrive':
        return redriveLetters(deployment, parsed, io);
    }
  },
};

type ParsedArguments = NonNullable<ReturnType<typeof parse>>;

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [verb, position, ...rest] = positionals;
    if (verb !== 'list' && verb !== 'show' && verb !== 'redrive') {
      throw new Error('expected list, show or redrive');
    }
    if (rest.length > 0 || (verb !== 'show' && position !== undefined)) {
      throw new Error(`did not expect "${rest[0] ?? position}"`);
    }
    const { until, partition, offsets } = values;
    const filter: Filter = {
      reason: values.reason,
      sourceTopic: values['source-topic'],
      sinceMs: since(values.since),
      untilMs: until === undefined ? Number.POSITIVE_INFINITY : Date.now() - parseAge(until),
      partition: partition === undefined ? undefined : parseWhole(partition),
      offsets: offsets === undefined ? undefined : parseOffsets(offsets),
      key: values.id,
    };
    return {
      verb,
      filter: { ...filter, ...(verb === 'show' ? parsePosition(position) : {}) },
      isJson: values.json,
      isUnmasked: values.unmask,
      isExecuted: values.execute,
      rules: {
        by: values.by ?? operatorName(),
        isStaleAllowed: values['allow-stale'],
        maxAttempts: values.force ? undefined : parseWhole(values['max-attempts']),
      },
    } as const;
  });
}

function parseOffsets(text: string) {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (from === undefined || to === undefined) {
    throw new Error(`--offsets is "${text}": expected FROM-TO, for example 100-200`);
  }
  return { from: Number(from), to: Number(to) };
}

function parsePosition(text = '') {
  const [, partition, offset] = /^(?:.*\/)?(\d+)@(\d+)$/.exec(text) ?? [];
  if (partition === undefined || offset === undefined) {
    throw new Error(`"${text}": expected PARTITION@OFFSET, for example 3@41`);
  }
  return {
    partition: Number(partition),
    offsets: { from: Number(offset), to: Number(offset) },
  };
}

type Group = {
  reason: string;
  open: number;
  redriven: number;
  oldest: string;
  newest: string;
  example: string;
};

async function list(
  deployment: Deployment,
  { filter, isJson }: ParsedArguments,
  io: Io,
): Promise<number> {
  const groups = new Map<string, Group>();
  for await (const letter of readLetters(deployment, filter, progressOn(io))) {
    const group = groups.get(letter.reason) ?? groupOf(letter);
    groups.set(letter.reason, group);
    addTo(group, letter);
  }
  const rows = [...groups.values()].sort((a, b) => b.open - a.open);
  if (isJson) io.out(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) io.out('no dead letters');
  else {
    const line = (cells: readonly (string | number)[]) =>
      cells.map((cell, i) => String(cell).padEnd([22, 8, 9, 25, 25, 0][i] ?? 0)).join(' ');
    io.out(line(['reason', 'open', 'redriven', 'oldest', 'newest', 'example']));
    for (const row of rows) io.out(line(Object.values(row)));
    io.out(`\nshow one: voucherbus dead-letters show ${rows[0]?.example}`);
  }
  return 0;
}

function groupOf({ reason, failedAtMs, position: { partition, offset } }: Letter): Group {
  const at = new Date(failedAtMs).toISOString();
  const example = `${partition}@${offset}`;
  return { reason, open: 0, redriven: 0, oldest: at, newest: at, example };
}

function addTo(group: Group, letter: Letter): void {
  const { oldest: at, example } = groupOf(letter);
  if (letter.isRedriven) group.redriven += 1;
  else {
    group.open += 1;
    // An open letter is the better example.
    if (group.open === 1) group.example = example;
  }
  if (at < group.oldest) group.oldest = at;
  if (at > group.newest) group.newest = at;
}

async function show(
  deployment: Deployment,
  { filter, isJson, isUnmasked, rules }: ParsedArguments,
  io: Io,
): Promise<number> {
  const [letter] = await Array.fromAsync(readLetters(deployment, filter, progressOn(io)));
  if (!letter) {
    io.err(`there is no dead letter at ${filter.partition}@${filter.offsets?.from}`);
    return 1;
  }
  const { record, failedAtMs, redrive: earlier, ...facts } = letter;
  const letterName = formatPosition(letter.position);
  if (isUnmasked) auditOperator('personal-data.unmask', { by: rules.by, letter: letterName });
  const body = await bodyOf(deployment, record, (bytes) =>
    isUnmasked ? bytes.toString() : maskedBody(bytes),
  );
  const shown = (text: string) => (isUnmasked ? text : maskText(text));
  const headers = Object.fromEntries(
    record.headers.map(([name, value]) => [name, shown(String(value))]),
  );
  if (isJson) {
    const failedAt = new Date(failedAtMs).toISOString();
    io.out(JSON.stringify({ ...facts, failedAt, earlier, headers, body }, null, 2));
    return 0;
  }
  const lines = linesOf(letter, shown(letter.key ?? '(none)'), headers);
  for (const [name, value] of lines) io.out(`${name.padEnd(24)} ${value}`);
  io.out(`\nbody${isUnmasked ? '' : ', personal data masked (--unmask shows it)'}:\n${body}`);
  return 0;
}

function linesOf(
  letter: Letter,
  key: string,
  headers: Readonly<Record<string, string>>,
): readonly (readonly [name: string, value: string])[] {
  const { position, isRedriven, origin, failedAtMs, redrive: earlier } = letter;
  const failedAt = new Date(failedAtMs).toISOString();
  return [
    ['letter', `${formatPosition(position)}${isRedriven ? ', redriven since' : ''}`],
    ['reason', `${letter.reason}, at ${letter.path} (stage ${letter.stage})`],
    ['message', letter.message],
    ['origin', `${formatPosition(origin)}, failed at ${failedAt}`],
    ['key', key],
    ['redriven', earlier ? `attempt ${earlier.attempt}, by ${earlier.by}` : 'never before'],
    ...Object.entries(headers)
      .filter(([name]) => !name.startsWith('__streams.') && !name.startsWith('voucherbus.'))
      .map(([name, value]) => [`header ${name}`, value] as const),
  ];
}

const triageTexts: Readonly<Record<Triage, string>> = {
  send: 'to redrive',
  'sent-before': 'redriven before: skipped',
  'needs-allow-stale': 'older than DEDUP_WINDOW: skipped, --allow-stale sends them',
  'too-many-attempts': 'failed too often (--max-attempts): skipped, --force sends them',
};

async function redriveLetters(
  deployment: ConnectedDeployment,
  { filter, rules, isExecuted }: ParsedArguments,
  io: Io,
): Promise<number> {
  const letters: Letter[] = [];
  const counts = new Map<Triage, number>([['send', 0]]);
  const progress = progressOn(io);
  for await (const letter of readLetters(deployment, filter, progress)) {
    const triage = triageOf(letter, rules);
    counts.set(triage, (counts.get(triage) ?? 0) + 1);
    if (triage === 'send') letters.push(letter);
  }
  for (const [triage, count] of counts) io.out(`${count} ${triageTexts[triage]}`);
  if (!isExecuted) {
    io.out('\nnothing was sent: this was a dry run, --execute sends them');
    return 0;
  }
  const { raw, deadLetters: from } = deployment.catalog;
  const { by, isStaleAllowed: allowStale } = rules;
  const stale = letters.filter(({ reason }) => reason === 'older-than-window').length;
  let sent = 0;
  const facts = () => ({ by, selected: letters.length, sent, stale, allowStale, from });
  const writer = await Writer.open(deployment.client, raw);
  try {
    await audited('dead-letters.redrive', facts, () =>
      redrive(letters, writer, rules, (count) => {
        sent = count;
        progress(`${sent} of ${letters.length} sent`);
      }),
    );
  } finally {
    await writer.close();
  }
  io.out(`\nsent ${letters.length} to ${raw}; each passes once, however often it is sent`);
  return 0;
}
