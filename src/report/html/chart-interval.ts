/**
 * Accuracies as dots with their 95 % intervals, one row each, on one percent axis.
 */
import type { Accuracy } from "../reports.ts";
import { linearScale, percent, ticks } from "./chart-scale.ts";
import { html, type Markup } from "./markup.ts";

export type IntervalRow = {
  readonly label: string;
  readonly accuracy: Accuracy;
  readonly kind: "float" | "quantized";
};

const rowHeight = 46;
const axisHeight = 24;

export function intervalChart(rows: readonly IntervalRow[]): Markup {
  const ends = rows.flatMap(({ accuracy }) => accuracy.interval);
  const [lo, hi] = domain(Math.min(...ends), Math.max(...ends));
  const scale = linearScale(lo, hi);
  const bottom = rows.length * rowHeight;
  const summary = rows.map(describeRow).join("; ");
  const grid = ticks(lo, hi, 5).map((tick) => {
    const x = percent(scale.at(tick));
    return html`<line class="grid" x1="${x}" x2="${x}" y1="0" y2="${bottom}"/><text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${tick} %</text>`;
  });
  const marks = rows.map((row, at) => interval(row, at * rowHeight, scale.at));
  return html`<svg class="chart" role="img" width="100%" height="${bottom + axisHeight}" aria-label="${summary}"><title>Top-1 and top-5 accuracy with 95 % intervals</title>${grid}${marks}</svg>`;
}

function describeRow({ label, accuracy }: IntervalRow): string {
  const [lo, hi] = accuracy.interval.map((value) => value.toFixed(2));
  return `${label} ${accuracy.percent.toFixed(2)} %, 95 % interval ${lo} to ${hi} %`;
}

/** Room on both sides, in whole percent, within 0..100. */
function domain(lo: number, hi: number): readonly [number, number] {
  const room = Math.max(1, (hi - lo) * 0.08);
  return [Math.max(0, Math.floor(lo - room)), Math.min(100, Math.ceil(hi + room))];
}

function interval(row: IntervalRow, top: number, at: (value: number) => number): Markup {
  const { label, accuracy, kind } = row;
  const [lo, hi] = accuracy.interval;
  const y = top + 32;
  const value = `${accuracy.percent.toFixed(2)} %`;
  return html`<g class="${kind}"><title>${describeRow(row)}</title><text class="label" x="0" y="${top + 17}">${label} <tspan class="value">${value}</tspan></text><line class="whisker" x1="${percent(at(lo))}" x2="${percent(at(hi))}" y1="${y}" y2="${y}"/><circle class="dot" cx="${percent(at(accuracy.percent))}" cy="${y}" r="6"/></g>`;
}
