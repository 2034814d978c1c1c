import { expect, test } from 'vitest';
import { sendersOf } from '../../../src/config/senders.ts';
import { Access } from '../../../src/console/access.ts';

type Config = ConstructorParameters<typeof Access>[0];

const open: Config = {
  host: '127.0.0.1',
  port: 8081,
  members: [],
  viewerToken: undefined,
  operatorToken: undefined,
  trustedProxies: undefined,
  operatorGroup: undefined,
  reports: undefined,
  maxIndexBytes: 0,
};

const visit = (headers: Record<string, string>, address = '127.0.0.1', cookie?: string) => ({
  address,
  cookie,
  header: (name: string) => headers[name],
});

test('without tokens and proxies, the loopback name is a viewer; another name is a stranger', () => {
  const access = new Access(open);
  expect(access.personOf(visit({ host: 'localhost:8081' }))).toMatchObject({ role: 'viewer' });
  expect(access.personOf(visit({ host: 'evil.example.com:8081' }))).toBeUndefined();
});

test("a proxy's headers count only from its addresses", () => {
  const trustedProxies = sendersOf(['10.0.0.0/8']);
  const access = new Access({ ...open, trustedProxies, operatorGroup: 'on-call' });
  const ann = { 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'dev, on-call' };
  expect(access.personOf(visit(ann, '::ffff:10.1.2.3'))).toMatchObject({
    name: 'ann',
    role: 'operator',
  });
  const bob = { 'x-forwarded-user': 'bob', 'x-forwarded-groups': 'dev' };
  expect(access.personOf(visit(bob, '10.1.2.3'))).toMatchObject({ name: 'bob', role: 'viewer' });
  expect(access.personOf(visit(ann, '192.168.0.1'))).toBeUndefined();
  expect(access.personOf(visit({ host: 'localhost' }))).toBeUndefined();
});

test('tokens sign in, sessions end, and each has a form token of its own', () => {
  const [viewerToken, operatorToken] = ['viewer-0123456789', 'operator-0123456789'];
  const access = new Access({ ...open, viewerToken, operatorToken });
  expect(access.signIn('wrong')).toBeUndefined();
  const [one, other] = [access.signIn(operatorToken), access.signIn(operatorToken)];
  const [first, second] = [one, other].map((cookie) =>
    access.personOf(visit({}, '1.2.3.4', cookie)),
  );
  expect(first).toMatchObject({ role: 'operator' });
  if (!first || !second) throw new Error('expected two sessions');
  expect(access.isOurForm(first, first.formToken)).toBe(true);
  expect(access.isOurForm(first, second.formToken)).toBe(false);
  expect(access.isOurForm(first, undefined)).toBe(false);
  access.signOut(one ?? '');
  expect(access.personOf(visit({}, '1.2.3.4', one))).toBeUndefined();
  expect(access.personOf(visit({ authorization: `Bearer ${viewerToken}` }))?.role).toBe('viewer');
});
