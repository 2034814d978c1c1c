import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Curve, curveTableOf, type Race, tableOf } from '../../../bench/race.ts';

type Result = Race & { readonly date: string; readonly machine: string };

const resultOf = <T>(name: string): T =>
  JSON.parse(readFileSync(`bench/results/${name}.json`, 'utf8'));

const sections: readonly (readonly [name: string, heading: string, command: string])[] = [
  ['backlog', 'Throughput over a backlog', 'BENCH=backlog make bench'],
  ['tracing', 'Traces, in the processor', 'EVENTS=300000 BENCH=tracing make bench'],
  ['bridge-tracing', 'Traces, in the bridge', 'BENCH=bridge-tracing make bench'],
  ['latency', 'Delay', 'BENCH=latency make bench'],
  ['crash', 'Silence after a crash', 'BENCH=crash make bench'],
  ['bridge', 'The bridge', 'BENCH=bridge RUNS=5 make bench'],
  ['fast-path', 'The bridge without its fast path', 'BENCH=fast-path make bench'],
  ['restore', 'Restore of remembered ids', 'BENCH=restore make bench'],
  ['trace', 'Trace', 'BENCH=trace make bench'],
  ['console', 'The console', 'BENCH=console make bench'],
  ['lookups', 'Look-ups', 'BENCH=lookups make bench'],
];

function sectionOf([name, heading, command]: (typeof sections)[number]): string {
  const result = resultOf<Result>(name);
  const [title, ...table] = tableOf(result);
  const about = `\`${command}\`, ${result.date}, ${result.machine}.`;
  return [`## ${heading}`, '', about, '', `${title}.`, ...table].join('\n');
}

const curves = resultOf<readonly Curve[]>('flat')
  .flatMap((curve) => [...curveTableOf(curve), ''])
  .join('\n');

const page = `<!-- Generated from bench/results. \`make docs\` renews it. -->

# Performance

Every figure is measured beside a peer in the same run, in turns (A B A B …), on a shared 2-core
machine that also runs the broker, the registry and the load. Trust the ratios and the medians. The
machine's state moves absolute figures by a fifth within an hour, and ratios by a tenth.

The peers are in \`bench/peers\` and \`bench/peer-script.ts\`: Kafka Streams with a tuned RocksDB store,
exactly once; a bridge on Vert.x with Kafka's own producer; and a script on stock KafkaJS that keeps
its ids in a Map and is not exactly once after a restart. None of them writes headers, dead letters or
a journal. The Vert.x bridge has one secret, no limits, no spool and no metrics.

"floor → goal" is the ratio to the first peer that we promise, and the one that we aim for.

![Ratios to Kafka Streams and to the Vert.x bridge](../bench/results/ratios.svg)

${sections.map(sectionOf).join('\n\n')}

## Cost over size

\`make flat\`: 200,000 events per run, all workers, two runs per point. The sizes that are not varied are
1 million ids, 6 partitions and five routes.

![CPU per event over ids, partitions and routes](../bench/results/flat.svg)

${curves}`;

test('docs/performance.md is current', async () => {
  expect(sections.map(([name]) => name).sort()).toEqual(
    globSync('bench/results/*.json')
      .map((file) => file.replace(/.*\/|\.json$/g, ''))
      .filter((name) => name !== 'flat')
      .sort(),
  );
  await expect(page).toMatchFileSnapshot('../../../docs/performance.md');
});
