/**
 * The SASL mechanism OAUTHBEARER (RFC 7628), in the form of KafkaJS's custom mechanisms. KafkaJS's
 * own ignores the broker's refusal: the connection counts as authenticated, and its next request
 * fails with ILLEGAL_SASL_STATE.
 */

import type { Pairs } from '../config/kinds.ts';
import type { Mechanism } from './kafkajs.ts';
import { saslAuthenticationError } from './kafkajs-patches/internals.ts';

type Options = {
  readonly token: () => Promise<string>;
  /** SASL extensions, such as Confluent Cloud's `logicalCluster`. */
  readonly extensions: Pairs | undefined;
};

const separator = '\u0001';

export function oauthBearer({ token, extensions = {} }: Options) {
  const authenticationProvider: Mechanism['authenticationProvider'] = ({ saslAuthenticate }) => ({
    authenticate: async () => {
      const parts = [
        `auth=Bearer ${await token()}`,
        ...Object.entries(extensions).map((pair) => pair.join('=')),
      ];
      const text = `n,,${separator}${parts.join(separator)}${separator}${separator}`;
      const refusal = await saslAuthenticate({
        request: { encode: () => withLength(Buffer.from(text)) },
        // KafkaJS passes the bytes with their length before them.
        response: { decode: (bytes) => bytes.subarray(4), parse: (bytes) => bytes.toString() },
      });
      // An accepted token has an empty response; a refused one has RFC 7628's error as JSON.
      if (refusal) throw saslAuthenticationError(`the broker responds ${refusal.slice(0, 200)}`);
    },
  });
  return { mechanism: 'oauthbearer', isRenewable: true, authenticationProvider };
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
