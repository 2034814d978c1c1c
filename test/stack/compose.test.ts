/**
 * Starts what we ship, as users do: the image from the Dockerfile, in the stack of
 * docker-compose.yml, through the Makefile. Needs a Docker engine.
 */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../src/app/environment.ts';
import { until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';

const run = promisify(execFile);
const project = `vb-${randomBytes(3).toString('hex')}`;
const url = 'http://127.0.0.1:8080/webhooks/voucherify';
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const [kafka, registry, bridge, admin, prometheus, console] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: project,
    KAFKA_PORT: String(kafka),
    REGISTRY_PORT: String(registry),
    BRIDGE_PORT: String(bridge),
    ADMIN_PORT: String(admin),
    PROMETHEUS_PORT: String(prometheus),
    CONSOLE_PORT: String(console),
  };
});

const stdoutOf = async (command: string, ...args: string[]) =>
  (await run(command, args, { env, maxBuffer: 64 * 1024 * 1024 })).stdout.trim();
const docker = (...args: string[]) => stdoutOf('docker', ...args);
const labelled = ['--filter', `label=com.docker.compose.project=${project}`];
const containersOf = async (service: string) =>
  (
    await docker('ps', '-q', ...labelled, '--filter', `label=com.docker.compose.service=${service}`)
  ).split('\n');
const leftovers = async () => [
  await docker('ps', '-aq', ...labelled),
  await docker('volume', 'ls', '-q', ...labelled),
  await docker('network', 'ls', '-q', ...labelled),
];

/** The ways to compose that this machine has. */
const ways: { readonly name: string; readonly compose: readonly string[] }[] = [];
for (const compose of [['docker', 'compose'], ['docker-compose']]) {
  const [command = '', ...args] = compose;
  const version = await run(command, [...args, 'version', '--short']).catch(() => undefined);
  if (version) ways.push({ name: `${compose.join(' ')} ${version.stdout.trim()}`, compose });
}

test('this machine has docker compose or docker-compose', () => {
  expect(ways).not.toEqual([]);
});

describe.each(ways)('with $name', ({ compose }) => {
  const [command = '', ...args] = compose;
  const make = (target: string) => stdoutOf('make', target, `COMPOSE=${compose.join(' ')}`);
  afterAll(() => make('down'));

  test('make up builds the image and starts a stack that is ready', async () => {
    const said = await make('up');
    expect(said.match(/"status":"ready"/g)).toHaveLength(2);
  });

  test('every publication comes out exactly once though a processor is killed', async () => {
    await stdoutOf(command, ...args, 'up', '--detach', '--scale', 'processor=3');
    const [bridge = ''] = await containersOf('bridge');
    const verify = ['node', 'src/main.ts', 'verify', '--url', url, '--count', '4000', '--json'];
    const verdict = docker('exec', bridge, ...verify);
    await sleep(3_000);
    const [victim = '', ...others] = await containersOf('processor');
    expect(others).toHaveLength(2);
    await docker('kill', '--signal', 'KILL', victim);
    expect(JSON.parse(await verdict)).toMatchObject({ isExact: true });
    expect(await containersOf('processor')).toHaveLength(2);
  });

  test('containers run as a user, on a read-only file system, without capabilities', async () => {
    for (const service of ['bridge', 'processor']) {
      const [container = ''] = await containersOf(service);
      const [{ HostConfig: host, Config: config }] = JSON.parse(
        await docker('inspect', container),
      ) as [{ HostConfig: Record<string, unknown>; Config: Record<string, unknown> }];
      expect(config).toMatchObject({ User: '1000:1000' });
      expect(host).toMatchObject({
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true'],
      });
      const status = await docker('exec', container, 'node', '-p', readFile('/proc/1/status'));
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status).toMatch(/^Uid:\t1000\b/m);
    }
  });

  test('Prometheus of the observability profile finds every process, and loads the rules', async () => {
    await stdoutOf(command, ...args, '--profile', 'observability', 'up', '--detach', 'prometheus');
    const api = `http://127.0.0.1:${env['PROMETHEUS_PORT']}/api/v1`;
    const jobs = await until(async () => {
      const response = await fetch(`${api}/targets`).catch(() => undefined);
      // It responds 503 while it starts.
      if (!response?.ok) return false;
      const { data } = (await response.json()) as { data?: Targets };
      const up = (data?.activeTargets ?? []).filter(({ health }) => health === 'up');
      return up.length === 3 && up.map(({ labels }) => labels.job).sort();
    }, 'a bridge and two processors are scraped');
    expect(jobs).toEqual(['bridge', 'processor', 'processor']);
    const { data } = (await (await fetch(`${api}/rules`)).json()) as { data: Rules };
    const names = data.groups.flatMap(({ rules }) => rules.map(({ name }) => name));
    expect(names).toContain('VoucherbusNotReady');
  });

  test('the console finds every process, and shows the dead letters that verify made', async () => {
    const headers = { authorization: 'Bearer voucherbus-operator' };
    const show = async (path: string) => {
      const page = `http://127.0.0.1:${env['CONSOLE_PORT']}${path}`;
      return (await fetch(page, { headers })).text();
    };
    const ready = /<tr class="good"><td>(\w+)<\/td>/g;
    const services = await until(async () => {
      const found = [...(await show('/members')).matchAll(ready)].map(([, service]) => service);
      return found.length === 3 && found;
    }, 'three members are ready');
    expect(services).toEqual(['bridge', 'processor', 'processor']);
    expect(await show('/dead-letters')).toContain('invalid-publication');
    const [, form = ''] = /name="form" value="([^"]*)"/.exec(await show('/proof')) ?? [];
    const proof = `http://127.0.0.1:${env['CONSOLE_PORT']}/proof`;
    const body = new URLSearchParams({ form });
    expect((await fetch(proof, { method: 'POST', headers, body })).status).toBe(200);
    let page = '';
    do {
      await sleep(1_000);
      page = await show('/proof');
    } while (page.includes('running: '));
    expect(page).toContain('Exactly once');
  });

  test('make down leaves nothing', async () => {
    await make('down');
    expect(await leftovers()).toEqual(['', '', '']);
  });
});

type Targets = {
  readonly activeTargets: readonly {
    readonly health: string;
    readonly labels: { readonly job: string };
  }[];
};
type Rules = {
  readonly groups: readonly { readonly rules: readonly { readonly name: string }[] }[];
};

const readFile = (path: string) => `require('fs').readFileSync('${path}', 'utf8')`;

test('the image is at most 250 MB', async () => {
  const bytes = Number(await docker('image', 'inspect', 'voucherbus', '--format', '{{.Size}}'));
  expect(bytes).toBeLessThanOrEqual(250e6);
});

test('the image tells its version and licence', async () => {
  const labels = await docker(
    'image',
    'inspect',
    'voucherbus',
    '--format',
    '{{json .Config.Labels}}',
  );
  expect(JSON.parse(labels)).toMatchObject({
    'org.opencontainers.image.title': 'voucherbus',
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.revision': expect.stringMatching(/^[0-9a-f]{40}$/),
  });
});

test('the image holds no devDependencies, no npm and no sources but src and schemas', async () => {
  const list = `JSON.stringify({
    app: fs.readdirSync('.').sort(),
    devDependencies: Object.entries(JSON.parse(fs.readFileSync('package-lock.json')).packages)
      .filter(([path, { dev }]) => dev && fs.existsSync(path)),
    hasNpm: ['/usr/local/bin/npm', '/usr/local/lib/node_modules'].some(fs.existsSync),
  })`;
  const flags = ['--rm', '--read-only', '--cap-drop', 'ALL', '--entrypoint', 'node'];
  const found = await docker('run', ...flags, 'voucherbus', '-p', list);
  expect(JSON.parse(found)).toEqual({
    app: ['node_modules', 'package.json', 'package-lock.json', 'schemas', 'src'].sort(),
    devDependencies: [],
    hasNpm: false,
  });
});

test('every command of the image shows its usage on a read-only file system', async () => {
  const help = await docker('run', '--rm', '--read-only', 'voucherbus');
  const names = [...help.matchAll(/^ {2}(\S+) {2,}/gm)].map(([, name = '']) => name);
  expect(names).toContain('bridge');
  for (const name of names) {
    expect(await docker('run', '--rm', '--read-only', 'voucherbus', name, '--help')).toContain(
      `voucherbus ${name}`,
    );
  }
});
