/** The HTTP shell of the bridge: reads requests, asks `receive.ts` for the answer, hands verified webhooks to the batcher, and answers 202 once they are stored. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '../admin/listen.ts';
import type { BridgeConfig, WebhookConfig } from '../config/config.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { signatureHeader } from '../voucherify/signature.ts';
import type { Batcher } from './batcher.ts';
import type { Kept } from './keeper.ts';
import { type Problem, problemBody, problems } from './problem.ts';
import { admit, authenticate } from './receive.ts';

export type BridgeContext = {
  readonly config: BridgeConfig & Pick<WebhookConfig, 'source'>;
  /** Those that are valid now. */
  readonly secrets: () => WebhookConfig['secrets'];
  readonly rawTopic: string;
  readonly batcher: Batcher;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type Bridge = {
  readonly port: number;
  /** Answers what was sent by now, then takes nothing more and closes every connection. */
  readonly close: () => Promise<void>;
};

/** Above the idle time-out of the usual load balancers (60 s), so that they and not we end a connection. */
const keepAliveMs = 75_000;

/** So long it goes on after it was told to stop, telling each connection to close with its answer. Whoever looks at /readyz sends elsewhere by then. */
const lastRequestsMs = 500;

type State = { requests: number; bytes: number; isStopping: boolean };

export async function startBridge(context: BridgeContext): Promise<Bridge> {
  const { config } = context;
  const state: State = { requests: 0, bytes: 0, isStopping: false };
  // A series that is known in advance starts at 0: an alert on its growth must see the first one.
  for (const outcome of [
    'stored',
    'spooled',
    'aborted',
    ...Object.values(problems).map(({ slug }) => slug),
  ]) {
    context.metrics.webhooks.inc({ source: config.source, outcome }, 0);
  }
  const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
    void handle(request, response, state, context);
  });
  const port = await listen(server, config.port, config.host, 'BRIDGE_PORT');
  return {
    port,
    close: async () => {
      state.isStopping = true;
      // Closing at once would reset what waits to be accepted, and connections that seem idle, on one of which a webhook may just have been sent.
      await sleep(lastRequestsMs);
      const closed = new Promise((resolve) => server.close(resolve));
      await context.batcher.drain();
      await closed;
    },
  };
}

type Outcome = { readonly kept: Kept } | Problem;

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  state: State,
  context: BridgeContext,
): Promise<void> {
  const { metrics, config, log } = context;
  const startedAt = performance.now();
  const refusal = admit(headOf(request), state, config);
  if (refusal) {
    // The rest of the body is not wanted; the client may still be sending it.
    response.setHeader('connection', 'close');
    answer(response, refusal, context);
    request.resume();
    return;
  }
  state.requests += 1;
  metrics.webhooksInFlight.set(state.requests);
  const deadline = new Deadline(config.answerTimeoutMs);
  let bytes = 0;
  try {
    const body = await readBody(request, config.maxBodyBytes, deadline);
    if (Buffer.isBuffer(body)) {
      bytes = body.length;
      state.bytes += bytes;
    }
    const outcome = Buffer.isBuffer(body) ? await store(body, request, deadline, context) : body;
    if (state.isStopping || outcome === problems.tooLarge || outcome === problems.slowBody) {
      response.setHeader('connection', 'close');
    }
    answer(response, outcome, context);
  } catch (error) {
    // The client is gone before its body was complete: nobody to answer, nothing to store.
    log.debug({ err: error }, 'a request ended before its body was complete');
    metrics.webhooks.inc({ source: config.source, outcome: 'aborted' });
    response.destroy();
  } finally {
    deadline.clear();
    state.requests -= 1;
    state.bytes -= bytes;
    metrics.webhooksInFlight.set(state.requests);
    metrics.webhookSeconds.observe((performance.now() - startedAt) / 1_000);
  }
}

function headOf(request: IncomingMessage) {
  const { method, url, headers } = request;
  return {
    method,
    url,
    contentType: headers['content-type'],
    contentLength: headers['content-length'],
  };
}

/** The time by which a request must be answered, whatever happens. */
class Deadline {
  readonly #timer: NodeJS.Timeout;
  readonly passed: Promise<'passed'>;
  hasPassed = false;

  constructor(ms: number) {
    const { promise, resolve } = Promise.withResolvers<'passed'>();
    this.passed = promise;
    this.#timer = setTimeout(() => {
      this.hasPassed = true;
      resolve('passed');
    }, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  deadline: Deadline,
): Promise<Buffer | Problem> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | Problem>();
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= maxBytes) chunks.push(chunk);
    else resolve(problems.tooLarge);
  });
  request.on('end', () =>
    resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
  );
  request.on('error', reject);
  request.on('close', () => reject(new Error('the connection was closed')));
  const body = await Promise.race([promise, deadline.passed]);
  return body === 'passed' ? problems.slowBody : body;
}

async function store(
  body: Buffer,
  request: IncomingMessage,
  deadline: Deadline,
  { config, secrets, batcher, metrics, log }: BridgeContext,
): Promise<Outcome> {
  const signature = request.headers[signatureHeader];
  const verified = authenticate(
    body,
    typeof signature === 'string' ? signature : undefined,
    secrets(),
  );
  if ('status' in verified) return verified;
  metrics.signatures.inc({ secret: verified.secretName });
  const contentType = request.headers['content-type'];
  const receipt = { source: config.source, contentType, receivedAtMs: Date.now() };
  try {
    const kept = batcher.add({ verified, receipt }, () => deadline.hasPassed);
    // Once the deadline has passed nobody waits for it, but its failure must not count as unhandled.
    kept.catch(() => undefined);
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
  { metrics, config, rawTopic }: BridgeContext,
): void {
  if ('kept' in outcome) {
    const { kept } = outcome;
    const isSpooled = kept === 'spooled';
    metrics.webhooks.inc({ source: config.source, outcome: isSpooled ? 'spooled' : 'stored' });
    const facts = isSpooled
      ? { status: 'spooled' }
      : { status: 'stored', topic: rawTopic, partition: kept.partition, offset: kept.offset };
    send(response, 202, 'application/json', JSON.stringify(facts));
    return;
  }
  metrics.webhooks.inc({ source: config.source, outcome: outcome.slug });
  for (const [name, value] of Object.entries(outcome.headers ?? {}))
    response.setHeader(name, value);
  send(response, outcome.status, 'application/problem+json', problemBody(outcome));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
