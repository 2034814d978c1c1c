/**
 * The same Kafka and registry from their jars (Maven Central), as two Java processes on loopback.
 * Needs Java 17 or newer, Maven and tar.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, globSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from './ports.ts';
import {
  type Access,
  type Broker,
  type Brokers,
  brokerSettings,
  kafkaVersion,
  openAccess,
  type Registry,
  type Say,
  type Way,
} from './way.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const files = join(root, 'test/support/broker');
const cache = join(root, '.cache/jars');
const startTimeoutMs = 120_000;

type Java = { readonly path: string; readonly version: number };

export const jars: Way = async (say) => {
  const java = await newestJava();
  if (!java || java.version < 17) {
    say(`no jars: ${java ? `Java ${java.version}` : 'no Java'} found, 17 or newer is needed`);
    return undefined;
  }
  try {
    await run('mvn', ['--version']);
  } catch {
    say('no jars: Maven (mvn) is not installed');
    return undefined;
  }
  // Apicurio 3.3 needs Java 21; 3.0.9 is the newest that runs on 17.
  const registryVersion = java.version >= 21 ? '3.3.3' : '3.0.9';
  const [kafkaJars, registryDir] = await fetchJars(registryVersion, say);
  return {
    origin: `jars of Kafka ${kafkaVersion} and Apicurio ${registryVersion}, Java ${java.version}`,
    startBrokers: (count, access) => startBrokers(java.path, kafkaJars, count, access),
    startRegistry: () => startRegistry(java.path, registryDir),
  };
};

export async function newestJava(): Promise<Java | undefined> {
  const home = process.env['JAVA_HOME'];
  const places = [
    ...(home ? [`${home}/bin/java`] : []),
    'java',
    ...globSync('/usr/lib/jvm/*/bin/java'),
  ];
  const found = await Promise.all(places.map(versionOf));
  return found
    .filter((java) => java !== undefined)
    .sort((a, b) => b.version - a.version)
    .at(0);
}

async function versionOf(path: string): Promise<Java | undefined> {
  try {
    const { stderr } = await run(path, ['-version']);
    const version = Number(/version "(\d+)/.exec(stderr)?.[1]);
    return version > 0 ? { path, version } : undefined;
  } catch {
    return undefined;
  }
}

/** Downloads once into .cache, each part moved into place only when it is whole. */
async function fetchJars(registryVersion: string, say: Say): Promise<readonly [string, string]> {
  const kafka = join(cache, `kafka-${kafkaVersion}`);
  const registry = join(cache, `registry-${registryVersion}`);
  await mkdir(cache, { recursive: true });
  if (!existsSync(kafka)) {
    say(`fetching Kafka ${kafkaVersion} from Maven Central (55 MB)`);
    const part = await mkdtemp(`${kafka}.part-`);
    await maven([
      '-f',
      join(files, 'pom.xml'),
      `-Dkafka.version=${kafkaVersion}`,
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${part}`,
    ]);
    await rename(part, kafka);
  }
  if (!existsSync(registry)) {
    say(`fetching Apicurio ${registryVersion} from Maven Central (about 100 MB)`);
    const part = await mkdtemp(`${registry}.part-`);
    const name = `apicurio-registry-app-${registryVersion}-all.tar.gz`;
    await maven([
      'dependency:copy',
      `-Dartifact=io.apicurio:apicurio-registry-app:${registryVersion}:tar.gz:all`,
      `-DoutputDirectory=${part}`,
    ]);
    await run('tar', ['-xzf', join(part, name), '-C', part, '--no-same-owner']);
    await rm(join(part, name));
    await rename(part, registry);
  }
  return [kafka, registry];
}

async function maven(args: readonly string[]): Promise<void> {
  try {
    await run('mvn', ['-q', '-B', ...args], { maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    throw new Error(`Maven failed: mvn ${args.join(' ')}\n${stdout?.slice(0, 2_000)}`);
  }
}

/**
 * As kafka-server-start.sh and kafka-run-class.sh of 4.3.1 start it: with less, its collections of
 * garbage are most of what a p99 shows.
 */
const asKafkaStarts = [
  '-Xms1G',
  '-Xmx1G',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-XX:MaxInlineLevel=15',
];

async function startBrokers(
  java: string,
  kafkaJars: string,
  count: 1 | 3,
  access: Access = openAccess,
): Promise<Brokers> {
  const dir = await mkdtemp(join(tmpdir(), 'voucherbus-kafka-'));
  const ports = await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      id: i + 1,
      ports: await portsOf(access),
      controller: await freePort(),
      internal: await freePort(),
    })),
  );
  const voters = ports.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(',');
  const nodes = await Promise.all(
    ports.map(async (place) => {
      const home = join(dir, String(place.id));
      await mkdir(home);
      for (const [name, text] of Object.entries(access.files))
        await writeFile(join(home, name), text);
      const properties = join(home, 'server.properties');
      await writeFile(properties, propertiesOf(place, voters, home, count, access));
      await format(java, kafkaJars, properties);
      const memory =
        count === 1
          ? asKafkaStarts
          : ['-Xms128m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
      const options = [...memory, ...access.javaOptions(home), ...classPathOf(kafkaJars)];
      const args = [...options, 'kafka.Kafka', properties];
      return createNode(place.id, () => start(java, args, {}, join(home, 'kafka.log')));
    }),
  );
  const stop = async () => {
    await Promise.all(nodes.map(({ kill }) => kill())); // nothing of it is kept
    await rm(dir, { recursive: true, force: true });
  };
  const logs = ports.map(({ id }) => join(dir, String(id), 'kafka.log'));
  await stopUnless(stop, () =>
    waitUntil(logs, async () =>
      logs.every((log) => readFileSync(log, 'utf8').includes('Kafka Server started')),
    ),
  );
  const bootstrapOf = (listener: string) =>
    ports.map((place) => `127.0.0.1:${place.ports[listener]}`).join(',');
  return {
    bootstrap: bootstrapOf(Object.keys(access.listeners)[0] ?? ''),
    bootstrapOf,
    nodes,
    [Symbol.asyncDispose]: stop,
  };
}

type Place = {
  readonly id: number;
  /** By listener. */
  readonly ports: Readonly<Record<string, number>>;
  readonly controller: number;
  readonly internal: number;
};

function propertiesOf(
  place: Place,
  voters: string,
  home: string,
  count: 1 | 3,
  access: Access,
): string {
  const { id, ports, controller, internal } = place;
  const listenersAt = (hosts: Readonly<Record<string, string>>) =>
    Object.entries({ ...ports, INTERNAL: internal })
      .map(([name, port]) => `${name}://${hosts[name] ?? '127.0.0.1'}:${port}`)
      .join(',');
  const protocols = Object.entries(access.listeners).map((pair) => pair.join(':'));
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': voters,
    listeners: `${listenersAt({})},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': listenersAt(access.advertisedHosts ?? {}),
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `${protocols.join(',')},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'log.dirs': join(home, 'data'),
    ...brokerSettings(count),
    ...access.settings(home),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function portsOf({ listeners }: Access): Promise<Record<string, number>> {
  const names = Object.keys(listeners);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await freePort()] as const)),
  );
}

const classPathOf = (kafkaJars: string) => [
  `-Dlog4j2.configurationFile=${join(files, 'log4j2.yaml')}`,
  `-Dlog4j.configuration=file:${join(files, 'log4j.properties')}`, // Kafka 3.9
  '-cp',
  `${kafkaJars}/*`,
];

async function format(java: string, kafkaJars: string, properties: string): Promise<void> {
  const tool = ['kafka.tools.StorageTool', 'format', '-t', '5L6g3nShT-eMCtK--X86sw'];
  await run(java, ['-Xmx128m', ...classPathOf(kafkaJars), ...tool, '-c', properties]);
}

function createNode(id: number, startProcess: () => ChildProcess): Broker {
  let process = startProcess();
  return {
    id,
    kill: () => end(process, 'SIGKILL'),
    stop: () => end(process, 'SIGTERM'),
    start: async () => {
      process = startProcess();
    },
    pause: async () => void process.kill('SIGSTOP'),
    resume: async () => void process.kill('SIGCONT'),
  };
}

async function startRegistry(java: string, dir: string): Promise<Registry> {
  const home = await mkdtemp(join(tmpdir(), 'voucherbus-registry-'));
  const port = await freePort();
  const [jar = ''] = globSync([`${dir}/quarkus-run.jar`, `${dir}/*-runner.jar`]);
  const env = {
    QUARKUS_HTTP_HOST: '127.0.0.1',
    QUARKUS_HTTP_PORT: String(port),
    QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
    QUARKUS_MANAGEMENT_PORT: String(await freePort()),
    QUARKUS_LOG_LEVEL: 'WARN',
  };
  const log = join(home, 'registry.log');
  const child = start(java, ['-Xmx384m', '-XX:+UseSerialGC', '-jar', jar], env, log);
  const stop = async () => {
    await end(child, 'SIGKILL');
    await rm(home, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  await stopUnless(stop, () =>
    waitUntil(
      [log],
      async () => (await fetch(`${url}/subjects`).catch(() => undefined))?.ok === true,
    ),
  );
  return { url, [Symbol.asyncDispose]: stop };
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function start(java: string, args: readonly string[], env: object, log: string): ChildProcess {
  const output = openSync(log, 'a');
  const child = spawn(java, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    // Out of the terminal's group: Ctrl-C must reach the services first and the broker last.
    detached: true,
  });
  closeSync(output);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await ended;
}

async function stopUnless(stop: () => Promise<void>, starts: () => Promise<void>): Promise<void> {
  try {
    await starts();
  } catch (error) {
    await stop();
    throw error;
  }
}

async function waitUntil(logs: readonly string[], isReady: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; Date.now() < deadline; ) {
    if (await isReady()) return;
    await sleep(100);
  }
  const tails = logs.map((log) => readFileSync(log, 'utf8').slice(-1_500));
  throw new Error(`not ready after ${startTimeoutMs / 1_000} s:\n${tails.join('\n')}`);
}
