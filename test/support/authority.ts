/** A certificate authority of a test, by openssl: certificates of any name and any time. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const dayMs = 86_400_000;

export type Certified = { readonly cert: string; readonly key: string };

type Subject = {
  /** Common name; Kafka's principal is then `User:CN=<name>`. */
  readonly name: string;
  /** Subject alternative names, as openssl writes them. @default localhost and 127.0.0.1 */
  readonly names?: string;
  /** Days from now. @default -1 */
  readonly fromDays?: number;
  /** @default 30 */
  readonly toDays?: number;
};

export type Authority = {
  /** PEM of its own certificate. */
  readonly ca: string;
  readonly certify: (subject: Subject) => Promise<Certified>;
};

/** openssl's time: YYYYMMDDHHMMSSZ. */
const timeIn = (days: number) =>
  new Date(Date.now() + days * dayMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');

/** @throws Error if openssl is not installed */
export async function createAuthority(name: string): Promise<Authority> {
  const config = (directory: string) => `
[ca]
default_ca = own
[own]
new_certs_dir = ${directory}
database = ${directory}/index
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
`;
  const root = await inDirectory(async (directory, openssl) => {
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
    );
    return { cert: await read(directory, 'ca.crt'), key: await read(directory, 'ca.key') };
  });
  return {
    ca: root.cert,
    certify: ({ name: own, names = 'DNS:localhost,IP:127.0.0.1', fromDays = -1, toDays = 30 }) =>
      inDirectory(async (directory, openssl) => {
        await writeFile(join(directory, 'ca.crt'), root.cert);
        await writeFile(join(directory, 'ca.key'), root.key);
        await writeFile(join(directory, 'ca.cnf'), config(directory));
        await writeFile(join(directory, 'index'), '');
        await openssl(
          'req',
          '-new',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-subj',
          `/CN=${own}`,
          '-addext',
          `subjectAltName=${names}`,
          '-keyout',
          'own.key',
          '-out',
          'own.csr',
        );
        await openssl(
          'ca',
          '-batch',
          '-notext',
          '-config',
          'ca.cnf',
          '-cert',
          'ca.crt',
          '-keyfile',
          'ca.key',
          '-startdate',
          timeIn(fromDays),
          '-enddate',
          timeIn(toDays),
          '-in',
          'own.csr',
          '-out',
          'own.crt',
        );
        return { cert: await read(directory, 'own.crt'), key: await read(directory, 'own.key') };
      }),
  };
}

const read = (directory: string, file: string) => readFile(join(directory, file), 'utf8');

type OpenSsl = (...args: string[]) => Promise<unknown>;

async function inDirectory<T>(
  work: (directory: string, openssl: OpenSsl) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-ca-'));
  try {
    return await work(directory, (...args) => run('openssl', args, { cwd: directory }));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
