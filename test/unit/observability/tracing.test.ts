import { expect, test } from 'vitest';
import {
  isSampled,
  isTracingAsked,
  readTraceHeaders,
  Tracing,
  traceIdOf,
} from '../../../src/observability/tracing.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const valid = `00-${traceId}-b7ad6b7169203331-01`;

const read = (traceparent?: string, tracestate?: string) =>
  readTraceHeaders((name) => (name === 'traceparent' ? traceparent : tracestate));

test('a valid context is read, with its state', () => {
  expect(read(valid, 'a=1')).toEqual({ traceparent: valid, tracestate: 'a=1' });
  expect(read(valid)).toEqual({ traceparent: valid });
  expect(read(valid, 'x'.repeat(513))).toEqual({ traceparent: valid });
  expect(traceIdOf({ traceparent: valid })).toBe(traceId);
});

test.each([
  ['none', undefined],
  ['another text', 'abc'],
  ['zeros as trace id', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
  ['zeros as span id', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['capital letters', valid.toUpperCase()],
  ['the version ff', valid.replace(/^00/, 'ff')],
  ['two, joined by Node', `${valid}, ${valid}`],
])('%s is not a context', (_, traceparent) => {
  expect(read(traceparent, 'a=1')).toBeUndefined();
});

test('a later version is read by its first four parts', () => {
  expect(read(`01-${traceId}-b7ad6b7169203331-01-more`)).toBeDefined();
});

test('the last bit of the flags says whether it is sampled', () => {
  const flagged = (flags: string) => isSampled({ traceparent: valid.replace(/01$/, flags) });
  expect(['00', '01', '02', '03'].map(flagged)).toEqual([false, true, false, true]);
});

test.each([
  [false, {}],
  [true, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x' }],
  [true, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x' }],
  [true, { OTEL_TRACES_EXPORTER: 'otlp' }],
  [false, { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x' }],
  [false, { OTEL_SDK_DISABLED: 'true', OTEL_TRACES_EXPORTER: 'otlp' }],
  [false, { OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
])('traces are asked for: %s with %j', (isAsked, env) => {
  expect(isTracingAsked(env)).toBe(isAsked);
});

test('without the SDK nothing is recorded', () => {
  expect(new Tracing().begin({ operation: 'send', topic: 'x', attributes: {} })).toBeUndefined();
});
