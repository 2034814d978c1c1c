/**
 * The Model Context Protocol's face of the console: tools for agents, over the same reads as the
 * pages. All of them only read, and personal data is masked.
 */

import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { maskedTrace } from '../inspect/mask.ts';
import { groupsOf } from './pages/dead-letters.ts';
import type { Reads } from './reads.ts';
import { triaged } from './redrive-jobs.ts';

/** Reads that need the configuration. */
export type ConfiguredReads = {
  /** Compares the routes in force with those of a file, on the last webhooks of raw. */
  readonly tryRoutes: (file: string | undefined, last: number) => Promise<unknown>;
  /** Returns the changes that would make the cluster's topics those of the catalog. */
  readonly planTopics: () => Promise<readonly string[]>;
};

type Result = { content: { type: 'text'; text: string }[]; isError?: boolean };

const readOnly = { readOnlyHint: true, destructiveHint: false, openWorldHint: false } as const;
const samples = 5;

/** Adds the tools to a server. */
export function addTools(server: McpServer, reads: Reads, configured: ConfiguredReads): void {
  server.registerTool(
    'trace',
    {
      description:
        'What happened to an event: when it was received, decided and written. Finds it by publication id, event id, voucher code, or id or source id of the customer; all but the first read all of raw, which takes seconds.',
      inputSchema: { id: z.string().min(1).max(200) },
      annotations: readOnly,
    },
    ({ id }) =>
      answer(async () => {
        const traces = await reads.traces(id);
        return { isReceived: traces.length > 0, traces: traces.map(maskedTrace) };
      }),
  );
  server.registerTool(
    'dead_letters',
    {
      description: 'The dead letters: how many by reason, with the first and the last.',
      annotations: readOnly,
    },
    () => answer(async () => groupsOf(await reads.letters(undefined))),
  );
  server.registerTool(
    'dead_letter',
    {
      description:
        'One dead letter: what was expected and found at which path, and its body without personal data.',
      inputSchema: { partition: z.int().min(0), offset: z.int().min(0) },
      annotations: readOnly,
    },
    ({ partition, offset }) =>
      answer(async () => {
        const found = await reads.letter(partition, offset);
        if (found === undefined) throw new Error('there is no such dead letter');
        const { record: _, ...letter } = found.letter;
        return { ...letter, body: found.body };
      }),
  );
  server.registerTool(
    'redrive_dry_run',
    {
      description:
        'How many dead letters `voucherbus dead-letters redrive` would send back to raw, and which it would skip, and why. Sends nothing.',
      inputSchema: { reason: z.string().max(100).optional() },
      annotations: readOnly,
    },
    ({ reason }) => answer(async () => dryRun(await reads.letters(reason))),
  );
  server.registerTool(
    'lag',
    {
      description: 'The records of raw that no processor has read yet, by partition.',
      annotations: readOnly,
    },
    () => answer(() => reads.lag()),
  );
  server.registerTool(
    'routes_try',
    {
      description:
        'What a routes file would change for the last webhooks of raw. Without a file: the file in force compared with the built-in routes.',
      inputSchema: {
        file: z.string().max(1_000).optional(),
        last: z.int().min(1).max(100_000).default(1_000),
      },
      annotations: readOnly,
    },
    ({ file, last }) => answer(() => configured.tryRoutes(file, last)),
  );
  server.registerTool(
    'topics_plan',
    {
      description: "The changes that would make the cluster's topics those of the catalog.",
      annotations: readOnly,
    },
    () => answer(() => configured.planTopics()),
  );
}

function dryRun(letters: Awaited<ReturnType<Reads['letters']>>) {
  return [...triaged(letters)].map(([outcome, of]) => {
    const examples = of.slice(0, samples).map(({ position, key }) => ({ position, key }));
    return { outcome, count: of.length, examples };
  });
}

/** An error is a result, too: the agent reads what to do. */
async function answer(read: () => Promise<unknown>): Promise<Result> {
  try {
    return { content: [{ type: 'text', text: JSON.stringify(await read(), null, 2) }] };
  } catch (error) {
    return { content: [{ type: 'text', text: messageOf(error) }], isError: true };
  }
}
