/**
 * A worker behind a SharedPort: it answers every request with its process id, and leaves the port
 * when it is told to.
 */

import { createServer } from 'node:http';
import { takeConnections } from '../../src/workers/worker.ts';

const server = createServer(
  { headersTimeout: 300, connectionsCheckingInterval: 100 },
  (_, response) => setTimeout(() => response.end(String(process.pid)), 50),
);
// As the bridge does for its senders.
Object.assign(server, { httpAllowHalfOpen: true });
const { stop } = await takeConnections(server);
process.on('SIGTERM', () => void stop().then(() => process.send?.('left')));
process.send?.('ready');
