/**
 * Traces: from the webhook to the outputs, exported in OpenTelemetry's protocol. The receiver is an
 * HTTP server of this test, so that it sees what is sent and not what a backend makes of it.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { traceIdOf } from '../../src/observability/tracing.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

/** OTLP's JSON: as much of it as the tests look at. */
type Attribute = {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
};
type ExportedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly Attribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
};
type Exported = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly ExportedSpan[] }[];
  }[];
};

const spans: (ExportedSpan & { service: unknown; facts: Record<string, unknown> })[] = [];

const factsOf = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]),
  );

const receiver = createServer(async (request, response) => {
  const { resourceSpans } = JSON.parse(await text(request)) as Exported;
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = factsOf(resource.attributes)['service.name'];
    for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
      spans.push({ ...span, service, facts: factsOf(span.attributes) });
    }
  }
  response.setHeader('content-type', 'application/json').end('{}');
});

let deployment: Deployment;
let bridge: Awaited<ReturnType<Deployment['start']>>;

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  deployment = await aDeployment(1, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  });
  bridge = await deployment.start('bridge');
  await deployment.start('processor');
});
afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  receiver.close();
});

const outputOf = (id: string) =>
  until(async () => {
    const outputs = await deployment.outputs();
    return outputs.find(({ event }) => event.publicationId === id);
  }, `${id} is forwarded`);

const headerOf = (headers: readonly (readonly [string, Buffer | null])[], name: string) =>
  headers.find(([key]) => key === name)?.[1]?.toString();

const incoming = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('a trace goes from the sender through raw to the output, and trace prints its id', async () => {
  const id = 'pub_traced';
  await post(bridge.url, aBody({ publicationId: id }), {
    traceparent: incoming,
    tracestate: 'vendor=1',
  });
  const { headers } = await outputOf(id);
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const named = (name: string) =>
    until(
      async () => spans.find((span) => span.traceId === traceId && span.name.startsWith(name)),
      `${name} is exported`,
    );
  const sent = await named('send ');
  const processed = await named('process ');
  const [PRODUCER, CONSUMER] = [4, 5];
  expect(sent).toMatchObject({
    name: `send ${deployment.catalog.raw}`,
    kind: PRODUCER,
    parentSpanId: 'b7ad6b7169203331',
    service: 'voucherbus-bridge',
    facts: { 'messaging.system': 'kafka', 'voucherbus.outcome': 'stored' },
  });
  expect(processed).toMatchObject({
    kind: CONSUMER,
    parentSpanId: sent.spanId,
    service: 'voucherbus-processor',
    facts: {
      'messaging.consumer.group.name': deployment.prefix,
      'messaging.kafka.offset': sent.facts['messaging.kafka.offset'],
      'voucherbus.outcome': 'forward',
    },
  });
  expect(headerOf(headers, 'traceparent')).toBe(`00-${traceId}-${processed.spanId}-01`);
  expect(headerOf(headers, 'tracestate')).toBe('vendor=1');
  const transaction = await until(
    async () => spans.find(({ spanId }) => spanId === processed.links?.[0]?.spanId),
    'the transaction is exported',
  );
  expect(transaction.traceId).not.toBe(traceId);
  expect(transaction.name).toBe(`transaction ${deployment.catalog.raw}`);
  expect(transaction.links).toMatchObject([{ traceId, spanId: sent.spanId }]);
  const { output } = await run(['trace', id], deployment.env);
  expect(output).toContain(`trace ${traceId}`);
});

test('a webhook without a trace begins one', async () => {
  await post(bridge.url, aBody({ publicationId: 'pub_begun' }));
  const { headers } = await outputOf('pub_begun');
  const traceparent = headerOf(headers, 'traceparent') ?? '';
  const sent = await until(
    async () => spans.find((span) => span.traceId === traceIdOf({ traceparent })),
    'its trace is exported',
  );
  expect(sent.parentSpanId ?? '').toBe('');
});

test('without a sampled trace nothing is recorded, and the context is passed on', async () => {
  const unsampled = `${incoming.slice(0, 3)}${'1'.repeat(32)}${incoming.slice(35, 53)}00`;
  await post(bridge.url, aBody({ publicationId: 'pub_unsampled' }), { traceparent: unsampled });
  const { headers } = await outputOf('pub_unsampled');
  expect(headerOf(headers, 'traceparent')).toContain(`00-${'1'.repeat(32)}-`);
  expect(headerOf(headers, 'traceparent')?.endsWith('-00')).toBe(true);
  await post(bridge.url, aBody({ publicationId: 'pub_invalid' }), {
    traceparent: `00-${'0'.repeat(32)}-1-01`,
  });
  const begun = headerOf((await outputOf('pub_invalid')).headers, 'traceparent') ?? '';
  await until(
    async () => spans.some(({ traceId }) => traceId === traceIdOf({ traceparent: begun })),
    'a new trace is exported in place of an invalid one',
  );
  expect(spans.filter(({ traceId }) => traceId === '1'.repeat(32))).toEqual([]);
});

test('without OTEL_* variables a context that comes in is passed on as it is', async () => {
  await using plain = await aDeployment(1);
  const { url } = await plain.start('bridge');
  await plain.start('processor');
  await post(url, aBody({ publicationId: 'pub_plain' }), { traceparent: incoming });
  const { headers } = await until(async () => (await plain.outputs())[0], 'it is forwarded');
  expect(headerOf(headers, 'traceparent')).toBe(incoming);
  expect(
    spans.filter(({ facts }) => facts['messaging.consumer.group.name'] === plain.prefix),
  ).toEqual([]);
});
