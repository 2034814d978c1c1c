import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createLog } from '../../../src/observability/log.ts';

const logged = (write: (log: ReturnType<typeof createLog>) => void) => {
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk, _, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  write(createLog('info', 'test', destination));
  return JSON.parse(lines[0] ?? '{}');
};

test('secrets and personal data are redacted, also below the first level', () => {
  const line = logged((log) =>
    log.info(
      {
        password: 'p',
        customer: { email: 'a@b.c', name: 'Jack', id: 'cust_1' },
        a: { b: { token: 't' } },
      },
      'x',
    ),
  );
  expect(line).toMatchObject({
    password: '[redacted]',
    customer: { email: '[redacted]', name: '[redacted]', id: 'cust_1' },
    a: { b: { token: '[redacted]' } },
    level: 'info',
    service: 'test',
  });
});

test('our own errors are logged without a stack', () => {
  const { err } = logged((log) =>
    log.info({ err: new AppError('FENCED', 'give-up-lease', 'gone', new Error('why')) }),
  );
  expect(err).toMatchObject({
    code: 'FENCED',
    recovery: 'give-up-lease',
    message: 'gone',
    cause: { message: 'why' },
  });
  expect(err.stack).toBeUndefined();
});

test('many logs add one listener to standard output', () => {
  createLog('silent', 'test');
  const before = process.stdout.listenerCount('error');
  for (let i = 0; i < 20; i += 1) createLog('silent', 'test');
  expect(process.stdout.listenerCount('error')).toBe(before);
});
