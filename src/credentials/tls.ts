/**
 * The TLS settings of one connection: certificate authority, client certificate and key. Their
 * files are read again for each new connection, so that a rotation needs no restart.
 */

import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import { type SecureContextOptions, TLSSocket } from 'node:tls';
import { pairProblem } from '../config/connection-rules.ts';
import { certificatesIn } from '../config/kinds.ts';
import type { Rereadable } from '../config/rereadable.ts';
import type { Log } from '../observability/log.ts';
import type { CertificateKind, CertificateWatch } from './certificate-watch.ts';
import { currentOf } from './current.ts';

type Files = {
  readonly ca: Rereadable<string> | undefined;
  readonly cert: Rereadable<string> | undefined;
  readonly key: Rereadable<string> | undefined;
  readonly passphrase: Rereadable<string> | undefined;
};

type Context = {
  readonly peer: CertificateKind['peer'];
  readonly log: Log;
  readonly certificates?: CertificateWatch | undefined;
};

/** Common prefix of the settings, for messages. */
const tlsPrefix = { kafka: 'KAFKA_SSL', registry: 'SCHEMA_REGISTRY' } as const;

type Options = Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase'>;

export class TlsMaterial {
  readonly #files: Files;
  readonly #context: Context;
  #texts: readonly (string | undefined)[] = [];
  #options: Options = {};

  constructor(files: Files, context: Context) {
    this.#files = files;
    this.#context = context;
  }

  /** Returns the options of `tls.connect` by the files now, or by the last ones that fit. */
  current(): Options {
    const { log, peer } = this.#context;
    const prefix = tlsPrefix[peer];
    const { ca, cert, key, passphrase } = this.#files;
    const texts = [ca, cert, key, passphrase].map((file) => currentOf(file, log));
    if (texts.every((text, i) => text === this.#texts[i]) && this.#texts.length > 0) {
      return this.#options;
    }
    const [newCa, newCert, newKey, newPassphrase] = texts;
    const problem = newCert && newKey && pairProblem(prefix, newCert, newKey, newPassphrase);
    // The files are replaced one after the other: the two fit again at the next connection.
    if (problem && this.#texts.length > 0) {
      log.warn(`${problem}. The last certificate and key stay in use`);
      return this.#options;
    }
    if (this.#texts.length > 0) log.info(`the certificates of ${prefix}_* were read again`);
    this.#texts = texts;
    this.#options = {
      ...(newCa ? { ca: newCa } : {}),
      ...(newCert ? { cert: newCert } : {}),
      ...(newKey ? { key: newKey } : {}),
      ...(newPassphrase ? { passphrase: newPassphrase } : {}),
    };
    this.#watchOwn(newCa, newCert);
    return this.#options;
  }

  /** Reports the certificate that the other side will show on this socket. */
  watch(socket: TLSSocket, address: string): TLSSocket {
    const { peer, certificates } = this.#context;
    return socket.once('secureConnect', () => {
      const { valid_to: validTo } = socket.getPeerCertificate();
      const kind = { peer, certificate: 'server' } as const;
      if (validTo) certificates?.seen(kind, address, Date.parse(validTo));
    });
  }

  /** Returns an agent for `node:https` whose new connections use the files as they are then. */
  agent(): Agent {
    return new ReloadingAgent(this);
  }

  #watchOwn(ca: string | undefined, cert: string | undefined): void {
    const { peer, certificates } = this.#context;
    for (const [certificate, pem] of [['ca', ca] as const, ['client', cert] as const]) {
      certificates?.forget({ peer, certificate });
      certificatesIn(pem ?? '').forEach((one, i) => {
        const notAfterMs = Date.parse(new X509Certificate(one).validTo);
        certificates?.seen({ peer, certificate }, `${certificate} ${i + 1}`, notAfterMs);
      });
    }
  }
}

class ReloadingAgent extends Agent {
  readonly #material: TlsMaterial;

  constructor(material: TlsMaterial) {
    super({ keepAlive: true });
    this.#material = material;
  }

  override createConnection(...[options, callback]: Parameters<Agent['createConnection']>) {
    const socket = super.createConnection({ ...options, ...this.#material.current() }, callback);
    const { host = '', port = '' } = options;
    return socket instanceof TLSSocket ? this.#material.watch(socket, `${host}:${port}`) : socket;
  }
}
