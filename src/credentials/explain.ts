/**
 * Explains why a connection could not be opened: the text of Node or OpenSSL, in one sentence that
 * says what to do.
 */

export type Peer = {
  /** Address as people know it: kafka-1:9093, or the registry's URL. */
  readonly name: string;
  /** `the broker` or `the schema registry`. */
  readonly role: string;
  /** Common prefix of the TLS settings: KAFKA_SSL. */
  readonly prefix: string;
};

type Explanation = readonly [pattern: RegExp, explain: (peer: Peer, found: string) => string];

/** The first pattern that fits wins. Codes and texts of Node 24 with OpenSSL 3. */
const explanations: readonly Explanation[] = [
  [
    /Hostname\/IP does not match certificate's altnames:? ?(.*)/,
    ({ name, role }, found) =>
      `the certificate of ${role} ${name} is for another name (${found}): address it by a name that the certificate holds, or have one issued for this name`,
  ],
  [
    /self-signed certificate|unable to verify the first certificate|unable to get (?:local )?issuer certificate|certificate signature failure/,
    ({ name, role, prefix }) =>
      `the certificate of ${role} ${name} is not signed by an authority that we trust: set ${prefix}_CA_FILE to the PEM of the authority that signed it, with its intermediates`,
  ],
  [
    /certificate has expired/,
    ({ name, role }) =>
      `the certificate of ${role} ${name}, or of its authority, has expired: renew it there (or correct the clock of this host)`,
  ],
  [
    /certificate is not yet valid/,
    ({ name, role }) =>
      `the certificate of ${role} ${name} is not valid yet: correct the clock of this host, or wait until the certificate is valid`,
  ],
  [
    /alert (?:certificate required|bad certificate|handshake failure)|peer did not return a certificate|No required SSL certificate/,
    ({ name, role, prefix }) =>
      `${role} ${name} demands a client certificate: set ${prefix}_CERT_FILE and ${prefix}_KEY_FILE to one that it accepts`,
  ],
  [
    /alert certificate expired/,
    ({ name, role, prefix }) =>
      `${role} ${name} refuses our client certificate because it has expired: renew ${prefix}_CERT and ${prefix}_KEY`,
  ],
  [
    /alert (?:unknown ca|certificate unknown|unsupported certificate|certificate revoked)/,
    ({ name, role, prefix }) =>
      `${role} ${name} refuses our client certificate: set ${prefix}_CERT_FILE to one that is valid now and signed by an authority that it trusts`,
  ],
  [
    /wrong version number|packet length too long|http request|before secure TLS connection was established|EPROTO/,
    ({ name, role, prefix }) =>
      `${role} ${name} does not speak TLS on this port: use its TLS port, or ${prefix === 'KAFKA_SSL' ? 'set KAFKA_SSL=false' : 'an http:// address'}`,
  ],
  [
    /getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ?(\S*)/,
    ({ name, role }) =>
      `the host name of ${role} ${name} cannot be resolved here: check the name, and the name server of this host. A name that is not in our settings comes from advertised.listeners of the brokers`,
  ],
  [
    /ECONNREFUSED/,
    ({ name, role }) => `nothing listens at ${name}: check the address, and whether ${role} runs`,
  ],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Connection timeout/,
    ({ name, role }) =>
      `${role} ${name} cannot be reached: check the address, routes and firewalls on the way`,
  ],
];

/** Returns the sentence; undefined if the text is of another kind. */
export function explainConnection(text: string, peer: Peer): string | undefined {
  for (const [pattern, explain] of explanations) {
    const match = pattern.exec(text);
    if (match) return explain(peer, match[1]?.trim() ?? '');
  }
  return undefined;
}
