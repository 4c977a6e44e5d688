/**
 * A tensor's values as a histogram: linear bins, so that range and outliers keep their proportion,
 * and logarithmic counts, so that single outliers stay visible. What the number format can
 * represent is shaded; bars beyond it saturate.
 */
import { formatNumber, formatPercent } from "../format.ts";
import type { Histogram } from "../reports.ts";
import { linearScale } from "./chart-scale.ts";
import { html, type Markup } from "./markup.ts";

/** Most bars that are drawn: a card is about 200 pixels wide. */
const maxBars = 80;

/** Sums runs of neighbouring bins until `most` are left: the last may be narrower. */
export function rebin(counts: readonly number[], most: number): readonly number[] {
  const factor = Math.ceil(counts.length / most);
  if (factor <= 1) return counts;
  return Array.from({ length: Math.ceil(counts.length / factor) }, (_, at) =>
    counts.slice(at * factor, (at + 1) * factor).reduce((a, b) => a + b, 0),
  );
}

/** The value at `share` of the way; weighted, because the span of two huge values overflows. */
function between(min: number, max: number, share: number): number {
  return min * (1 - share) + max * share;
}

/** Share of values (percent) in bins whose centre lies beyond the range; null without a range. */
export function outsidePercent({ min, max, counts, range }: Histogram): number | null {
  const total = counts.reduce((a, b) => a + b, 0);
  if (range === null || total === 0) return null;
  const beyond = counts.filter((_, at) => {
    const centre = between(min, max, (at + 0.5) / counts.length);
    return centre < range.lo || centre > range.hi;
  });
  return (100 * beyond.reduce((a, b) => a + b, 0)) / total;
}

type Bar = { readonly left: number; readonly right: number; readonly height: number };

/** From this share beyond the range on (percent), a card says so in amber, and in red. */
const notable = 0.1;
const alarming = 1;

/** A card: the tensor's name, the histogram, the ends of its axis and the representable range. */
export function histogramCard(histogram: Histogram): Markup {
  const { layer, range } = histogram;
  const [lo, hi] = axisOf(histogram);
  const holds =
    range === null ? "" : `holds ${formatNumber(range.lo)} to ${formatNumber(range.hi)}`;
  return html`<figure class="card"><figcaption><b title="${layer}">${layer}</b>${outsideNote(histogram)}</figcaption>${drawing(histogram)}<p class="axis"><span>${formatNumber(lo)}</span><span class="range">${holds}</span><span>${formatNumber(hi)}</span></p></figure>`;
}

/** The axis spans the values and the range: what is unused shows as well as what is lost. */
function axisOf({ min, max, range }: Histogram): readonly [lo: number, hi: number] {
  return [Math.min(min, range?.lo ?? min), Math.max(max, range?.hi ?? max)];
}

function outsideNote(histogram: Histogram): Markup {
  const outside = outsidePercent(histogram);
  if (outside === null) return html`<span class="dim">float</span>`;
  if (outside === 0) return html`<span class="dim">all inside</span>`;
  const role = outside >= alarming ? "bad" : outside >= notable ? "warn" : "dim";
  return html`<span class="${role}">${formatPercent(outside)} beyond</span>`;
}

function drawing(histogram: Histogram): Markup {
  const { layer, tensor, min, max, range } = histogram;
  const scale = linearScale(...axisOf(histogram));
  const x = (value: number): number => Math.round(scale.at(value) * 10);
  const bars = barsOf(histogram, x);
  const isBeyond = ({ left, right }: Bar): boolean => {
    const centre = (left + right) / 2;
    return range !== null && (centre < x(range.lo) || centre > x(range.hi));
  };
  const shade =
    range === null
      ? null
      : html`<rect class="shade" x="${x(range.lo)}" width="${Math.max(2, x(range.hi) - x(range.lo))}" y="0" height="100"/>`;
  const inside = path(bars.filter((bar) => !isBeyond(bar)));
  const beyond = path(bars.filter(isBeyond));
  const seen = `${tensor} of ${layer}, ${formatNumber(min)} to ${formatNumber(max)}`;
  const label =
    range === null
      ? seen
      : `${seen}, representable ${formatNumber(range.lo)} to ${formatNumber(range.hi)}`;
  return html`<svg class="histogram" role="img" viewBox="0 0 1000 100" preserveAspectRatio="none" aria-label="${label}"><title>${label}</title>${shade}<path class="in" d="${inside}"/>${beyond === "" ? null : html`<path class="out" d="${beyond}"/>`}</svg>`;
}

/** Bars in the drawing's units: 0..1000 across, 0..100 up, `log(1 + count)` high. */
function barsOf({ min, max, counts }: Histogram, x: (value: number) => number): readonly Bar[] {
  const bins = rebin(counts, maxBars);
  const factor = Math.max(1, Math.ceil(counts.length / maxBars));
  const edge = (bin: number): number =>
    between(min, max, Math.min(1, (bin * factor) / Math.max(1, counts.length)));
  const most = Math.log1p(bins.reduce((a, b) => Math.max(a, b), 1));
  return bins.flatMap((count, at) => {
    if (count <= 0) return [];
    // A bar never vanishes: at least 4 units wide and 3 high.
    const [left, right] = [x(edge(at)), x(edge(at + 1))];
    const width = Math.max(4, right - left);
    const start = Math.min(left, 1000 - width);
    const height = Math.max(3, Math.round((100 * Math.log1p(count)) / most));
    return [{ left: start, right: start + width, height }];
  });
}

/** All bars as one path: small, and drawn in one go. */
function path(bars: readonly Bar[]): string {
  return bars
    .map(({ left, right, height }) => `M${left} 100v${-height}h${right - left}v${height}`)
    .join("");
}
