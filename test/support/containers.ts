/** Kafka and the registry in containers, through testcontainers. KAFKA_IMAGE and REGISTRY_IMAGE replace the official images. */

import { GenericContainer, getContainerRuntimeClient, ImageName, Wait } from 'testcontainers';
import { freePort } from './ports.ts';
import { kafkaVersion, type Say, type Way } from './way.ts';

const kafkaImage = process.env['KAFKA_IMAGE'] ?? `apache/kafka:${kafkaVersion}`;
const registryImage = process.env['REGISTRY_IMAGE'] ?? 'apicurio/apicurio-registry:3.3.3';
const startTimeoutMs = 120_000;
const pullTimeoutMs = 300_000;

export const startContainers: Way = async (say) => {
  if (!(await hasImages(say))) return undefined;
  // A port chosen first: the broker must advertise it.
  const port = await freePort();
  say(`starting ${kafkaImage} and ${registryImage}`);
  const [kafka, registry] = await Promise.all([
    startKafka(port),
    new GenericContainer(registryImage)
      .withExposedPorts(8080)
      .withEnvironment({ QUARKUS_LOG_LEVEL: 'WARN' })
      .withWaitStrategy(Wait.forHttp('/apis/ccompat/v7/subjects', 8080).forStatusCode(200))
      .withStartupTimeout(startTimeoutMs)
      .start(),
  ]);
  return {
    brokers: `${kafka.getHost()}:${port}`,
    registryUrl: `http://${registry.getHost()}:${registry.getMappedPort(8080)}/apis/ccompat/v7`,
    origin: `containers ${kafkaImage}, ${registryImage}`,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([kafka.stop(), registry.stop()]);
    },
  };
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

function startKafka(port: number) {
  return new GenericContainer(kafkaImage)
    .withExposedPorts({ container: 9092, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENERS: 'INTERNAL://:19092,CONTROLLER://:9093,EXTERNAL://:9092',
      KAFKA_ADVERTISED_LISTENERS: `INTERNAL://localhost:19092,EXTERNAL://127.0.0.1:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
        'INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '5',
      KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '5',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
      KAFKA_LOG_DIRS: '/tmp/kraft-combined-logs',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withStartupTimeout(startTimeoutMs)
    .start();
}
