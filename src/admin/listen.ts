/** Binds a server to its port, or says which setting to change. */

import type { Server } from 'node:net';
import { AppError, messageOf } from '../errors.ts';

/** Answers the port in use, which the system has chosen where 0 was asked. @throws AppError PORT_UNAVAILABLE */
export function listen(
  server: Server,
  port: number,
  host: string,
  setting: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const text = `can not listen on ${host}:${port} (${setting}): ${messageOf(error)}`;
      reject(new AppError('PORT_UNAVAILABLE', 'fatal', text, error));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}
