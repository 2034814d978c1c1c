/**
 * Renders the certificate of a cluster: what it supports, how we connected, and the verdict. It has
 * no addresses, names or credentials, so that it can be sent to others. Pure.
 */

import type { KafkaConfig, RegistryConfig } from '../config/config.ts';
import type { ClusterFacts } from '../kafka/cluster-facts.ts';
import type { Verdict } from './checker.ts';

export type Certificate = {
  readonly voucherbus: string;
  readonly node: string;
  readonly at: string;
  readonly seconds: number;
  readonly brokers: number;
  readonly kafkaLogin: string;
  readonly registryLogin: string;
  readonly features: ClusterFacts['features'];
  readonly supports: Readonly<Record<string, boolean>>;
  readonly counts: Verdict['counts'];
  readonly isExact: boolean;
  readonly invariants: readonly { readonly invariant: string; readonly violations: number }[];
};

/** The requests that we need, by API key and version. */
const needed: readonly (readonly [name: string, key: number, version: number])[] = [
  ['topic ids (Metadata 12)', 3, 12],
  ['transactions (InitProducerId 1)', 22, 1],
  ['transactional offsets (TxnOffsetCommit 2)', 28, 2],
  ['Fetch 11', 1, 11],
  ['Produce 7', 0, 7],
  ['consumer groups with static names (JoinGroup 5)', 11, 5],
];

export function supportOf({ apiVersions }: ClusterFacts): Readonly<Record<string, boolean>> {
  return Object.fromEntries(
    needed.map(([name, key, version]) => [name, (apiVersions[key] ?? -1) >= version]),
  );
}

export function kafkaLoginOf({ ssl, sslCert, saslMechanism, oauthProvider }: KafkaConfig): string {
  const transport = ssl ? (sslCert ? 'TLS with a client certificate' : 'TLS') : 'plaintext';
  const provider = saslMechanism === 'oauthbearer' ? ` (${oauthProvider})` : '';
  const login = saslMechanism ? `SASL ${saslMechanism.toUpperCase()}${provider}` : 'no SASL';
  return `${transport}, ${login}`;
}

export function registryLoginOf(config: RegistryConfig): string {
  const { url, cert, username, token, oauthTokenUrl } = config;
  const transport = url.startsWith('https:') ? 'TLS' : 'plaintext';
  const logins = [
    cert ? 'client certificate' : undefined,
    username ? 'basic authentication' : undefined,
    token ? 'bearer token' : undefined,
    oauthTokenUrl ? 'OAuth client credentials' : undefined,
  ].filter((login) => login !== undefined);
  return `${transport}, ${logins.length > 0 ? logins.join(' and ') : 'no login'}`;
}

export function renderCertificate(certificate: Certificate): string {
  const { voucherbus, node, at, seconds, brokers, features, supports, counts } = certificate;
  const mark = (isTrue: boolean) => (isTrue ? '✓' : '✗');
  return [
    `# ${certificate.isExact ? 'Exactly once' : 'NOT exactly once'}: voucherbus on this cluster`,
    '',
    `voucherbus ${voucherbus} on Node ${node}, ${at}, ${seconds} s.`,
    '',
    '| | |',
    '|---|---|',
    `| brokers | ${brokers} |`,
    `| connection to Kafka | ${certificate.kafkaLogin} |`,
    `| connection to the registry | ${certificate.registryLogin} |`,
    ...Object.entries(features).map(([name, level]) => `| feature \`${name}\` | ${level} |`),
    ...Object.entries(supports).map(([name, isTrue]) => `| ${name} | ${mark(isTrue)} |`),
    '',
    '| counted | |',
    '|---|--:|',
    ...Object.entries(counts).map(([name, count]) => `| ${name} | ${count} |`),
    '',
    ...certificate.invariants.map(
      ({ invariant, violations }) =>
        `- ${mark(violations === 0)} ${invariant}${violations > 0 ? `: ${violations} violations` : ''}`,
    ),
    '',
  ].join('\n');
}
