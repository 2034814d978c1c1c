/** Builds KafkaJS's `sasl` option. Credentials in files are read again for each new connection. */

import { X509Certificate } from 'node:crypto';
import type { KafkaConfig } from '../config/config.ts';
import { fetchFromAws, fetchFromAzure, fetchFromGoogle } from '../credentials/cloud.ts';
import { currentOf } from '../credentials/current.ts';
import { fetchByClientCredentials } from '../credentials/oidc.ts';
import { cachedToken, expiryOf, type FetchToken } from '../credentials/token.ts';
import type { Log } from '../observability/log.ts';
import { oauthBearer } from './oauth-bearer.ts';

/** A token in a file is read again at least this often. */
const fileTokenLifeMs = 60_000;

export function saslOf(config: KafkaConfig, log: Log) {
  const { saslMechanism: mechanism, saslUsername, saslPassword } = config;
  switch (mechanism) {
    case undefined:
      return undefined;
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512': {
      const login = {
        mechanism,
        isRenewable: saslPassword?.isFile === true,
        get username() {
          return currentOf(saslUsername, log) ?? '';
        },
        get password() {
          return currentOf(saslPassword, log) ?? '';
        },
      };
      return login as typeof login & { readonly mechanism: 'plain' };
    }
    case 'oauthbearer': {
      const token = cachedToken(fetchTokenOf(config, log));
      return oauthBearer({ token, extensions: config.oauthExtensions });
    }
  }
}

function fetchTokenOf(config: KafkaConfig, log: Log): FetchToken {
  switch (config.oauthProvider) {
    case 'aws-msk-iam':
      return fetchFromAws(config.awsRegion ?? '');
    case 'azure':
      return fetchFromAzure(config.oauthScope ?? '');
    case 'gcp':
      return fetchFromGoogle();
    case 'oidc': {
      const { oauthToken } = config;
      if (oauthToken === undefined) return fetchByClientCredentials(config, 'KAFKA_OAUTH', log);
      return async () => {
        const value = currentOf(oauthToken, log);
        const latestMs = Date.now() + fileTokenLifeMs;
        return { value, expiresAtMs: Math.min(expiryOf(value) ?? latestMs, latestMs) };
      };
    }
  }
}

/**
 * Returns the principal that ACLs name, by the broker's default rules. With OAuth or a cloud login
 * only the broker knows it.
 */
export function principalOf({ saslMechanism, saslUsername, ssl, sslCert }: KafkaConfig): string {
  if (saslMechanism === 'oauthbearer') return "the token's principal (its `sub` by default)";
  if (saslMechanism !== undefined) return `User:${saslUsername?.current()}`;
  if (ssl && sslCert) return `User:${subjectOf(sslCert.current())}`;
  return 'User:ANONYMOUS';
}

/** Returns a certificate's subject as Kafka writes it (RFC 2253): the last part first. */
function subjectOf(pem: string): string {
  return new X509Certificate(pem).subject.split('\n').reverse().join(',');
}
