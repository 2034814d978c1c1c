/** `voucherbus routes`: checks a routes file, and shows what it would change. */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { connectFromEnvironment } from '../app/connect-deployment.ts';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { expectDeployable } from '../app/reload/routes.ts';
import { type ReadRoutes, routesOf } from '../app/routes-file.ts';
import { routesJsonSchema } from '../config/routes-file.ts';
import { AppError } from '../errors.ts';
import { type Comparison, compare, eventsOf, lastOnRaw } from '../inspect/compare-routes.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus routes check [FILE]
       voucherbus routes try   [FILE] [--last N | --sample BODY.json] [--json]
       voucherbus routes schema
  FILE      default ROUTES_FILE
  check     checks that the file is valid, and that its topics and schemas exist
  try       shows what would change for the events on raw, compared with the routes in force (ROUTES_FILE, else the built-in ones)
  --last    for about the last N events, default 1000
  --sample  for the webhook body in a file
  schema    the JSON Schema of a routes file, for editors`;

const options = {
  last: { type: 'string', default: '1000' },
  sample: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: 'check | try | schema: checks a routes file, shows what it would change',
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    switch (parsed.verb) {
      case 'schema':
        io.out(JSON.stringify(routesJsonSchema(), null, 2));
        return 0;
      case 'check':
        return check(parsed.file, io);
      case 'try':
        return tryOut(parsed, io);
    }
  },
};

type ParsedArguments = NonNullable<ReturnType<typeof parse>>;

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [verb, file, ...rest] = positionals;
    if (verb !== 'check' && verb !== 'try' && verb !== 'schema') {
      throw new Error('expected check, try or schema');
    }
    if (rest.length > 0) throw new Error(`did not expect "${rest[0]}"`);
    const last = Number(values.last);
    if (!(last > 0)) throw new Error(`--last is "${values.last}": expected a number above zero`);
    return { verb, file, last, sample: values.sample, isJson: values.json } as const;
  });
}

type Topics = Parameters<typeof routesOf>[1];

function candidate(file: string | undefined, topics: Topics): ReadRoutes {
  const path = file ?? topics.routesFile;
  if (path !== undefined) return routesOf(path, topics);
  const text = 'there is no routes file: expected FILE, or ROUTES_FILE to name one';
  throw new AppError('CONFIG_INVALID', 'stop', text);
}

async function check(file: string | undefined, io: Io): Promise<number> {
  const { topics } = configOf(['topics'], io);
  // Before connecting to Kafka: mistakes in the file need no connection.
  const { routes, catalog } = candidate(file, topics);
  io.out(`the routes are valid (version ${routes.version})`);
  await using deployment = await connectFromEnvironment(io);
  await expectDeployable(catalog, deployment.admin, deployment.registry);
  io.out(
    `their topics and schemas exist${catalog.routed.length > 0 ? `: ${catalog.routed.join(', ')}` : ''}`,
  );
  return 0;
}

async function tryOut({ file, last, sample, isJson }: ParsedArguments, io: Io): Promise<number> {
  const { topics } = configOf(['topics'], io);
  const tried = candidate(file, topics);
  // Without FILE the current file is compared with the built-in routes.
  const inForce = routesOf(file === undefined ? undefined : topics.routesFile, topics);
  const compared = compare(eventsOf(await bodies()), inForce.routes, tried.routes);
  if (isJson) io.out(JSON.stringify(compared, null, 2));
  else for (const line of linesOf(compared, inForce, tried)) io.out(line);
  return 0;

  async function bodies() {
    if (sample !== undefined) return [{ body: readFileSync(sample), source: 'voucherify' }];
    await using deployment = await connectFromEnvironment(io);
    return await lastOnRaw(deployment, last);
  }
}

function linesOf(
  { events, unchanged, changes }: Comparison,
  inForce: ReadRoutes,
  tried: ReadRoutes,
): readonly string[] {
  return [
    `${events} events, routes ${tried.routes.version} compared with ${inForce.routes.version}: ${unchanged} unchanged`,
    ...changes.flatMap((change) => [
      '',
      `${change.count} events, such as ${change.examples.join(', ')}`,
      `  before  ${change.before}`,
      `  after   ${change.after}`,
    ]),
  ];
}
