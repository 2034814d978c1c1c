/**
 * Replaces `parse` of `protocol/requests/addPartitionsToTxn/v0/response`: reports the partition
 * that was refused, with its own error.
 */

import { errorOfCode } from './internals.ts';

type AddPartitionsResponse = {
  readonly errors: readonly {
    readonly topic: string;
    readonly partitionErrors: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
};

/** The code of the partitions that were not tried because another one was refused. */
const operationNotAttempted = 55;

export async function parseAddPartitions<T extends AddPartitionsResponse>(response: T): Promise<T> {
  const refused = response.errors
    .flatMap(({ topic, partitionErrors }) => partitionErrors.map((one) => ({ topic, ...one })))
    .filter(({ errorCode }) => errorCode !== 0);
  const cause = refused.find(({ errorCode }) => errorCode !== operationNotAttempted) ?? refused[0];
  if (cause === undefined) return response;
  const error = errorOfCode(cause.errorCode);
  error.message = `${cause.topic}/${cause.partition}: ${error.message}`;
  throw error;
}
