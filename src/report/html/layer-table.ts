/**
 * One row per layer, joined by name from the quantization, the comparison and the inspection.
 */
import {
  formatBytes,
  formatCount,
  formatDb,
  formatDims,
  formatNumber,
  formatPercent,
} from "../format.ts";
import type { CompareLayer, InspectLayer, JobReport, QuantizeLayer } from "../reports.ts";
import { dbRole } from "../text-results.ts";
import { type DataCell, type DataColumn, dataTable } from "./data-table.ts";
import { html, type Markup } from "./markup.ts";

export type LayerRow = {
  readonly name: string;
  readonly op: string;
  /** Position in the network, from 1. */
  readonly position: number;
  readonly inspect: InspectLayer | undefined;
  readonly quantize: QuantizeLayer | undefined;
  readonly compare: CompareLayer | undefined;
};

/** Layers in network order: of the comparison, of the quantization, or else of the inspection. */
export function layerRows(report: JobReport): readonly LayerRow[] {
  const compare = byName(report.compare?.layers ?? []);
  const quantize = byName(report.quantize?.layers ?? []);
  const inspect = byName(report.inspect?.layers ?? []);
  const order = [compare, quantize, inspect].find((layers) => layers.size > 0) ?? inspect;
  return [...order.values()].map(({ name, op }, at) => ({
    name,
    op,
    position: at + 1,
    inspect: inspect.get(name),
    quantize: quantize.get(name),
    compare: compare.get(name),
  }));
}

function byName<T extends { readonly name: string; readonly op: string }>(
  layers: readonly T[],
): ReadonlyMap<string, T> {
  return new Map(layers.map((layer) => [layer.name, layer]));
}

export function anchorOf(row: LayerRow): string {
  return `layer-${row.position}`;
}

type Maybe = number | null | undefined;

const blank: DataCell = { text: "", value: null };
const words = (text: string | null | undefined): DataCell =>
  text === null || text === undefined || text === "" ? blank : { text, value: text };
const figure = (value: Maybe, format: (value: number) => string): DataCell =>
  value === null || value === undefined ? blank : { text: format(value), value };
/** Most layers have none: an empty cell reads better than a zero. */
const sparing = (value: number): string => (value === 0 ? "" : formatCount(value));
const plain = (value: number): string => String(value);

function column(
  title: string,
  hint: string,
  cell: (row: LayerRow) => DataCell,
  kind: "text" | "number" = "number",
): DataColumn<LayerRow> {
  return { title, hint, kind, cell };
}

function columnsFor(thresholdDb: number): readonly DataColumn<LayerRow>[] {
  const db = (value: Maybe): DataCell => ({
    ...figure(value, formatDb),
    role: dbRole(value ?? null, thresholdDb) === undefined ? undefined : roleOf(value, thresholdDb),
  });
  return [
    column("layer", "name of the layer", (row) => words(row.name), "text"),
    column("no.", "position in the network", (row) => figure(row.position, plain)),
    column("operator", "operator", (row) => words(row.op), "text"),
    column("SQNR", "signal to quantization noise of the output", (row) =>
      db(row.compare?.sqnrDb ?? row.quantize?.outputSqnrDb),
    ),
    column("weight SQNR", "signal to quantization noise of the weights", (row) =>
      db(row.compare?.weightSqnrDb ?? row.quantize?.weightSqnrDb),
    ),
    column("cosine", "cosine between float and quantized output", (row) =>
      figure(row.compare?.cosine, (value) => value.toFixed(5)),
    ),
    column("max error", "largest absolute error of the output", (row) =>
      figure(row.compare?.maxAbsError, formatNumber),
    ),
    column("saturated", "values beyond the representable range", (row) =>
      figure(row.compare?.saturatedPercent, formatPercent),
    ),
    column("underflow", "values that became zero", (row) =>
      figure(row.compare?.underflowPercent, formatPercent),
    ),
    column("bits", "bits of a weight", (row) => figure(row.quantize?.weightBits, plain)),
    column("weight scale", "largest of the weights' scales", (row) =>
      figure(row.quantize?.weightScale?.max, formatNumber),
    ),
    column("out scale", "scale of the output's integers", (row) =>
      figure(row.quantize?.outputScale, formatNumber),
    ),
    column("out zero", "integer that stands for 0", (row) =>
      figure(row.quantize?.outputZeroPoint, plain),
    ),
    column("acc. bits", "signed bits that the accumulator needs", (row) =>
      figure(row.quantize?.accumulatorBits, plain),
    ),
    column(
      "exact in",
      "how float32 arithmetic holds the layer exactly",
      (row) => words(row.quantize?.exact),
      "text",
    ),
    column("output", "shape of the output", (row) => words(shapeText(row)), "text"),
    column("parameters", "weights and biases", (row) => figure(row.inspect?.parameters, sparing)),
    column("MACs", "multiply-accumulates", (row) => figure(row.inspect?.macs, sparing)),
    column("memory", "bytes of the output in float", (row) =>
      figure(row.inspect?.activationBytes, formatBytes),
    ),
  ];
}

function roleOf(value: Maybe, thresholdDb: number): "bad" | "warn" {
  return (value ?? 0) < thresholdDb ? "bad" : "warn";
}

function shapeText(row: LayerRow): string | null {
  return row.inspect === undefined ? null : formatDims(row.inspect.outputShape);
}

/** The section; nothing where no part of the job tells of layers. */
export function layerSection(report: JobReport, rows: readonly LayerRow[]): Markup | null {
  if (rows.length === 0) return null;
  const columns = columnsFor(report.compare?.thresholdDb ?? Number.NEGATIVE_INFINITY);
  return html`<section id="layers" class="wide"><h2>Layers</h2><p class="note">In network order. Click a head to sort.</p>${dataTable({ caption: "Layers", columns, rows, anchor: anchorOf })}</section>`;
}
