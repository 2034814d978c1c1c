/**
 * The verdicts of `voucherbus verify`: those in the reports' directory, and those of the runs that
 * operators start here, one at a time.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, messageOf } from '../errors.ts';
import { audit } from '../observability/audit.ts';
import type { Log } from '../observability/log.ts';

export type Proof = {
  /** When it ended. */
  readonly atMs: number;
  readonly isExact: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly invariants: readonly { readonly invariant: string; readonly violations: number }[];
  /** The name of the operator who ran it, or of the report. */
  readonly from: string;
};

export type ProofRun = {
  readonly by: string;
  readonly startedAtMs: number;
  readonly state: 'running' | 'done' | 'failed';
  /** The last line that it wrote, or why it failed. */
  readonly text: string;
};

/** A process of `voucherbus verify --json`. */
export type VerifyProcess = {
  /** All that it has written. */
  readonly output: () => string;
  readonly exited: Promise<number | null>;
  readonly stop: () => Promise<void>;
};

export type VerifyRunner = {
  /** @param report the path of its report, without an extension */
  readonly start: (report: string | undefined) => VerifyProcess;
  /** Returns the memory that this machine or container has left. */
  readonly availableBytes: () => number;
};

const keptRuns = 20;
const shownReports = 20;
/** The bridge, two processors and the checker. */
const neededBytes = 500 * 1024 * 1024;

export class Proofs {
  readonly #directory: string | undefined;
  readonly #runner: VerifyRunner;
  readonly #log: Log;
  /** Runs of this process; the newest first. */
  #own: readonly Proof[] = [];
  #run: ProofRun | undefined;
  #running: VerifyProcess | undefined;

  /** @param directory of reports (`verify --report`), also for those of runs that start here */
  constructor(directory: string | undefined, runner: VerifyRunner, log: Log) {
    this.#directory = directory;
    this.#runner = runner;
    this.#log = log;
  }

  /** The run that is going on, or the last one of this process. */
  get run(): ProofRun | undefined {
    const run = this.#run;
    if (run?.state !== 'running') return run;
    const last = this.#running?.output().trim().split('\n').at(-1);
    return { ...run, text: last || run.text };
  }

  /** Returns the last verdicts, the newest first. @throws AppError if they cannot be read */
  async last(): Promise<readonly Proof[]> {
    return this.#directory === undefined ? this.#own : reportsIn(this.#directory);
  }

  /** Starts a run, if none is going on. */
  start(by: string): void {
    if (this.#run?.state === 'running') return;
    const startedAtMs = Date.now();
    this.#run = { by, startedAtMs, state: 'running', text: 'starting' };
    void this.#verify(by, startedAtMs);
  }

  async close(): Promise<void> {
    await this.#running?.stop();
  }

  async #verify(by: string, startedAtMs: number): Promise<void> {
    let outcome = 'failed';
    const end = (state: 'done' | 'failed', text: string) => {
      this.#run = { by, startedAtMs, state, text };
    };
    try {
      expectMemory(this.#runner.availableBytes());
      const name = `console-${new Date(startedAtMs).toISOString().replaceAll(':', '')}`;
      const report = this.#directory && join(this.#directory, name);
      this.#running = this.#runner.start(report);
      await this.#running.exited;
      const proof = proofOf(this.#running.output(), by);
      this.#own = [proof, ...this.#own].slice(0, keptRuns);
      outcome = proof.isExact ? 'exactly once' : 'not exactly once';
      end('done', outcome);
    } catch (error) {
      end('failed', messageOf(error));
      this.#log.error({ err: error }, 'verify could not be run');
    }
    this.#running = undefined;
    audit(this.#log, 'verify.run', { by, outcome });
  }
}

/** A container that runs out of memory ends the console, too. @throws AppError */
function expectMemory(available: number): void {
  if (available >= neededBytes) return;
  const mib = (bytes: number) => Math.floor(bytes / 1024 / 1024);
  const text = `verify starts a bridge and two processors beside the console: expected ${mib(neededBytes)} MiB of free memory, found ${mib(available)} (in Kubernetes console.resources)`;
  throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
}

type Verdict = Pick<Proof, 'isExact' | 'counts'> & {
  readonly invariants: readonly {
    readonly invariant: string;
    readonly violations: number | readonly string[];
  }[];
};

function proofFrom(verdict: Verdict, atMs: number, from: string): Proof {
  const { isExact, counts } = verdict;
  const invariants = verdict.invariants.map(({ invariant, violations }) => {
    const count = typeof violations === 'number' ? violations : violations.length;
    return { invariant, violations: count };
  });
  return { atMs, isExact, counts, invariants, from };
}

/** @throws Error with what was written, if there is no verdict in it */
function proofOf(output: string, by: string): Proof {
  const lines = output.split('\n');
  const [first, last] = [lines.indexOf('{'), lines.lastIndexOf('}')];
  if (first < 0 || last < first) throw new Error(causeIn(lines));
  const verdict = JSON.parse(lines.slice(first, last + 1).join('\n')) as Verdict;
  return proofFrom(verdict, Date.now(), by);
}

/** Returns the end of what a process wrote, without the stack. */
function causeIn(lines: readonly string[]): string {
  const shown = lines.filter((line) => !/^(\s+at |· )/.test(line));
  return shown.slice(-5).join('\n') || 'verify ended without a verdict';
}

/** Returns the newest first. @throws AppError */
async function reportsIn(directory: string): Promise<readonly Proof[]> {
  try {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.json'));
    const proofs = await Promise.all(names.map((name) => reportAt(directory, name)));
    const known = proofs.flatMap((proof) => (proof ? [proof] : []));
    return known.sort((a, b) => b.atMs - a.atMs).slice(0, shownReports);
  } catch (error) {
    const text = `the reports cannot be read (CONSOLE_REPORTS): ${messageOf(error)}`;
    throw new AppError('ASSUMPTION_BROKEN', 'stop', text, error);
  }
}

/** Returns undefined for a file that is no report. */
async function reportAt(directory: string, name: string): Promise<Proof | undefined> {
  try {
    const report = JSON.parse(await readFile(join(directory, name), 'utf8'));
    return proofFrom(report, Date.parse(report.at), name);
  } catch {
    return undefined;
  }
}
