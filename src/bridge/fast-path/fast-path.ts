/**
 * The only entrance to the fast path: a quicker way for the requests that webhook senders usually
 * write (README.md). HTTP_FAST_PATH=off disables it.
 */

import type { Socket } from 'node:net';
import type { BridgeConfig } from '../../config/config.ts';
import { type EnvelopeFields, readWebhook } from '../../voucherify/webhook.ts';
import type { Connections } from '../connections.ts';
import type { BridgeContext } from '../context.ts';
import { FastPathConnection } from './connection.ts';
import { readEnvelopeFields } from './json-fields.ts';

/** @param toNode passes the connection, with all that was read from it, to Node's HTTP server */
export function acceptOnFastPath(
  socket: Socket,
  context: BridgeContext,
  connections: Connections,
  toNode: (socket: Socket) => void,
): void {
  new FastPathConnection(socket, context, connections, toNode);
}

/**
 * Returns the reader of the envelope's fields: the quick scanner, or with the fast path off a whole
 * JSON.parse.
 */
export function fieldReader({
  httpFastPath,
}: Pick<BridgeConfig, 'httpFastPath'>): (body: Buffer) => EnvelopeFields {
  return httpFastPath === 'on' ? readEnvelopeFields : (body) => readWebhook(body).envelope;
}
