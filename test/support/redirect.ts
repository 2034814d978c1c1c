/**
 * Loaded into a service with NODE_OPTIONS=--import: its connections to one port go to another,
 * where a proxy listens. REDIRECT is `from:to`. (Brokers tell clients their own address, so a proxy
 * that is only configured would be left after the first answer.)
 */

import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

const [from, to] = (process.env['REDIRECT'] ?? '').split(':').map(Number);
const original = net.connect;

type Options = { port?: number };

net.connect = ((options: Options, ...rest: []) =>
  original(
    (options.port === from ? { ...options, port: to } : options) as net.NetConnectOpts,
    ...rest,
  )) as typeof net.connect;
// For modules that import `connect` by its name.
syncBuiltinESMExports();
