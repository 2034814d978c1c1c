/** A real Prometheus (Debian's package `prometheus`) with the alert rules of the chart. */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './deployment.ts';
import { freePort } from './ports.ts';

const rulesFile = fileURLToPath(
  new URL('../../deploy/helm/voucherbus/files/alerts.yaml', import.meta.url),
);

/** Admin addresses by the label `job`. */
export type Targets = Readonly<Record<string, readonly string[]>>;

type Sample = {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

export type Prometheus = AsyncDisposable & {
  readonly url: string;
  readonly setTargets: (targets: Targets) => Promise<void>;
  /** Runs an instant query. @throws Error with Prometheus' message */
  readonly query: (expression: string) => Promise<readonly Sample[]>;
};

/** Seconds between two scrapes, and between two evaluations of the rules. */
const everySeconds = 2;

/** @throws Error if it is not installed */
export async function startPrometheus(): Promise<Prometheus> {
  const directory = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const targetsFile = join(directory, 'targets.json');
  const setTargets = async (targets: Targets) => {
    const groups = Object.entries(targets).map(([job, addresses]) => ({
      targets: addresses.map((address) => new URL(address).host),
      labels: { job },
    }));
    // Renamed, because Prometheus may read at any time.
    const file = join(directory, `${randomUUID()}.new`);
    await writeFile(file, JSON.stringify(groups));
    await rename(file, targetsFile);
  };
  await setTargets({});
  const config = {
    global: {
      scrape_interval: `${everySeconds}s`,
      scrape_timeout: `${everySeconds}s`,
      evaluation_interval: `${everySeconds}s`,
    },
    rule_files: [rulesFile],
    scrape_configs: [
      {
        job_name: 'voucherbus',
        file_sd_configs: [{ files: [targetsFile], refresh_interval: '1s' }],
      },
    ],
  };
  const configFile = join(directory, 'prometheus.yml');
  // JSON is YAML.
  await writeFile(configFile, JSON.stringify(config));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const failed = new Promise<never>((_, reject) => {
    child.once('error', () =>
      reject(new Error('prometheus cannot be started: bash .ci/tools.sh installs it')),
    );
    child.once('exit', (code) => reject(new Error(`prometheus ended with ${code}`)));
  });
  failed.catch(() => undefined);
  const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
  await Promise.race([until(isReady, 'Prometheus is ready'), failed]);
  return {
    url,
    setTargets,
    query: async (expression) => {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`);
      const { error, data } = (await response.json()) as QueryResponse;
      if (error !== undefined) throw new Error(`${expression}: ${error}`);
      return (data?.result ?? []).map(({ metric: labels, value: [, value] }) => ({
        labels,
        value: Number(value),
      }));
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

type QueryResponse = {
  readonly error?: string;
  readonly data?: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [number, string];
    }[];
  };
};
