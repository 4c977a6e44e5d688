/**
 * The inspection as text.
 */
import { formatBytes, formatCount, formatDims, formatName, harmless } from "./format.ts";
import type { InspectReport, Port } from "./reports.ts";
import { type Column, type Style, textTable } from "./table.ts";
import { batchText, findingLines, section, warningsText } from "./text-sections.ts";

const columns: readonly Column[] = [
  { title: "layer" },
  { title: "operator" },
  { title: "output" },
  { title: "parameters", align: "right" },
  { title: "MACs", align: "right" },
  { title: "weights", align: "right" },
  { title: "activations", align: "right" },
];

export function inspectText(report: InspectReport, style: Style): string {
  const rows = report.layers.map((layer) => [
    formatName(layer.name),
    formatName(layer.op),
    formatDims(layer.outputShape),
    zeroless(layer.parameters, formatCount),
    layer.macs === null ? "?" : zeroless(layer.macs, formatCount),
    zeroless(layer.weightBytes, formatBytes),
    formatBytes(layer.activationBytes),
  ]);
  return [
    `${style("strong", harmless(report.model))}  ${style("dim", harmless(report.source.join(", ")))}\n`,
    ...report.inputs.map((port) => portLine("input ", port)),
    ...report.outputs.map((port) => portLine("output", port)),
    "\n",
    textTable(columns, rows, style),
    totalsText(report, style),
    section("Runs in float only", opaqueLines(report), style),
    section("Unusual", findingLines(report.unusual), style),
    warningsText(report.warnings, style),
  ].join("");
}

/** Most layers have no parameters: an empty cell reads better than a zero. */
function zeroless(value: number, format: (value: number) => string): string {
  return value === 0 ? "" : format(value);
}

function portLine(title: string, { name, dtype, shape }: Port): string {
  return `${title}  ${formatName(name)}  ${dtype ?? "?"} ${formatDims(shape)}\n`;
}

function totalsText(report: InspectReport, style: Style): string {
  const { totals } = report;
  const parts = [
    `${totals.layers} layers`,
    `${formatCount(totals.parameters)} parameters`,
    `${formatCount(totals.macs)} MACs`,
    `${formatBytes(totals.weightBytes)} of weights`,
    `${formatBytes(totals.peakActivationBytes)} of activations at most`,
  ];
  return `\n${style("strong", parts.join(", ") + batchText(report))}\n`;
}

function opaqueLines(report: InspectReport): readonly string[] {
  return report.opaque.map(({ opType, nodes }) => {
    const more = nodes.length > 3 ? `, ${nodes.length - 3} more` : "";
    const names = nodes.slice(0, 3).map((name) => formatName(name));
    return `${formatName(opType)}: ${names.join(", ")}${more}`;
  });
}
