/** One webhook from its request to its answer: `receive.ts` decides, the batcher stores, 202 says that it is stored. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BridgeConfig } from '../config/config.ts';
import type { Sources } from '../config/sources.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { signatureHeader } from '../voucherify/signature.ts';
import type { Batcher } from './batcher.ts';
import { type Body, readBody } from './body.ts';
import { Deadline } from './deadline.ts';
import type { InFlight } from './in-flight.ts';
import type { Kept } from './keeper.ts';
import { type Problem, problemBody, problems, problemType } from './problem.ts';
import { admit, authenticate } from './receive.ts';

export type BridgeContext = {
  readonly config: BridgeConfig;
  /** Those that are valid now. */
  readonly sources: () => Sources;
  readonly rawTopic: string;
  readonly batcher: Batcher;
  readonly inFlight: InFlight;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
};

type Outcome = { readonly kept: Kept } | Problem;

/** Of the metric, for what arrived under no known source. */
export const noSource = 'none';

/** The body was not wanted: so long its rest is read and forgotten, for a connection that is closed under a sender may take the answer with it. */
const lingerMs = 500;

export async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  context: BridgeContext,
): Promise<void> {
  const { metrics, config, log, inFlight } = context;
  const admitted = admit(headOf(request), {
    sources: context.sources(),
    allowedSenders: config.allowedSenders,
    trustedProxyHops: config.trustedProxyHops,
    maxBodyBytes: config.maxBodyBytes,
  });
  if ('status' in admitted) return refuse(request, response, admitted, noSource, metrics);
  const { source } = admitted;
  const startedAt = performance.now();
  const deadline = new Deadline(config.answerTimeoutMs);
  try {
    const reading = readBody(request, config.maxBodyBytes, inFlight, deadline);
    const body = await reading.catch(() => undefined);
    if (body === undefined) {
      // The client is gone before its body was complete: nobody to answer, nothing to store.
      metrics.webhooks.inc({ source, outcome: 'aborted' });
      response.destroy();
      return;
    }
    if ('status' in body) return await refuse(request, response, body, source, metrics);
    const outcome = await store(body, source, request, deadline, context);
    if (context.isStopping()) response.setHeader('connection', 'close');
    answer(response, outcome, source, context);
  } catch (error) {
    // A mistake of ours. One request must not end those of others; the vendor sends it again.
    log.error({ err: error, source }, 'a webhook could not be handled');
    response.destroy();
  } finally {
    deadline.clear();
    metrics.webhookSeconds.observe((performance.now() - startedAt) / 1_000);
  }
}

function headOf(request: IncomingMessage) {
  const { method, url, headers, socket } = request;
  const forwardedFor = headers['x-forwarded-for'];
  return {
    method,
    url,
    contentType: headers['content-type'],
    contentLength: headers['content-length'],
    address: socket.remoteAddress,
    forwardedFor: typeof forwardedFor === 'string' ? forwardedFor : forwardedFor?.join(','),
  };
}

async function store(
  { bytes, place }: Body,
  source: string,
  request: IncomingMessage,
  deadline: Deadline,
  { sources, batcher, metrics, log }: BridgeContext,
): Promise<Outcome> {
  const signature = request.headers[signatureHeader];
  const verified = authenticate(
    bytes,
    typeof signature === 'string' ? signature : undefined,
    sources().get(source) ?? [],
  );
  if ('status' in verified) {
    place.leave();
    return verified;
  }
  metrics.signatures.inc({ source, secret: verified.secretName });
  const contentType = request.headers['content-type'];
  const receipt = { source, contentType, receivedAtMs: Date.now() };
  try {
    const kept = batcher.add({ verified, receipt }, () => deadline.hasPassed);
    // Also when the deadline has passed and nobody waits for it any more: until then it is in memory.
    kept.then(place.leave, place.leave);
    const first = await Promise.race([kept, deadline.passed]);
    return first === 'passed' ? problems.notStored : { kept: first };
  } catch (error) {
    log.warn({ err: error }, 'a webhook could not be stored and is answered 503');
    return problems.notStored;
  }
}

function answer(
  response: ServerResponse,
  outcome: Outcome,
  source: string,
  { metrics, rawTopic }: BridgeContext,
): void {
  if ('status' in outcome) {
    metrics.webhooks.inc({ source, outcome: outcome.slug });
    writeProblem(response, outcome);
    response.end();
    return;
  }
  const { kept } = outcome;
  const isSpooled = kept === 'spooled';
  metrics.webhooks.inc({ source, outcome: isSpooled ? 'spooled' : 'stored' });
  const facts = isSpooled
    ? { status: 'spooled' }
    : { status: 'stored', topic: rawTopic, partition: kept.partition, offset: kept.offset };
  const text = JSON.stringify(facts);
  response.writeHead(202, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text, 'latin1');
}

/** Answers although the body is not wanted, or not complete, and closes the connection. */
async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  source: string,
  metrics: Metrics,
): Promise<void> {
  metrics.webhooks.inc({ source, outcome: problem.slug });
  response.setHeader('connection', 'close');
  writeProblem(response, problem);
  if (!request.complete) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, lingerMs);
    request.once('end', resolve).once('close', resolve).once('error', resolve);
    request.resume();
    await promise;
    clearTimeout(timer);
  }
  response.end();
}

function writeProblem(response: ServerResponse, problem: Problem): void {
  const text = problemBody(problem);
  response.writeHead(problem.status, {
    ...problem.headers,
    'content-type': problemType,
    'content-length': Buffer.byteLength(text),
  });
  response.write(text);
}
