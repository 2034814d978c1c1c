/**
 * Handles one webhook from its request to its response: `request-rules.ts` decides, the batcher
 * stores.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { signatureHeader } from '../voucherify/signature.ts';
import { type BridgeContext, countOutcome, noSource } from './context.ts';
import type { Problem } from './problems.ts';
import type { RefusedHead } from './refusal-log.ts';
import { type Body, readBody } from './request-body.ts';
import { admit, authenticate } from './request-rules.ts';
import { type Outcome, problemResponse, responseTo } from './responses.ts';
import { store } from './store.ts';
import { Deadline, drainMs } from './timeouts.ts';

export async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  context: BridgeContext,
): Promise<void> {
  const { metrics, config, log } = context;
  const head = headOf(request);
  const exchange: Exchange = { request, response, head };
  const admitted = admit(head, config, context.sources());
  if (admitted.kind === 'refused') {
    const { problem, source = noSource } = admitted;
    return refuse(exchange, problem, source, context);
  }
  const { source } = admitted;
  const startedAt = performance.now();
  const deadline = new Deadline(config.responseTimeoutMs);
  try {
    const body = await readBody(request, config.maxBodyBytes, context.inFlight, deadline);
    switch (body.kind) {
      case 'aborted':
        // There is no one to respond to, and nothing to store.
        metrics.webhooks.count(source, 'aborted');
        response.destroy();
        return;
      case 'problem':
        return await refuse(exchange, body, source, context);
      case 'body': {
        const outcome = await verifyAndStore(body, source, exchange, deadline, context);
        respond(exchange, outcome, source, context);
      }
    }
  } catch (error) {
    // A mistake of ours. One request must not end those of others; the vendor sends it again.
    log.error({ err: error, source }, 'a webhook could not be handled');
    response.destroy();
  } finally {
    deadline.clear();
    metrics.webhookSeconds.observe((performance.now() - startedAt) / 1_000);
  }
}

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: RefusedHead;
};

function headOf(request: IncomingMessage): RefusedHead {
  const { method, url, headers, socket } = request;
  const forwardedFor = headers['x-forwarded-for'];
  const signature = headers[signatureHeader];
  return {
    method,
    url,
    contentLength: headers['content-length'],
    contentType: headers['content-type'],
    userAgent: headers['user-agent'],
    address: socket.remoteAddress,
    forwardedFor: typeof forwardedFor === 'string' ? forwardedFor : forwardedFor?.join(','),
    signature: typeof signature === 'string' ? signature : undefined,
  };
}

async function verifyAndStore(
  { bytes, permit }: Body,
  source: string,
  { request, head }: Exchange,
  deadline: Deadline,
  context: BridgeContext,
): Promise<Outcome> {
  const result = authenticate(bytes, head.signature, context.sources().get(source) ?? []);
  if (result.kind === 'problem') {
    permit.release();
    return result;
  }
  const { verified } = result;
  context.refusals.verified(source);
  context.metrics.signatures.count(source, verified.secretName);
  const { contentType } = head;
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  return new Promise((resolve) => {
    store({ verified, source, contentType, header }, permit, deadline, context, resolve);
  });
}

function respond(
  { response, head }: Exchange,
  outcome: Outcome,
  source: string,
  context: BridgeContext,
): void {
  countOutcome(context, outcome, source, () => head);
  const { status, headers, body } = responseTo(outcome, context.rawTopic);
  if (context.isStopping()) response.setHeader('connection', 'close');
  response.writeHead(status, headers);
  response.end(body, 'latin1');
}

/** Responds although the body is not wanted, or not complete, and closes the connection. */
async function refuse(
  { request, response, head }: Exchange,
  problem: Problem,
  source: string,
  context: BridgeContext,
): Promise<void> {
  countOutcome(context, problem, source, () => head);
  response.setHeader('connection', 'close');
  const { status, headers, body } = problemResponse(problem);
  response.writeHead(status, headers);
  response.write(body);
  if (!request.complete) await drain(request);
  response.end();
}

/** Reads and drops the rest of the body, for a while. */
async function drain(request: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, drainMs);
  request.once('end', resolve).once('close', resolve).once('error', resolve);
  request.resume();
  await promise;
  clearTimeout(timer);
}
