/**
 * Handles webhooks as their senders usually write them: one request after the other, each sent at
 * once. Everything else goes to Node's HTTP server, together with the connection and all that was
 * read from it. So only Node decides what valid HTTP is.
 */

import type { Socket } from 'node:net';
import type { Verified } from '../../voucherify/signature.ts';
import type { Connections } from '../connections.ts';
import { type BridgeContext, countOutcome, noSource } from '../context.ts';
import type { Permit } from '../in-flight.ts';
import { problems } from '../problems.ts';
import type { RefusedHead } from '../refusal-log.ts';
import { admit, authenticate } from '../request-rules.ts';
import { type Outcome, problemResponse, responseTo, serializeResponse } from '../responses.ts';
import { store } from '../store.ts';
import { Deadline, drainMs, fastPathBodyMs, keepAliveMs } from '../timeouts.ts';
import { type FastPathRequest, parseRequest } from './request-parser.ts';

/** A body in more pieces was not sent at once. */
const maxPieces = 8;

type Accepted = {
  readonly request: FastPathRequest;
  readonly source: string;
  readonly permit: Permit;
  readonly startedAt: number;
};

/** An accepted request whose body is not complete. */
type Partial = Accepted & {
  readonly pieces: Buffer[];
  length: number;
  readonly timer: NodeJS.Timeout;
};

export class FastPathConnection {
  readonly #socket: Socket;
  readonly #context: BridgeContext;
  readonly #connections: Connections;
  readonly #toNode: (socket: Socket) => void;
  #partial: Partial | undefined;
  #isResponding = false;
  #hasResponded = false;
  /** Bytes that the client sent before the response to its last request. */
  #early: Buffer | undefined;
  /** The client sends nothing more, but still reads. */
  #isHalfClosed = false;

  /**
   * Takes a connection from which nothing has been read.
   * @param toNode passes it to Node's server, which then reads what was read from it here
   */
  constructor(
    socket: Socket,
    context: BridgeContext,
    connections: Connections,
    toNode: (socket: Socket) => void,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#connections = connections;
    this.#toNode = toNode;
    socket.setTimeout(context.config.responseTimeoutMs);
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
    socket.resume();
  }

  get #listeners(): readonly (readonly [string, (chunk: Buffer) => void])[] {
    return [
      ['data', this.#onData],
      ['end', this.#onEnd],
      ['timeout', this.#onTimeout],
      ['close', this.#abort],
      ['error', ignore],
    ];
  }

  readonly #onData = (chunk: Buffer) => {
    this.#guard(() => {
      if (this.#isResponding) {
        this.#early = chunk;
        this.#socket.pause();
      } else if (this.#partial) this.#continue(this.#partial, chunk);
      else this.#begin(chunk);
    });
  };

  /**
   * Contains a mistake of ours: one request must not end those of others, and the vendor sends it
   * again.
   */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#context.log.error({ err: error }, 'a webhook could not be handled');
      this.#socket.destroy();
    }
  }

  #begin(chunk: Buffer): void {
    const accepted = this.#accept(chunk);
    if (!accepted) this.#handOver(chunk);
    else if (chunk.length === accepted.request.bodyTo) this.#handle(chunk, accepted);
    else {
      const timer = setTimeout(() => this.#handOver(this.#dropPartial()), fastPathBodyMs);
      this.#partial = { ...accepted, pieces: [chunk], length: chunk.length, timer };
    }
  }

  /** Returns undefined if Node's HTTP server must handle the request. */
  #accept(chunk: Buffer): Accepted | undefined {
    const request = parseRequest(chunk);
    if (!request || chunk.length > request.bodyTo) return undefined;
    const source = this.#sourceOf(request);
    if (source === undefined) return undefined;
    const permit = this.#context.inFlight.acquire(this.#onEvicted);
    if (!permit?.grow(chunk.length)) {
      permit?.release();
      return undefined;
    }
    this.#connections.begin(this.#socket);
    return { request, source, permit, startedAt: performance.now() };
  }

  /** Returns undefined if the request is refused: Node's server writes that response. */
  #sourceOf({ url, contentLength, forwardedFor, signature }: FastPathRequest): string | undefined {
    const { config, sources } = this.#context;
    const address = config.allowedSenders && this.#socket.remoteAddress;
    const head = { method: 'POST', url, contentLength, address, forwardedFor, signature };
    const admission = admit(head, config, sources());
    return admission.kind === 'admitted' ? admission.source : undefined;
  }

  #headOf(request: FastPathRequest): RefusedHead {
    return { ...request, method: 'POST', address: this.#socket.remoteAddress };
  }

  #continue(partial: Partial, chunk: Buffer): void {
    partial.pieces.push(chunk);
    partial.length += chunk.length;
    const { bodyTo } = partial.request;
    const isUsual = partial.length <= bodyTo && partial.pieces.length <= maxPieces;
    if (!isUsual || !partial.permit.grow(chunk.length)) this.#handOver(this.#dropPartial());
    else if (partial.length === bodyTo) {
      this.#partial = undefined;
      clearTimeout(partial.timer);
      this.#handle(Buffer.concat(partial.pieces), partial);
    }
  }

  #handle(bytes: Buffer, accepted: Accepted): void {
    const { request, source, permit } = accepted;
    permit.complete();
    const body = bytes.subarray(request.bodyFrom);
    const secrets = this.#context.sources().get(source) ?? [];
    const result = authenticate(body, request.signature, secrets);
    if (result.kind === 'problem') {
      permit.release();
      this.#connections.responded(this.#socket);
      this.#handOver(bytes);
    } else {
      this.#isResponding = true;
      this.#store(result.verified, accepted);
    }
  }

  #store(verified: Verified, { request, source, permit, startedAt }: Accepted): void {
    const { metrics, config, refusals } = this.#context;
    refusals.verified(source);
    metrics.signatures.count(source, verified.secretName);
    const { contentType } = request;
    const header = (name: 'traceparent' | 'tracestate') => request[name];
    const arrival = { verified, source, contentType, header };
    const deadline = new Deadline(config.responseTimeoutMs);
    store(arrival, permit, deadline, this.#context, (outcome) => {
      countOutcome(this.#context, outcome, source, () => this.#headOf(request));
      metrics.webhookSeconds.observe((performance.now() - startedAt) / 1_000);
      this.#guard(() => this.#respond(outcome));
    });
  }

  #respond(outcome: Outcome): void {
    const socket = this.#socket;
    this.#isResponding = false;
    this.#connections.responded(socket);
    if (!socket.writable) return;
    const isLast = this.#isHalfClosed || this.#context.isStopping();
    const response = responseTo(outcome, this.#context.rawTopic);
    socket.write(serializeResponse(response, isLast ? 'close' : 'keep-alive'), 'latin1');
    if (isLast) socket.end();
    else if (this.#early) this.#handOver(this.#early);
    else if (!this.#hasResponded) socket.setTimeout(keepAliveMs);
    this.#hasResponded = true;
  }

  /** Passes the connection to Node's server, with the bytes that have no response yet. */
  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) socket.off(event, listener);
    socket.setTimeout(0);
    socket.pause();
    this.#toNode(socket);
    socket.unshift(bytes);
    socket.resume();
  }

  /** Stops handling the partial request. Returns its bytes. */
  #dropPartial(): Buffer {
    const partial = this.#partial;
    this.#partial = undefined;
    clearTimeout(partial?.timer);
    partial?.permit.release();
    this.#connections.responded(this.#socket);
    return Buffer.concat(partial?.pieces ?? []);
  }

  /** Called by InFlight. */
  readonly #onEvicted = () => {
    const { request, source = noSource } = this.#partial ?? {};
    this.#dropPartial();
    const headOf = () => request && this.#headOf(request);
    countOutcome(this.#context, problems.tooMany, source, headOf);
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.end(serializeResponse(problemResponse(problems.tooMany), 'close'), 'latin1');
    socket.resume();
    setTimeout(() => socket.destroy(), drainMs);
  };

  readonly #onEnd = () => {
    this.#isHalfClosed = true;
    if (this.#isResponding) return;
    this.#abort();
    this.#socket.end();
  };

  /**
   * The client closed the connection before its body was complete: there is no one to respond to,
   * and nothing to store.
   */
  readonly #abort = () => {
    if (!this.#partial) return;
    this.#context.metrics.webhooks.count(this.#partial.source, 'aborted');
    this.#dropPartial();
  };

  readonly #onTimeout = () => {
    if (!this.#partial && !this.#isResponding) this.#socket.destroy();
  };
}

const ignore = () => undefined;
