/** Our own address, as whoever shares a network with us and the brokers sees it. */

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { asAppError } from '../kafka/failure.ts';

/** @param brokers host:port each @throws AppError, where none of them has an address to which there is a way */
export async function advertisedAddress(brokers: readonly string[]): Promise<string> {
  try {
    return await Promise.any(brokers.map(addressTowards));
  } catch (error) {
    const [first] = (error as AggregateError).errors;
    throw asAppError(first, `find our own address on the way to ${brokers.join(', ')}`);
  }
}

/** Nothing is sent: a datagram socket that is connected has chosen its address by the routing table. */
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
