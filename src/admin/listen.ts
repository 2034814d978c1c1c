/** Binds a server to its port. The error names the setting to change. */

import type { Server } from 'node:net';
import { AppError, messageOf } from '../errors.ts';
import type { Log } from '../observability/log.ts';

/** Returns the port, which the system chose if it was 0. @throws AppError PORT_UNAVAILABLE */
export function listen(
  server: Server,
  port: number,
  host: string,
  setting: string,
  log: Log,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      const text = `cannot listen on ${host}:${port} (${setting}): ${messageOf(error)}`;
      reject(new AppError('PORT_UNAVAILABLE', 'stop', text, error));
    };
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      // A failed accept must neither end the process nor be silent. (Without a file descriptor,
      // libuv closes the connection silently: the bridge warns of that at its start.)
      server.on('error', sayingSo(log, setting));
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

const sayAgainAfterMs = 10_000;

function sayingSo(log: Log, setting: string): (error: Error) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() - saidAt < sayAgainAfterMs) return;
    saidAt = performance.now();
    log.error({ err: error, port: setting }, 'a connection could not be accepted');
  };
}
