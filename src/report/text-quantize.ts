/**
 * The quantization, and the whole job, as text.
 */
import { formatBytes, formatDb, formatName, formatNumber, harmless } from "./format.ts";
import type { QuantizeLayer, QuantizeReport } from "./reports.ts";
import { type Column, type Style, textTable } from "./table.ts";
import { accuracyText, changeText, recordText, section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });
const columns: readonly Column[] = [
  { title: "layer" },
  { title: "operator" },
  right("bits"),
  { title: "weight scale" },
  { title: "output scale" },
  right("zero"),
  right("acc. bits"),
  { title: "exact in" },
  right("weight SQNR"),
  right("output SQNR"),
];

export function quantizeText(report: QuantizeReport, style: Style): string {
  const { floatBytes, quantizedBytes } = report.size;
  const ratio =
    quantizedBytes === 0 ? "" : ` (${(floatBytes / quantizedBytes).toFixed(2)} times smaller)`;
  const options = recordText(report.options);
  return [
    `${style("strong", harmless(report.model))}  ${style("dim", `target ${harmless(report.target)} ${options}`)}\n\n`,
    textTable(columns, report.layers.map(layerRow), style),
    section("Stays in float", floatLines(report), style),
    section(
      "Size of the weights",
      [`${formatBytes(floatBytes)} -> ${formatBytes(quantizedBytes)}${ratio}`],
      style,
    ),
    section("Accuracy (top-1)", accuracyLines(report, style), style),
    warningsText(report.warnings, style),
    section(
      "Written",
      [`${harmless(report.out)}: ${report.files.map(harmless).join(", ")}`],
      style,
    ),
  ].join("");
}

function layerRow(layer: QuantizeLayer): readonly string[] {
  return [
    formatName(layer.name),
    formatName(layer.op),
    layer.weightBits === null ? "" : String(layer.weightBits),
    scaleText(layer.weightScale),
    formatNumber(layer.outputScale),
    layer.outputZeroPoint === null ? "" : String(layer.outputZeroPoint),
    layer.accumulatorBits === null ? "" : String(layer.accumulatorBits),
    layer.exact ?? "",
    formatDb(layer.weightSqnrDb),
    formatDb(layer.outputSqnrDb),
  ];
}

/** `0.0012 .. 0.034 (64)`: per channel; one number: per tensor. */
function scaleText(scale: QuantizeLayer["weightScale"]): string {
  if (scale === null) return "";
  if (scale.count === 1) return formatNumber(scale.min);
  return `${formatNumber(scale.min)} .. ${formatNumber(scale.max)} (${scale.count})`;
}

function floatLines(report: QuantizeReport): readonly string[] {
  return report.floatLayers.map(
    ({ name, op, reason }) => `${formatName(name)} (${formatName(op)}): ${harmless(reason)}`,
  );
}

function accuracyLines({ accuracy }: QuantizeReport, style: Style): readonly string[] {
  if (accuracy === null) return [];
  const { float, quantized, samples, changedImages } = accuracy;
  return [
    `float      ${accuracyText(float, samples)}`,
    `quantized  ${style("strong", accuracyText(quantized, samples))}`,
    `change     ${changeText(float, quantized, changedImages, samples)}`,
  ];
}
