/**
 * Webhooks as their sender writes them, one after the other and each at once, are read and answered here, for less than what Node's server alone
 * costs. Whatever is anything else goes to that server with all that was read of it, and its connection with it: what HTTP is, is decided there.
 */

import type { Socket } from 'node:net';
import type { Verified } from '../../voucherify/signature.ts';
import type { Connections } from '../connections.ts';
import { type BridgeContext, noSource } from '../context.ts';
import type { Permit } from '../in-flight.ts';
import { problems } from '../problems.ts';
import { admit, authenticate } from '../request-rules.ts';
import {
  drainMs,
  keepAliveMs,
  type Outcome,
  outcomeLabel,
  problemResponse,
  responseTo,
  serializeResponse,
} from '../responses.ts';
import { store } from '../store.ts';
import { Deadline } from '../timeouts.ts';
import { readThroughOneBuffer } from './one-buffer.ts';
import { type FastPathRequest, parseRequest } from './request-parser.ts';

/** A body whose end is not there this soon, or after so many pieces, is none that was sent at once. */
const wholeWithinMs = 100;
const mostPieces = 8;

type Taken = {
  readonly request: FastPathRequest;
  readonly source: string;
  readonly permit: Permit;
  readonly startedAt: number;
};

/** A request whose body is not whole yet. */
type Begun = Taken & {
  readonly pieces: Buffer[];
  length: number;
  readonly timer: NodeJS.Timeout;
};

export class FastPathConnection {
  readonly #socket: Socket;
  readonly #context: BridgeContext;
  readonly #connections: Connections;
  readonly #toNode: (socket: Socket) => void;
  readonly #stopReading: () => void;
  #begun: Begun | undefined;
  #isAnswering = false;
  #hasAnswered = false;
  /** Sent before the answer to what was sent before it. */
  #early: Buffer | undefined;
  /** The sender sends nothing more, but still reads. */
  #isHalfClosed = false;

  /**
   * Takes the connection, of which nothing has been read.
   * @param toNode gives it to Node's server, which then reads what was read of it here
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
    this.#stopReading = readThroughOneBuffer(socket, this.#received);
  }

  get #listeners(): readonly (readonly [string, () => void])[] {
    return [
      ['end', this.#ended],
      ['timeout', this.#silent],
      ['close', this.#abort],
      ['error', ignore],
    ];
  }

  readonly #received = (chunk: Buffer) => {
    this.#guard(() => {
      if (this.#isAnswering) {
        this.#early = chunk;
        this.#socket.pause();
      } else if (this.#begun) this.#goOn(this.#begun, chunk);
      else this.#begin(chunk);
    });
  };

  /** A mistake of ours. One request must not end those of others; the vendor sends it again. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#context.log.error({ err: error }, 'a webhook could not be handled');
      this.#socket.destroy();
    }
  }

  #begin(chunk: Buffer): void {
    const taken = this.#take(chunk);
    if (!taken) this.#leave(chunk);
    else if (chunk.length === taken.request.bodyTo) this.#handle(chunk, taken);
    else {
      const timer = setTimeout(() => this.#leave(this.#forget()), wholeWithinMs);
      this.#begun = { ...taken, pieces: [chunk], length: chunk.length, timer };
    }
  }

  /** Undefined where it is not for here. */
  #take(chunk: Buffer): Taken | undefined {
    const request = parseRequest(chunk);
    if (!request || chunk.length > request.bodyTo) return undefined;
    const source = this.#sourceOf(request);
    if (source === undefined) return undefined;
    const permit = this.#context.inFlight.enter(this.#giveUp);
    if (!permit?.grow(chunk.length)) {
      permit?.leave();
      return undefined;
    }
    this.#connections.begin(this.#socket);
    return { request, source, permit, startedAt: performance.now() };
  }

  /** Undefined where its body is not to be read. */
  #sourceOf({ url, contentLength, forwardedFor, signature }: FastPathRequest): string | undefined {
    const { config, sources } = this.#context;
    const address = config.allowedSenders && this.#socket.remoteAddress;
    const head = { method: 'POST', url, contentLength, address, forwardedFor, signature };
    const admitted = admit(head, config, sources());
    return admitted.status === undefined ? admitted.source : undefined;
  }

  #goOn(begun: Begun, chunk: Buffer): void {
    begun.pieces.push(chunk);
    begun.length += chunk.length;
    const { bodyTo } = begun.request;
    const isPlain = begun.length <= bodyTo && begun.pieces.length <= mostPieces;
    if (!isPlain || !begun.permit.grow(chunk.length)) this.#leave(this.#forget());
    else if (begun.length === bodyTo) {
      this.#begun = undefined;
      clearTimeout(begun.timer);
      this.#handle(Buffer.concat(begun.pieces), begun);
    }
  }

  #handle(bytes: Buffer, taken: Taken): void {
    const { request, source, permit } = taken;
    permit.complete();
    const body = bytes.subarray(request.bodyFrom);
    const secrets = this.#context.sources().get(source) ?? [];
    const verified = authenticate(body, request.signature, secrets);
    if ('status' in verified) {
      permit.leave();
      this.#connections.answered(this.#socket);
      this.#leave(bytes);
    } else {
      this.#isAnswering = true;
      this.#store(verified, taken);
    }
  }

  #store(verified: Verified, { request, source, permit, startedAt }: Taken): void {
    const { metrics, config, refusals } = this.#context;
    refusals.verified(source);
    metrics.signatures.count(source, verified.secretName);
    const receipt = { source, contentType: request.contentType, receivedAtMs: Date.now() };
    const deadline = new Deadline(config.responseTimeoutMs);
    store({ verified, receipt }, permit, deadline, this.#context, (outcome) => {
      metrics.webhooks.count(source, outcomeLabel(outcome));
      metrics.webhookSeconds.observe((performance.now() - startedAt) / 1_000);
      this.#guard(() => this.#answer(outcome));
    });
  }

  #answer(outcome: Outcome): void {
    const socket = this.#socket;
    this.#isAnswering = false;
    this.#connections.answered(socket);
    if (!socket.writable) return;
    const isLast = this.#isHalfClosed || this.#context.isStopping();
    const answer = responseTo(outcome, this.#context.rawTopic);
    socket.write(serializeResponse(answer, isLast ? 'closes' : 'goes on'), 'latin1');
    if (isLast) socket.end();
    else if (this.#early) this.#leave(this.#early);
    else if (!this.#hasAnswered) socket.setTimeout(keepAliveMs);
    this.#hasAnswered = true;
  }

  /** The connection, and what was read of it and not answered, to Node's server. */
  #leave(unanswered: Buffer): void {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) socket.off(event, listener);
    this.#stopReading();
    socket.setTimeout(0);
    socket.pause();
    this.#toNode(socket);
    socket.unshift(unanswered);
    socket.resume();
  }

  /** What is there of a request that is not answered here. */
  #forget(): Buffer {
    const begun = this.#begun;
    this.#begun = undefined;
    clearTimeout(begun?.timer);
    begun?.permit.leave();
    this.#connections.answered(this.#socket);
    return Buffer.concat(begun?.pieces ?? []);
  }

  /** Another needs the place more; see InFlight. */
  readonly #giveUp = () => {
    const source = this.#begun?.source ?? noSource;
    this.#forget();
    this.#context.metrics.webhooks.count(source, problems.tooMany.slug);
    const socket = this.#socket;
    this.#stopReading();
    socket.end(serializeResponse(problemResponse(problems.tooMany), 'closes'), 'latin1');
    socket.resume();
    setTimeout(() => socket.destroy(), drainMs);
  };

  readonly #ended = () => {
    this.#isHalfClosed = true;
    if (this.#isAnswering) return;
    this.#abort();
    this.#socket.end();
  };

  /** The client is gone before its body was complete: nobody to answer, nothing to store. */
  readonly #abort = () => {
    if (!this.#begun) return;
    this.#context.metrics.webhooks.count(this.#begun.source, 'aborted');
    this.#forget();
  };

  readonly #silent = () => {
    if (!this.#begun && !this.#isAnswering) this.#socket.destroy();
  };
}

const ignore = () => undefined;
