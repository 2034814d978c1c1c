/** Finds this host's address as seen from the network that it shares with the brokers. */

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { asAppError } from '../kafka/failure.ts';

/** @param brokers as host:port. @throws AppError if no broker's address has a route */
export async function advertisedAddress(brokers: readonly string[]): Promise<string> {
  try {
    return await Promise.any(brokers.map(addressTowards));
  } catch (error) {
    const [first] = (error as AggregateError).errors;
    throw asAppError(first, `find our own address on the way to ${brokers.join(', ')}`);
  }
}

/**
 * Connects a datagram socket, which chooses its own address by the routing table. Nothing is sent.
 */
async function addressTowards(broker: string): Promise<string> {
  const { hostname, port } = new URL(`kafka://${broker}`);
  const { address, family } = await lookup(hostname.replace(/^\[|\]$/g, ''));
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  try {
    const connected = once(socket, 'connect');
    socket.connect(Number(port), address);
    await connected;
    return socket.address().address;
  } finally {
    socket.close();
  }
}
