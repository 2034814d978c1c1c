/**
 * A stream of webhooks with known publications through a running deployment, and the verdict
 * afterwards: each exactly once, on its topic.
 */

import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { check, type Verdict } from '../../src/verify/checker.ts';
import { seeded } from '../../src/verify/history.ts';
import { startLoad } from '../../src/verify/load.ts';
import { renderVerdict } from '../../src/verify/report.ts';
import { settled, takeSnapshot } from '../../src/verify/snapshot.ts';
import { type Deployment, secret } from './deployment.ts';

export type Flow = {
  /** How many webhooks were begun so far. */
  readonly begun: () => number;
  /** Settles when all are answered. */
  readonly sent: Promise<void>;
  /** Waits until everything on raw is processed, then judges everything that was written. */
  readonly verdict: () => Promise<Verdict>;
  /**
   * The same, and fails with the whole verdict where it is not exactly once, or where the bridge
   * refused a webhook and was not allowed to.
   */
  readonly check: (options?: { readonly mayRefuse: boolean }) => Promise<Verdict>;
};

type FlowOptions = {
  /** At least so many webhooks … */
  readonly count: number;
  /** … and more until this says so. */
  readonly isEnough?: () => boolean;
  /** How many are in flight at once. */
  readonly concurrency: number;
  readonly perSecond?: number;
  /** @default seedOf() */
  readonly seed?: number;
};

/** One webhook in ten is a repeat. */
const repeatPercent = 10;
const settleTimeoutMs = 120_000;

export function startFlow(deployment: Deployment, url: string, options: FlowOptions): Flow {
  const { catalog, reader, admin, registry, prefix: group, partitions } = deployment;
  const running = startLoad({
    ...options,
    url,
    key: secret,
    topics: catalog.publications,
    run: randomBytes(3).toString('hex'),
    repeatPercent,
    random: seeded(options.seed ?? seedOf()),
  });
  const verdict = async () => {
    await running.done;
    const source = { reader, admin, registry, catalog, group, partitions };
    await settled(source, settleTimeoutMs, () => {});
    return check(running.history, await takeSnapshot(source, new Map()), true);
  };
  return {
    begun: running.begun,
    sent: running.done,
    verdict,
    check: async ({ mayRefuse } = { mayRefuse: false }) => {
      const found = await verdict();
      if (!mayRefuse) expect(found.counts['refused']).toBe(0);
      if (!found.isExact) expect.fail(renderVerdict(found).join('\n'));
      return found;
    },
  };
}

/**
 * The seed of this run: SEED from the environment, else a new one. Printed, so that a failure can
 * be played again.
 */
export function seedOf(): number {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  process.stderr.write(`· SEED=${seed}\n`);
  return seed;
}
