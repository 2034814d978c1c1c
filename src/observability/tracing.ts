/**
 * Traces, by OpenTelemetry. Its SDK starts only when the standard OTEL_* variables ask for it.
 * Without it nothing is recorded, and a trace context that comes in is passed on unchanged.
 */

import {
  type Attributes,
  createTraceState,
  DiagLogLevel,
  diag,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { Throttle } from '../concurrency/throttle.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Log } from './log.ts';

export type { Span };

/** The headers of W3C Trace Context. */
export type TraceHeaders = {
  readonly traceparent: string;
  readonly tracestate?: string;
};

/** Returns the value of a header by its name. */
export type ReadHeader = (name: 'traceparent' | 'tracestate') => string | undefined;

export type SpanStart = {
  /** On a topic; `transaction` is our name for the processing of a batch. */
  readonly operation: 'send' | 'process' | 'transaction';
  readonly topic: string;
  /** Undefined: the span begins a trace. */
  readonly parent?: TraceHeaders | undefined;
  /** A span of another trace that this one belongs to. */
  readonly link?: Span | undefined;
  /** Beside those that OpenTelemetry's conventions demand of each operation on a topic. */
  readonly attributes: Attributes;
};

export class Tracing {
  readonly #tracer: Tracer | undefined;
  readonly #shutdown: () => Promise<void>;

  /** @param tracer undefined: nothing is recorded */
  constructor(tracer?: Tracer, shutdown = async () => {}) {
    this.#tracer = tracer;
    this.#shutdown = shutdown;
  }

  /** Returns undefined if nothing is recorded by this process. */
  begin({ operation, topic, parent, link, attributes }: SpanStart): Span | undefined {
    if (!this.#tracer) return undefined;
    const parentContext = parent && spanContextOf(parent);
    const isSend = operation === 'send';
    const options = {
      kind: isSend ? SpanKind.PRODUCER : SpanKind.CONSUMER,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': operation,
        'messaging.operation.type': isSend ? 'send' : 'process',
        'messaging.destination.name': topic,
        ...attributes,
      },
      ...(link ? { links: [{ context: link.spanContext() }] } : {}),
    };
    const context = parentContext
      ? trace.setSpanContext(ROOT_CONTEXT, parentContext)
      : ROOT_CONTEXT;
    return this.#tracer.startSpan(`${operation} ${topic}`, options, context);
  }

  /** Exports what was recorded. */
  stop(): Promise<void> {
    return this.#shutdown();
  }
}

/** While the collector is unreachable, the service must still stop. Spans are dropped then. */
export const spansLimitMs = 3_000;

/** Ends a span that has failed. */
export function fail(span: Span, message: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message }).end();
}

export function addLink(span: Span, headers: TraceHeaders): void {
  const context = spanContextOf(headers);
  if (context) span.addLink({ context });
}

/** Returns what a message or request must carry so that others continue the span's trace. */
export function headersOf(span: Span): TraceHeaders {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const flags = traceFlags.toString(16).padStart(2, '0');
  const traceparent = `00-${traceId}-${spanId}-${flags}`;
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}

/** W3C asks to carry at least this many characters. */
const longestState = 512;

/** Reads the headers; undefined if they hold no valid context, which W3C tells to ignore. */
export function readTraceHeaders(header: ReadHeader): TraceHeaders | undefined {
  const traceparent = header('traceparent');
  if (traceparent === undefined || spanContextOf({ traceparent }) === undefined) return undefined;
  const tracestate = header('tracestate');
  return tracestate && tracestate.length <= longestState
    ? { traceparent, tracestate }
    : { traceparent };
}

/** Returns whether the trace is recorded where it began. */
export function isSampled({ traceparent }: TraceHeaders): boolean {
  return (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1;
}

export const traceIdOf = ({ traceparent }: TraceHeaders): string => traceparent.slice(3, 35);

const pattern = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?=$|-)/;

function spanContextOf({ traceparent, tracestate }: TraceHeaders): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = pattern.exec(traceparent) ?? [];
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate ? { traceState: createTraceState(tracestate) } : {}),
  };
  return isSpanContextValid(context) ? context : undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** OTEL_EXPORTER_OTLP_ENDPOINT alone asks for traces, as in OpenTelemetry's own agents. */
export function isTracingAsked(env: Environment): boolean {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return false;
  const exporter = env['OTEL_TRACES_EXPORTER'];
  if (exporter) return exporter !== 'none';
  return Boolean(env['OTEL_EXPORTER_OTLP_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']);
}

/**
 * Starts the SDK if the environment asks for it. The SDK reads every OTEL_* variable: exporter,
 * endpoint, sampler, resource, limits. Metrics and logs are not sent: they have their own ways.
 * @throws AppError CONFIG_INVALID
 */
export async function startTracing(
  service: { readonly name: string; readonly version: string },
  log: Log,
  env: Environment,
): Promise<Tracing> {
  if (!isTracingAsked(env)) return new Tracing();
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  reportTo(log);
  try {
    const sdk = new NodeSDK({
      // It would win over the environment.
      ...(isNamed(env) ? {} : { serviceName: `voucherbus-${service.name}` }),
      metricReaders: [],
      logRecordProcessors: [],
    });
    sdk.start();
    return new Tracing(trace.getTracer('voucherbus', service.version), () => sdk.shutdown());
  } catch (error) {
    const text = `OpenTelemetry does not accept the OTEL_* variables: ${messageOf(error)}`;
    throw new AppError('CONFIG_INVALID', 'stop', text, error);
  }
}

function isNamed(env: Environment): boolean {
  const attributes = env['OTEL_RESOURCE_ATTRIBUTES'] ?? '';
  return Boolean(env['OTEL_SERVICE_NAME']) || /(?:^|,)\s*service\.name=/.test(attributes);
}

/** While a collector is unreachable, each batch of spans fails. */
const reportEveryMs = 60_000;

/** Sends the SDK's own complaints to the log. Spans that cannot be exported are dropped. */
function reportTo(log: Log): void {
  const throttle = new Throttle(reportEveryMs);
  const error = (openTelemetry: string) => {
    if (throttle.isDue()) log.warn({ openTelemetry }, 'traces are incomplete');
  };
  const warn = (openTelemetry: string) => log.info({ openTelemetry }, 'OpenTelemetry warns');
  const ignore = () => {};
  const logger = { error, warn, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
