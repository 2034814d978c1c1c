/**
 * Patches `cluster/brokerPool`. If a broker cannot be reached, the next one is tried; brokers that
 * did not respond lately come last; and the last known address is kept.
 */

import type { Broker, BrokerPool } from './internals.ts';
import { prototypeOf } from './modules.ts';
import { isSilent } from './silent-brokers.ts';

const maxSeeds = 16;

export function patchBrokerPool(): void {
  const prototype = prototypeOf<BrokerPool>('cluster/brokerPool');
  prototype.withBroker = tryEach;
  prototype.findConnectedBroker = findConnectedBroker;
  prototype.removeBroker = keepSeed(prototype.removeBroker);
  prototype.createSeedBroker = avoidSilentSeeds(prototype.createSeedBroker);
}

/** Returns the node ids in random order; silent brokers come last. */
function inOrder({ brokers }: BrokerPool): readonly string[] {
  const weight = ({ connectionPool }: Broker) => Math.random() + (isSilent(connectionPool) ? 1 : 0);
  return Object.entries(brokers)
    .map(([nodeId, broker]) => ({ nodeId, weight: weight(broker) }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ nodeId }) => nodeId);
}

const tryEach: BrokerPool['withBroker'] = async function tryEach<T>(
  this: BrokerPool,
  use: (found: { nodeId: string; broker: Broker }) => Promise<T>,
): Promise<T | null> {
  let failure: unknown;
  for (const nodeId of inOrder(this)) {
    try {
      return await use({ nodeId, broker: await this.findBroker({ nodeId }) });
    } catch (error) {
      failure = error;
    }
  }
  if (failure) throw failure;
  return null;
};

async function findConnectedBroker(this: BrokerPool): Promise<Broker> {
  const nodeIds = inOrder(this);
  const isGood = (nodeId: string) => {
    const broker = this.brokers[nodeId];
    return broker?.isConnected() && !isSilent(broker.connectionPool);
  };
  for (const nodeId of [...nodeIds.filter(isGood), ...nodeIds]) {
    const broker = await this.findBroker({ nodeId }).catch(() => undefined);
    if (broker) return broker;
  }
  await this.connect();
  return this.seedBroker;
}

function keepSeed(remove: BrokerPool['removeBroker']): BrokerPool['removeBroker'] {
  return function patchedRemoveBroker(this: BrokerPool, address) {
    const { seedBroker } = this;
    remove.call(this, address);
    this.seedBroker ??= seedBroker;
  };
}

function avoidSilentSeeds(create: BrokerPool['createSeedBroker']): BrokerPool['createSeedBroker'] {
  return async function patchedCreateSeedBroker(this: BrokerPool) {
    for (let left = maxSeeds; left > 0; left -= 1) {
      // Each call takes the next of KAFKA_BROKERS.
      await create.call(this);
      if (!isSilent(this.seedBroker.connectionPool)) return;
    }
  };
}
