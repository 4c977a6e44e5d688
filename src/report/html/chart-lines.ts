/**
 * Lines over iterations: losses, accuracies, the learning rate. Drawn in a stretched box of its own, so that the chart
 * fits every width while its text keeps its size.
 */
import { formatNumber } from "../format.ts";
import { linearScale, percent, round2, type Scale, ticks } from "./chart-scale.ts";
import { html, type Markup } from "./markup.ts";

export type Line = {
  readonly name: string;
  /** In rising order of x. */
  readonly points: readonly (readonly [x: number, y: number])[];
};

export type LineChart = {
  readonly title: string;
  readonly lines: readonly Line[];
  /** First and last x. */
  readonly span: readonly [number, number];
};

const height = 220;
const top = 10;
const bottom = height - 26;
/** A chart is drawn with a logarithmic axis where values are positive and so far apart. */
const logRatio = 50;
/** Classes of lines: `line0`, `line1`, ... in the style sheet. */
const colours = 6;
/** Points of a line that are marked. */
const markedPoints = 60;

type Axis = {
  /** Value -> pixels from the top. */
  readonly y: (value: number) => number;
  readonly ticks: readonly number[];
};

export function lineChart({ title, lines, span }: LineChart): Markup {
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const axis = axisOf(values);
  const x = linearScale(...span);
  const grid = axis.ticks.map((tick) => {
    const at = axis.y(tick);
    return html`<line class="grid" x1="0" x2="100%" y1="${at}" y2="${at}"/><text class="tick" x="-6" y="${at + 4}" text-anchor="end">${formatNumber(tick)}</text>`;
  });
  const below = ticks(...span, 6).map(
    (tick) =>
      html`<text class="tick" x="${percent(x.at(tick))}" y="${height - 8}" text-anchor="middle">${tick}</text>`,
  );
  const drawn = lines.map((line, at) => curve(line, at % colours, x, axis));
  const legend =
    lines.length < 2
      ? null
      : html`<ul class="legend">${lines.map(({ name }, at) => html`<li class="line${at % colours}"><i></i>${name}</li>`)}</ul>`;
  return html`<figure class="lines"><figcaption>${title}</figcaption>${legend}<div class="lollipop-box"><svg class="chart" role="img" width="100%" height="${height}" aria-label="${summary(title, lines)}">${grid}${below}${drawn}</svg></div></figure>`;
}

function axisOf(values: readonly number[]): Axis {
  const lo = values.reduce((a, b) => Math.min(a, b), Infinity);
  const hi = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(lo <= hi)) return { y: () => bottom, ticks: [] };
  const place = (share: number): number => round2(bottom - (share / 100) * (bottom - top));
  if (lo > 0 && hi / lo > logRatio) {
    const scale = linearScale(Math.log10(lo), Math.log10(hi));
    const [first, last] = [Math.ceil(Math.log10(lo)), Math.floor(Math.log10(hi))];
    const tens = Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at));
    return { y: (value) => place(scale.at(Math.log10(value))), ticks: tens };
  }
  const scale = linearScale(lo, hi);
  return { y: (value) => place(scale.at(value)), ticks: ticks(lo, hi, 5) };
}

function curve({ name, points }: Line, colour: number, x: Scale, axis: Axis): Markup {
  const path = points.map(([at, value]) => `${round2(x.at(at) * 10)},${axis.y(value)}`).join(" ");
  const dots =
    points.length > markedPoints
      ? null
      : points.map(
          ([at, value]) =>
            html`<circle class="dot" cx="${percent(x.at(at))}" cy="${axis.y(value)}" r="3"><title>${name}: ${formatNumber(value)} at iteration ${at}</title></circle>`,
        );
  return html`<g class="line${colour}"><svg x="0" y="0" width="100%" height="${height}" viewBox="0 0 1000 ${height}" preserveAspectRatio="none"><polyline class="curve" vector-effect="non-scaling-stroke" points="${path}"/></svg>${dots}</g>`;
}

function summary(title: string, lines: readonly Line[]): string {
  const parts = lines.flatMap(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return [];
    return [`${name} from ${formatNumber(first[1])} to ${formatNumber(last[1])}`];
  });
  return `${title}: ${parts.join(", ")}`;
}
