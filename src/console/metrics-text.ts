/** Reads Prometheus' text format, as our services write it. Pure. */

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

/** Returns our own metrics, without the buckets of histograms. */
export function samplesOf(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = linePattern.exec(line) ?? [];
    if (name === undefined || name.endsWith('_bucket')) return [];
    return [{ name, labels: labelsOf(labels), value: Number(value) }];
  });
}

const linePattern = /^voucherbus_(\w+)(?:\{(.*)\})? (\S+)$/;
const labelPattern = /(\w+)="((?:[^"\\]|\\.)*)"/g;

function labelsOf(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(labelPattern)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, unescaped(value)]));
}

const unescaped = (text: string) =>
  text.replaceAll(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one));
