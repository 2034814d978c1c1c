/**
 * The cost of traces: the processor over a backlog of which one webhook in ten is sampled, with and
 * without OpenTelemetry's SDK, in turns. The bridge's is in bridge.ts.
 */

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LogReader } from '../src/kafka/log-reader.ts';
import { measure as measureProcessor, partitions } from './backlog.ts';
import { fill } from './fill.ts';
import { inTurns, type Measure, type Race } from './race.ts';
import { prepare, say } from './setting.ts';

const contestants = ['without traces', '1 in 10 traced'] as const;

const measures = {
  perSecond: { label: 'events per second', digits: 0, better: 'more' },
  cpuMicros: { label: 'CPU µs per event', digits: 1, better: 'less' },
  memoryMb: { label: 'largest resident memory, MB', digits: 0, better: 'less' },
} as const satisfies Record<string, Measure>;

/** Accepts spans and drops them. Returns the variables that lead to it, for 1 trace in 10. */
export async function startCollector() {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.1',
    },
    [Symbol.dispose]: () => void server.close(),
  };
}

const traceOf = (i: number) => {
  const [trace, span] = [randomBytes(16), randomBytes(8)].map((bytes) => bytes.toString('hex'));
  return { traceparent: `00-${trace}-${span}-0${i % 10 === 0 ? 1 : 0}` };
};

export async function benchTracing(count: number, runs: number): Promise<Race> {
  using collector = await startCollector();
  const setting = await prepare(`bench-${Date.now().toString(36)}`, partitions);
  const reader = new LogReader(setting.client);
  say(`filling raw with ${count} records of 2.5 KB`);
  await fill(setting, count, 0, traceOf);
  const results = await inTurns(contestants, runs, async (name, run) => {
    const traced = { ...setting, env: { ...setting.env, ...collector.env } };
    const used = name === 'without traces' ? setting : traced;
    const group = `${setting.catalog.raw}.${name.replaceAll(' ', '-')}.${run}`;
    const result = await measureProcessor('voucherbus', group, count, used, reader);
    say(`run ${run}, ${name}: ${result.cpuMicros.toFixed(1)} µs CPU an event`);
    return result;
  });
  await reader.close();
  await setting.admin.close();
  return {
    title: `Backlog of ${count} raw events of 2.5 KB, ${partitions} partitions, 1 in 10 sampled, spans exported to a collector on the same machine; medians (and all) of ${runs} runs in turns`,
    contestants,
    measures,
    runs: results,
  };
}
