/**
 * The ratios as a picture: a line for each, from better to worse than the peer, with floor and
 * goal. And curves.
 */

import { keeps, type Race, rowsOf } from './race.ts';
import { median } from './setting.ts';

const width = 880;
const labelWidth = 380;
const rowHeight = 26;
const headHeight = 62;
/** Ratios from 1/16 to 4, by their logarithm. */
const [least, most] = [1 / 16, 4];
const left = labelWidth + 10;
const right = width - 60;

const xOf = (ratio: number) => {
  const share = Math.log(ratio / least) / Math.log(most / least);
  return left + (right - left) * Math.min(1, Math.max(0, share));
};

const escaped = (text: string) => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);

const text = (x: number, y: number, content: string, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(content)}</text>`;

/**
 * SVG. Every bar goes from 1 (as the peer) to our ratio; where less is better it is turned around,
 * so that right of the middle is always better.
 * @param races those with a peer
 */
export function chartOf(races: readonly Race[], caption: string): string {
  const parts: string[] = [];
  let y = headHeight;
  for (const race of races) {
    const [ours = '', peer = ''] = race.contestants;
    parts.push(text(10, y + 17, `${ours} beside ${peer}`, 'class="race"'));
    y += rowHeight;
    for (const row of rowsOf(race)) {
      const turned = (ratio: number) => (row.better === 'more' ? ratio : 1 / ratio);
      const ratio = row.ratios[0] as number;
      const [from, to] = [xOf(1), xOf(turned(ratio))];
      const kind = keeps(row, ratio) ? (turned(ratio) >= 1 ? 'ahead' : 'kept') : 'short';
      parts.push(
        text(20, y + 17, row.label),
        `<rect class="${kind}" x="${Math.min(from, to).toFixed(1)}" y="${y + 6}" width="${Math.max(1, Math.abs(to - from)).toFixed(1)}" height="14"/>`,
        text(right + 8, y + 17, ratio.toFixed(2)),
      );
      for (const [name, aim] of Object.entries(row.aim ?? {})) {
        const x = xOf(turned(aim)).toFixed(1);
        parts.push(`<line class="${name}" x1="${x}" x2="${x}" y1="${y + 3}" y2="${y + 23}"/>`);
      }
      y += rowHeight;
    }
    y += 8;
  }
  const grid = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4].map((factor) => {
    const x = xOf(factor);
    const name = factor >= 1 ? `${factor} ×` : `1/${1 / factor} ×`;
    const line = `<line class="${factor === 1 ? 'even' : 'grid'}" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${headHeight - 6}" y2="${y}"/>`;
    return `${line}${text(x, headHeight - 12, factor === 1 ? 'as the peer' : name, 'text-anchor="middle" class="small"')}`;
  });
  return picture({
    width,
    height: y + 30,
    title: caption,
    style:
      '.race{font-weight:600}.ahead{fill:#2da44e}.kept{fill:#bf8700}.short{fill:#cf222e}.grid{stroke:#d0d7de}.even{stroke:#57606a}.floor{stroke:#cf222e;stroke-width:2}.goal{stroke:#0969da;stroke-width:2}',
    parts: [
      text(
        10,
        22,
        'Right of the middle: better than the peer. Red mark: our floor, blue: our goal. The figure is the plain ratio.',
        'class="small"',
      ),
      ...grid,
      ...parts,
      text(10, y + 20, caption, 'class="small"'),
    ],
  });
}

type Picture = {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly style: string;
  readonly parts: readonly string[];
};

function picture({ width, height, title, style, parts }: Picture): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13">
<title>${escaped(title)}</title>
<style>text{fill:#24292f}.small{font-size:11px;fill:#57606a}${style}</style>
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

export type Curve = {
  /** The size that grows. */
  readonly of: string;
  /** Each with its value in each run. */
  readonly points: readonly { readonly at: number; readonly values: readonly number[] }[];
};

const panelWidth = 270;
const panelHeight = 180;
const margin = 44;

/**
 * SVG. A panel for each curve, side by side, from 0: a line through the medians, and a dot for each
 * run.
 */
export function curvesOf(curves: readonly Curve[], measured: string): string {
  const values = curves.flatMap(({ points }) => points.flatMap((point) => point.values));
  const top = Math.ceil(Math.max(...values) / 10) * 10;
  const yOf = (value: number) => margin + panelHeight * (1 - value / top);
  const panels = curves.map(({ of, points }, i) => {
    const from = margin + i * (panelWidth + margin / 2);
    const xOf = (index: number) => from + (panelWidth * (index + 0.5)) / points.length;
    const path = points.map(
      (point, k) => `${xOf(k).toFixed(1)},${yOf(median(point.values)).toFixed(1)}`,
    );
    const grid = [0, top / 2, top].map(
      (value) =>
        `<line x1="${from}" x2="${from + panelWidth}" y1="${yOf(value)}" y2="${yOf(value)}"/>`,
    );
    const dots = points.flatMap((point, k) =>
      point.values.map(
        (value) => `<circle cx="${xOf(k).toFixed(1)}" cy="${yOf(value).toFixed(1)}" r="3"/>`,
      ),
    );
    const names = points.map(({ at }, k) =>
      text(xOf(k), margin + panelHeight + 18, String(at), 'text-anchor="middle"'),
    );
    return [
      ...grid,
      `<polyline points="${path.join(' ')}"/>`,
      ...dots,
      ...names,
      text(
        from + panelWidth / 2,
        margin + panelHeight + 38,
        of,
        'text-anchor="middle" class="small"',
      ),
    ].join('\n');
  });
  const scale = [0, top / 2, top].map((value) =>
    text(margin - 6, yOf(value) + 4, String(value), 'text-anchor="end" class="small"'),
  );
  return picture({
    width: margin + curves.length * (panelWidth + margin / 2),
    height: margin + panelHeight + 52,
    title: measured,
    style:
      'line{stroke:#d0d7de}polyline{fill:none;stroke:#0969da;stroke-width:2}circle{fill:#0969da;fill-opacity:.5}',
    parts: [
      text(
        10,
        22,
        `${measured}: the line goes through the medians, each dot is a run`,
        'class="small"',
      ),
      ...scale,
      ...panels,
    ],
  });
}
