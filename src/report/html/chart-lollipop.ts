/**
 * Signal to noise per layer in network order: a stem and a dot for the layer's output, a short bar
 * for its weights, a dashed line for the threshold.
 */
import { formatDb } from "../format.ts";
import { exactDb } from "../json.ts";
import { dbRole } from "../text-results.ts";
import { linearScale, percent, round2, ticks } from "./chart-scale.ts";
import { html, type Markup } from "./markup.ts";

export type LollipopLayer = {
  readonly name: string;
  readonly sqnrDb: number | null;
  readonly weightSqnrDb: number | null;
  /** Id of the element that tells more about the layer. */
  readonly anchor: string;
};

const height = 240;
const top = 10;
const bottom = height - 26;

export function lollipopChart(layers: readonly LollipopLayer[], thresholdDb: number): Markup {
  const [lo, hi] = dbDomain(layers, thresholdDb);
  const scale = linearScale(lo, hi);
  const y = (db: number): number => round2(bottom - (scale.at(db) / 100) * (bottom - top));
  const grid = ticks(lo, hi, 5).map(
    (tick) =>
      html`<line class="grid" x1="0" x2="100%" y1="${y(tick)}" y2="${y(tick)}"/><text class="tick" x="-6" y="${y(tick) + 4}" text-anchor="end">${tick}</text>`,
  );
  const stems = layers.map((layer, at) => stem(layer, at, layers.length, thresholdDb, y));
  const limit = y(thresholdDb);
  return html`<svg class="chart lollipop" role="img" width="100%" height="${height}" aria-label="${summary(layers)}"><title>Signal to quantization noise per layer, in dB</title>${grid}<line class="threshold" x1="0" x2="100%" y1="${limit}" y2="${limit}"/>${stems}${layerTicks(layers.length)}</svg>`;
}

/** From 0 (or below) to the next ten above the largest; exact layers do not stretch it. */
function dbDomain(
  layers: readonly LollipopLayer[],
  thresholdDb: number,
): readonly [lo: number, hi: number] {
  const known = layers
    .flatMap(({ sqnrDb, weightSqnrDb }) => [sqnrDb, weightSqnrDb])
    .filter((db) => db !== null && db < exactDb && db > -exactDb)
    .map(Number);
  const lo = known.reduce((a, b) => Math.min(a, b), 0);
  const hi = known.reduce((a, b) => Math.max(a, b), Math.max(10, thresholdDb));
  return [Math.floor(lo / 10) * 10, Math.ceil(hi / 10) * 10];
}

function stem(
  layer: LollipopLayer,
  at: number,
  count: number,
  thresholdDb: number,
  y: (db: number) => number,
): Markup {
  const { name, sqnrDb, weightSqnrDb } = layer;
  const slot = 100 / count;
  const x = percent((at + 0.5) * slot);
  const text = `${at + 1}. ${name}: output ${formatDb(sqnrDb)}, weights ${formatDb(weightSqnrDb)}`;
  const role = dbRole(sqnrDb, thresholdDb) ?? "good";
  const weights =
    weightSqnrDb === null
      ? null
      : html`<line class="weights" x1="${percent((at + 0.15) * slot)}" x2="${percent((at + 0.85) * slot)}" y1="${y(weightSqnrDb)}" y2="${y(weightSqnrDb)}"/>`;
  const output =
    sqnrDb === null
      ? null
      : html`<line class="stem" x1="${x}" x2="${x}" y1="${y(0)}" y2="${y(sqnrDb)}"/><circle class="dot" cx="${x}" cy="${y(sqnrDb)}" r="${count > 60 ? 3 : 4.5}"/>`;
  return html`<a href="#${layer.anchor}" tabindex="-1"><g class="${role}"><title>${text}</title><rect class="hit" x="${percent(at * slot)}" width="${percent(slot)}" y="0" height="${height}"/>${weights}${output}</g></a>`;
}

/** Numbers of layers below the chart, counted from 1. */
function layerTicks(count: number): readonly Markup[] {
  const inner = ticks(1, count, 8).filter((tick) => Number.isInteger(tick) && tick > 1);
  return [1, ...inner].map(
    (layer) =>
      html`<text class="tick" x="${percent(((layer - 0.5) * 100) / count)}" y="${height - 8}" text-anchor="middle">${layer}</text>`,
  );
}

function summary(layers: readonly LollipopLayer[]): string {
  const known = layers.flatMap(({ name, sqnrDb }) => (sqnrDb === null ? [] : { name, sqnrDb }));
  const sorted = known.toSorted((a, b) => a.sqnrDb - b.sqnrDb);
  const [worst, best] = [sorted[0], sorted.at(-1)];
  if (worst === undefined || best === undefined) return "No layer was measured";
  return `${known.length} layers, lowest ${worst.name} with ${formatDb(worst.sqnrDb)}, highest ${best.name} with ${formatDb(best.sqnrDb)}`;
}
