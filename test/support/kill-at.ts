/**
 * Loaded into a processor with NODE_OPTIONS=--import: sends it KILL_SIGNAL (SIGKILL), once, at the
 * place KILL_AT of a transaction, after it has begun KILL_TRANSACTION of them. It prints `reached`
 * before. The product knows nothing of it.
 */

import { createRequire } from 'node:module';
import '../../src/kafka/kafkajs.ts'; // our patches first; these are applied on top of them

export const places = ['after-produce', 'after-offsets', 'commit-sent', 'commit-answered'] as const;
export type KillPlace = (typeof places)[number];

type Request = (this: unknown, args: object) => Promise<unknown>;
type Broker = { prototype: { addOffsetsToTxn: Request; endTxn: Request } };

const { KILL_AT: place, KILL_TRANSACTION = '1', KILL_SIGNAL = 'SIGKILL' } = process.env;
export const reached = 'KILL_AT is reached';

let hasDied = false;
const die = () => {
  if (hasDied) return;
  hasDied = true;
  process.stderr.write(`${reached}\n`);
  process.kill(process.pid, KILL_SIGNAL);
};

if (place) {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/broker') as Broker;
  const { addOffsetsToTxn, endTxn } = prototype;
  let transactions = 0;
  // Several partitions are at work at once: the count may have moved on when a place is reached.
  const isDue = () => transactions >= Number(KILL_TRANSACTION);
  prototype.addOffsetsToTxn = function patched(args) {
    transactions += 1;
    if (place === 'after-produce' && isDue()) die();
    return addOffsetsToTxn.call(this, args);
  };
  prototype.endTxn = async function patched(args) {
    if (place === 'after-offsets' && isDue()) die();
    const answered = endTxn.call(this, args);
    // The request is written within this turn or the next; the broker may or may not have begun to
    // write its markers.
    if (place === 'commit-sent' && isDue()) setTimeout(die, 1);
    const answer = await answered;
    if (place === 'commit-answered' && isDue()) die();
    return answer;
  };
}
