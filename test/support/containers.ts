/**
 * Kafka and the registry in containers, through testcontainers. KAFKA_IMAGE and REGISTRY_IMAGE
 * replace the official images.
 */

import {
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  Network,
  type StartedNetwork,
  type StartedTestContainer,
  Wait,
} from 'testcontainers';
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

const kafkaImage = process.env['KAFKA_IMAGE'] ?? `apache/kafka:${kafkaVersion}`;
const registryImage = process.env['REGISTRY_IMAGE'] ?? 'apicurio/apicurio-registry:3.3.3';
const startTimeoutMs = 120_000;
const pullTimeoutMs = 300_000;

export const containers: Way = async (say) => {
  if (!(await hasImages(say))) return undefined;
  return { origin: `containers ${kafkaImage}, ${registryImage}`, startBrokers, startRegistry };
};

async function hasImages(say: Say): Promise<boolean> {
  try {
    const { image } = await getContainerRuntimeClient();
    for (const text of [kafkaImage, registryImage]) {
      const name = ImageName.fromString(text);
      if (await image.exists(name)) continue;
      say(`pulling ${text}`);
      await Promise.race([image.pull(name), timeOut(pullTimeoutMs)]);
    }
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : error;
    say(`no containers: ${reason}`);
    return false;
  }
}

function timeOut(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${ms / 1_000} s`)), ms).unref();
  });
}

async function startRegistry(): Promise<Registry> {
  const registry = await new GenericContainer(registryImage)
    .withExposedPorts(8080)
    .withEnvironment({ QUARKUS_LOG_LEVEL: 'WARN' })
    .withWaitStrategy(Wait.forHttp('/apis/ccompat/v7/subjects', 8080).forStatusCode(200))
    .withStartupTimeout(startTimeoutMs)
    .start();
  return {
    url: `http://${registry.getHost()}:${registry.getMappedPort(8080)}/apis/ccompat/v7`,
    [Symbol.asyncDispose]: async () => {
      await registry.stop();
    },
  };
}

async function startBrokers(count: 1 | 3, access: Access = openAccess): Promise<Brokers> {
  const network = await new Network().start();
  const names = Array.from({ length: count }, (_, i) => `kafka-${i + 1}`);
  const started = await Promise.all(names.map((_, i) => startBroker(network, i, names, access)));
  const bootstrapOf = (listener: string) =>
    started
      .map(({ container, ports }) => `${container.getHost()}:${ports[listener]?.host}`)
      .join(',');
  return {
    bootstrap: bootstrapOf(Object.keys(access.listeners)[0] ?? ''),
    bootstrapOf,
    nodes: await Promise.all(started.map(({ container }, i) => asBroker(container, i + 1))),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(started.map(({ container }) => container.stop()));
      await network.stop();
    },
  };
}

async function startBroker(
  network: StartedNetwork,
  index: number,
  names: readonly string[],
  access: Access,
) {
  // Ports chosen first: the broker must advertise them, and keeps them when it is started again.
  const ports = await portsOf(access);
  const own = Object.entries(ports);
  const listeners = own.map(([one, { container: at }]) => `${one}://:${at}`);
  const hostOf = (listener: string) => access.advertisedHosts?.[listener] ?? '127.0.0.1';
  const advertised = own.map(([one, { host }]) => `${one}://${hostOf(one)}:${host}`);
  const protocols = Object.entries(access.listeners).map((pair) => pair.join(':'));
  const files = Object.entries(access.files).map(([file, content]) => ({
    content,
    target: `${filesDirectory}/${file}`,
  }));
  const name = names[index] as string;
  const container = await new GenericContainer(kafkaImage)
    .withNetwork(network)
    .withNetworkAliases(name)
    .withExposedPorts(...Object.values(ports))
    .withCopyContentToContainer(files)
    .withEnvironment({
      KAFKA_NODE_ID: String(index + 1),
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: names.map((one, i) => `${i + 1}@${one}:9093`).join(','),
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENERS: ['INTERNAL://:19092,CONTROLLER://:9093', ...listeners].join(','),
      KAFKA_ADVERTISED_LISTENERS: [`INTERNAL://${name}:19092`, ...advertised].join(','),
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: `INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,${protocols.join(',')}`,
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
      KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
      KAFKA_LOG_DIRS: '/tmp/kraft-combined-logs',
      ...asVariables(brokerSettings(names.length === 1 ? 1 : 3)),
      ...asVariables(access.settings(filesDirectory)),
      KAFKA_OPTS: access.javaOptions(filesDirectory).join(' '),
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withStartupTimeout(startTimeoutMs)
    .start();
  return { container, ports };
}

/** The directory of the files of an Access in the container. */
const filesDirectory = '/etc/kafka/access';

async function portsOf({ listeners }: Access) {
  const names = Object.keys(listeners);
  const pairs = names.map(
    async (name, i) => [name, { container: 9100 + i, host: await freePort() }] as const,
  );
  return Object.fromEntries(await Promise.all(pairs));
}

/** As the image takes them: a.b → KAFKA_A_B, and a hyphen is three underscores. */
function asVariables(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      `KAFKA_${name.toUpperCase().replaceAll('-', '___').replaceAll('.', '_')}`,
      value,
    ]),
  );
}

async function asBroker(container: StartedTestContainer, id: number): Promise<Broker> {
  const runtime = await getContainerRuntimeClient();
  const docker = runtime.container.getById(container.getId());
  return {
    id,
    kill: () => docker.kill({ signal: 'SIGKILL' }),
    stop: () => docker.stop({ t: 30 }),
    start: () => docker.start(),
    pause: () => docker.pause(),
    resume: () => docker.unpause(),
  };
}
