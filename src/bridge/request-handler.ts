/** One webhook from its request to its answer: `receive.ts` decides, the batcher stores, 202 says that it is stored. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from '../observability/metrics.ts';
import { signatureHeader } from '../voucherify/signature.ts';
import { type BridgeContext, noSource } from './context.ts';
import type { Problem } from './problems.ts';
import { type Body, readBody } from './request-body.ts';
import { admit, authenticate, senderOf } from './request-rules.ts';
import { drainMs, type Outcome, outcomeLabel, problemResponse, responseTo } from './responses.ts';
import { store } from './store.ts';
import { Deadline } from './timeouts.ts';

export async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  context: BridgeContext,
): Promise<void> {
  const { metrics, config, log, inFlight } = context;
  const head = headOf(request);
  const admitted = admit(head, config, context.sources());
  if (admitted.status !== undefined) {
    const { source: asked = noSource } = admitted;
    context.refusals.note(admitted, asked, senderOf(head, config));
    return refuse(request, response, admitted, asked, metrics);
  }
  const { source } = admitted;
  const startedAt = performance.now();
  const deadline = new Deadline(config.responseTimeoutMs);
  try {
    const reading = readBody(request, config.maxBodyBytes, inFlight, deadline);
    const body = await reading.catch(() => undefined);
    if (body === undefined) {
      // The client is gone before its body was complete: nobody to answer, nothing to store.
      metrics.webhooks.count(source, 'aborted');
      response.destroy();
      return;
    }
    if ('status' in body) return await refuse(request, response, body, source, metrics);
    const outcome = await verifyAndStore(body, source, request, deadline, context);
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
  const signature = headers[signatureHeader];
  return {
    method,
    url,
    contentLength: headers['content-length'],
    address: socket.remoteAddress,
    forwardedFor: typeof forwardedFor === 'string' ? forwardedFor : forwardedFor?.join(','),
    signature: typeof signature === 'string' ? signature : undefined,
  };
}

async function verifyAndStore(
  { bytes, permit }: Body,
  source: string,
  request: IncomingMessage,
  deadline: Deadline,
  context: BridgeContext,
): Promise<Outcome> {
  const signature = request.headers[signatureHeader];
  const verified = authenticate(
    bytes,
    typeof signature === 'string' ? signature : undefined,
    context.sources().get(source) ?? [],
  );
  if ('status' in verified) {
    permit.leave();
    context.refusals.note(verified, source, undefined);
    return verified;
  }
  context.refusals.verified(source);
  context.metrics.signatures.count(source, verified.secretName);
  const contentType = request.headers['content-type'];
  const receipt = { source, contentType, receivedAtMs: Date.now() };
  return new Promise((resolve) => {
    store({ verified, receipt }, permit, deadline, context, resolve);
  });
}

function answer(
  response: ServerResponse,
  outcome: Outcome,
  source: string,
  { metrics, rawTopic }: BridgeContext,
): void {
  metrics.webhooks.count(source, outcomeLabel(outcome));
  const { status, headers, body } = responseTo(outcome, rawTopic);
  response.writeHead(status, headers);
  response.end(body, 'latin1');
}

/** Answers although the body is not wanted, or not complete, and closes the connection. */
async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  source: string,
  metrics: Metrics,
): Promise<void> {
  metrics.webhooks.count(source, problem.slug);
  response.setHeader('connection', 'close');
  const { status, headers, body } = problemResponse(problem);
  response.writeHead(status, headers);
  response.write(body);
  if (!request.complete) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, drainMs);
    request.once('end', resolve).once('close', resolve).once('error', resolve);
    request.resume();
    await promise;
    clearTimeout(timer);
  }
  response.end();
}
