/**
 * Two sizes as bars on one scale.
 */
import { formatBytes } from "../format.ts";
import { percent } from "./chart-scale.ts";
import { html, type Markup } from "./markup.ts";

export type SizeRow = {
  readonly label: string;
  readonly bytes: number;
  readonly kind: "float" | "quantized";
};

export function sizeChart(rows: readonly SizeRow[]): Markup {
  const most = rows.reduce((largest, { bytes }) => Math.max(largest, bytes), 1);
  const summary = rows.map(({ label, bytes }) => `${label} ${formatBytes(bytes)}`).join(", ");
  const bars = rows.map(
    ({ label, bytes, kind }, at) =>
      html`<g class="${kind}"><text class="label" x="0" y="${at * 46 + 17}">${label} <tspan class="value">${formatBytes(bytes)}</tspan></text><rect class="bar" x="0" width="${percent((100 * bytes) / most)}" y="${at * 46 + 26}" height="12" rx="3"/></g>`,
  );
  return html`<svg class="chart" role="img" width="100%" height="${rows.length * 46}" aria-label="${summary}"><title>Size of the weights</title>${bars}</svg>`;
}
