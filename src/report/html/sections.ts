/**
 * The report's further sections: error per layer, histograms, findings, ranges, reproduction.
 */
import { formatDb, formatNumber } from "../format.ts";
import type { JsonRecord } from "../json.ts";
import type {
  CalibrateReport,
  Histogram,
  JobReport,
  RangeRow,
  ReportWarning,
  Reproduction,
} from "../reports.ts";
import { findingLines, jsonText } from "../text-sections.ts";
import { histogramCard } from "./chart-histogram.ts";
import { lollipopChart } from "./chart-lollipop.ts";
import { type DataColumn, dataTable } from "./data-table.ts";
import { anchorOf, type LayerRow } from "./layer-table.ts";
import { html, type Markup } from "./markup.ts";

/** The lollipop chart and the worst layers by name. */
export function errorSection({ compare }: JobReport, rows: readonly LayerRow[]): Markup | null {
  if (compare === null || compare.layers.length === 0) return null;
  const anchors = new Map(rows.map((row) => [row.name, anchorOf(row)]));
  const layers = compare.layers.map((layer) => ({
    ...layer,
    anchor: anchors.get(layer.name) ?? "layers",
  }));
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const worst = compare.worst.slice(0, 5).flatMap((name) => {
    const layer = byName.get(name);
    return layer === undefined
      ? []
      : [html`<li><a href="#${layer.anchor}">${name}</a> ${formatDb(layer.sqnrDb)}</li>`];
  });
  const threshold = formatDb(compare.thresholdDb);
  const first =
    compare.firstBelow === null
      ? `No layer is below ${threshold}.`
      : `The first layer below ${threshold} is ${compare.firstBelow.name}.`;
  return html`<section><h2>Error per layer</h2><p class="note">Signal to quantization noise (dB, higher is better; 6 dB are one bit) of each layer's output against the float network, in network order, over ${compare.samples} images. ${first}</p>
<ul class="legend"><li><i></i>output</li><li class="near"><i></i>within 6 dB of the threshold</li><li class="below"><i></i>below</li><li class="weight"><i></i>weights</li><li class="limit"><i></i>threshold ${threshold}</li></ul>
<div class="lollipop-box">${lollipopChart(layers, compare.thresholdDb)}</div><ol class="lowest"><li class="dim">Lowest:</li>${worst}</ol></section>`;
}

export function histogramSection(histograms: readonly Histogram[]): Markup | null {
  if (histograms.length === 0) return null;
  const groups = (["input", "activations", "weights"] as const).map((tensor) => {
    const members = histograms.filter((histogram) => histogram.tensor === tensor);
    if (members.length === 0) return null;
    const title = { input: "Input", activations: "Activations", weights: "Weights" }[tensor];
    return html`<details open><summary>${title} (${members.length})</summary><div class="cards">${members.map(histogramCard)}</div></details>`;
  });
  return html`<section><h2>Distributions</h2><p class="note">Values across, counts upward on a logarithmic scale, so that single outliers show. Below each, between the ends of the axis: what the integers can hold.</p>
<ul class="legend"><li class="span"><i></i>representable range</li><li class="inside"><i></i>inside</li><li class="beyond"><i></i>beyond: saturates</li></ul>${groups}</section>`;
}

/** Warnings of all parts, each once. */
export function warningSection(report: JobReport): Markup | null {
  const parts = [
    report.inspect,
    report.calibrate,
    report.quantize,
    report.evaluate.float,
    report.evaluate.quantized,
    report.compare,
  ];
  const texts = new Set(parts.flatMap((part) => (part?.warnings ?? []).map(warningText)));
  if (texts.size === 0) return null;
  const items = [...texts].map((text) => html`<li>${text}</li>`);
  return html`<section><h2 class="warn">Warnings</h2><ul class="plain">${items}</ul></section>`;
}

function warningText({ where, message }: ReportWarning): string {
  return where === null ? message : `${where}: ${message}`;
}

export function findingSection({ inspect }: JobReport): Markup | null {
  if (inspect === null || inspect.unusual.length === 0) return null;
  const items = findingLines(inspect.unusual).map((line) => html`<li>${line}</li>`);
  return html`<section><h2>What is unusual about the network</h2><ul class="plain">${items}</ul></section>`;
}

const number = (title: string, value: (row: RangeRow) => number | null): DataColumn<RangeRow> => ({
  title,
  kind: "number",
  cell: (row) => ({ text: value(row) === null ? "" : formatNumber(value(row)), value: value(row) }),
});
const text = (title: string, value: (row: RangeRow) => string): DataColumn<RangeRow> => ({
  title,
  kind: "text",
  cell: (row) => ({ text: value(row), value: value(row) }),
});

export function rangeSection(calibrate: CalibrateReport | null): Markup | null {
  if (calibrate === null || calibrate.ranges.length === 0) return null;
  const columns = [
    text("layer", (row) => row.layer),
    text("in the file", (row) => row.networkLayer),
    text("tensor", (row) => row.tensor),
    number("min", (row) => row.min),
    number("max", (row) => row.max),
    number("from", (row) => row.lo),
    number("to", (row) => row.hi),
  ];
  const caption = `Calibration table (${calibrate.ranges.length} rows)`;
  return html`<section><h2>Calibration</h2><p class="note">Method ${calibrate.method}, ${calibrate.samples} images of <code>${calibrate.images}</code>.</p><details><summary>${caption}</summary>${dataTable({ caption, columns, rows: calibrate.ranges })}</details></section>`;
}

export function reproductionSection(reproduction: Reproduction | null): Markup | null {
  if (reproduction === null) return null;
  const { command, seed, threads, device, versions, preprocessing, hashes } = reproduction;
  const facts: JsonRecord = { seed, threads, device, ...versions };
  return html`<section><h2>To do it again</h2>${command.length === 0 ? null : html`<pre>${commandText(command)}</pre>`}<div class="two"><div><h3>Settings and versions</h3>${definitions(facts)}</div><div><h3>Preprocessing</h3>${definitions(preprocessing)}</div></div>${hashes.length === 0 ? null : html`<details><summary>SHA-256 of the inputs (${hashes.length})</summary><dl>${hashes.map(({ file, sha256 }) => html`<dt>${file}</dt><dd><code>${sha256}</code></dd>`)}</dl></details>`}</section>`;
}

/** Words with blanks or signs of the shell in double quotes. */
function commandText(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./\\-]+$/.test(word) ? word : JSON.stringify(word)))
    .join(" ");
}

function definitions(record: JsonRecord): Markup {
  const entries = Object.entries(record).filter(([, value]) => value !== null);
  return html`<dl>${entries.map(([key, value]) => html`<dt>${key}</dt><dd>${jsonText(value)}</dd>`)}</dl>`;
}
