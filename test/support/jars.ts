/** The same Kafka and registry from their jars (Maven Central), as two Java processes on loopback. Needs Java 17 or newer, Maven and tar. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, globSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from './ports.ts';
import { kafkaVersion, type Say, type Way } from './way.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const files = join(root, 'test/support/broker');
const cache = join(root, '.cache/jars');
const startTimeoutMs = 120_000;

type Java = { readonly path: string; readonly version: number };

export const startJars: Way = async (say) => {
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
  say(`starting Kafka ${kafkaVersion} and Apicurio ${registryVersion} on Java ${java.version}`);
  const dir = await mkdtemp(join(tmpdir(), 'voucherbus-'));
  const kafka = await startKafka(java.path, kafkaJars, dir);
  const registry = await startRegistry(java.path, registryDir, dir);
  const stop = async () => {
    await Promise.all([kafka, registry].map(({ process: one }) => end(one)));
    await rm(dir, { recursive: true, force: true });
  };
  const registryUrl = `http://127.0.0.1:${registry.port}/apis/ccompat/v7`;
  try {
    await waitUntil(dir, async () => {
      const isUp = readFileSync(join(dir, 'kafka.log'), 'utf8').includes('Kafka Server started');
      return isUp && (await fetch(`${registryUrl}/subjects`).catch(() => undefined))?.ok === true;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: `127.0.0.1:${kafka.port}`,
    registryUrl,
    origin: `jars of Kafka ${kafkaVersion} and Apicurio ${registryVersion}, Java ${java.version}`,
    [Symbol.asyncDispose]: stop,
  };
};

async function newestJava(): Promise<Java | undefined> {
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

type Server = { readonly port: number; readonly process: ChildProcess };

async function startKafka(java: string, jars: string, dir: string): Promise<Server> {
  const port = await freePort();
  const controller = await freePort();
  const properties = join(dir, 'server.properties');
  await writeFile(
    properties,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${join(dir, 'data')}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
`,
  );
  const log4j = `-Dlog4j2.configurationFile=${join(files, 'log4j2.yaml')}`;
  const classpath = ['-cp', `${jars}/*`];
  await run(java, [
    '-Xmx128m',
    log4j,
    ...classpath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    '5L6g3nShT-eMCtK--X86sw',
    '-c',
    properties,
  ]);
  const args = ['-Xms256m', '-Xmx1g', log4j, ...classpath, 'kafka.Kafka', properties];
  return { port, process: start(java, args, {}, join(dir, 'kafka.log')) };
}

async function startRegistry(java: string, dir: string, logDir: string): Promise<Server> {
  const port = await freePort();
  const [jar = ''] = globSync([`${dir}/quarkus-run.jar`, `${dir}/*-runner.jar`]);
  const env = {
    QUARKUS_HTTP_HOST: '127.0.0.1',
    QUARKUS_HTTP_PORT: String(port),
    QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
    QUARKUS_MANAGEMENT_PORT: String(await freePort()),
    QUARKUS_LOG_LEVEL: 'WARN',
  };
  const args = ['-Xmx384m', '-XX:+UseSerialGC', '-jar', jar];
  return { port, process: start(java, args, env, join(logDir, 'registry.log')) };
}

function start(java: string, args: readonly string[], env: object, log: string): ChildProcess {
  const output = openSync(log, 'a');
  const child = spawn(java, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    // Out of the terminal's group: Ctrl-C must reach the services first and the broker last.
    detached: true,
  });
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL'); // nothing of it is kept
  await ended;
}

async function waitUntil(dir: string, isReady: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; Date.now() < deadline; ) {
    if (await isReady()) return;
    await sleep(100);
  }
  const tails = ['kafka.log', 'registry.log'].map((log) =>
    readFileSync(join(dir, log), 'utf8').slice(-1_500),
  );
  throw new Error(`not ready after ${startTimeoutMs / 1_000} s:\n${tails.join('\n')}`);
}
