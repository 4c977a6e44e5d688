/**
 * A conversion, and what a converted model says of pictures, as text.
 */
import type { ConvertLayer, ConvertReport } from "./convert.ts";
import { formatName, formatNumber, harmless } from "./format.ts";
import type { PredictReport } from "./predict.ts";
import { type Column, type Style, textTable } from "./table.ts";
import { bitMatchText } from "./text-bit-match.ts";
import { accuracyText, changeText, section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });
const columns: readonly Column[] = [
  { title: "layer" },
  right("place"),
  right("bits"),
  right("shift"),
  right("max|W|"),
  right("max|B|"),
  right("cap"),
  right("acc. bits"),
];
const copiesColumn = right("copies");

export function convertText(report: ConvertReport, style: Style): string {
  const { chips, target, model } = report;
  const about = `target ${harmless(target)}${chips === 1 ? "" : `, ${chips} chips`}`;
  // Few networks have copies: the others need no column of ones.
  const hasCopies = report.layers.some(({ copies }) => copies > 1);
  const rows = report.layers.map((layer) => [
    ...layerRow(layer, chips),
    ...(hasCopies ? [String(layer.copies)] : []),
  ]);
  return [
    `${style("strong", harmless(model))}  ${style("dim", about)}\n\n`,
    textTable(hasCopies ? [...columns, copiesColumn] : columns, rows, style),
    section("Host", hostLines(report), style),
    section("Chip image", imageLines(report, style), style),
    section("Accuracy (top-1)", accuracyLines(report, style), style),
    warningsText(report.warnings, style),
    section(
      "Written",
      [`${harmless(report.out)}: ${report.files.map(harmless).join(", ")}`],
      style,
    ),
    report.bitMatch === null ? "" : `\n${bitMatchText(report.bitMatch, style)}`,
  ].join("");
}

function accuracyLines({ accuracy, deployable }: ConvertReport, style: Style): readonly string[] {
  if (accuracy === null) return [];
  const { float, simulated, samples, changedImages } = accuracy;
  return [
    `float      ${accuracyText(float, samples)}`,
    `simulated  ${style("strong", accuracyText(simulated, samples))}${deployable ? "" : style("bad", "  not deployable")}`,
    `change     ${changeText(float, simulated, changedImages, samples)}`,
  ];
}

function layerRow(layer: ConvertLayer, chips: number): readonly string[] {
  const { major, sublayer } = layer;
  const place = major === null || sublayer === null ? "-" : `${major}.${sublayer}`;
  return [
    formatName(layer.name),
    chips === 1 ? place : `${layer.chip}: ${place}`,
    String(layer.coefficientBits),
    String(layer.shift),
    formatNumber(layer.maxWeight),
    formatNumber(layer.maxBias),
    formatNumber(layer.cap),
    layer.accumulatorBits === null ? "-" : String(layer.accumulatorBits),
  ];
}

function hostLines(report: ConvertReport): readonly string[] {
  const { hostOperations, ownOperation, labels, scaleFactor } = report;
  const operations = hostOperations.length === 0 ? "none" : hostOperations.map(harmless).join(", ");
  return [
    `operations: ${operations}`,
    ...(ownOperation === null
      ? []
      : [`as ONNX, an operation of Inlay's own: ${harmless(ownOperation)}`]),
    `labels: ${labels === null ? "none, so no LABEL layer" : labels}`,
    ...(report.editGain ? [`1.0 of the chip's last value is ${formatNumber(scaleFactor)}`] : []),
  ];
}

/** Which of the two images it is, and whether a device could run it. */
function imageLines(report: ConvertReport, style: Style): readonly string[] {
  const { image, modelFile, deployable, waived, accumulator } = report;
  const { bits, needed } = accumulator;
  const wide = needed === null ? "not known" : `${needed} bits`;
  const isNarrow = needed !== null && needed > bits;
  return [
    image === "inlay"
      ? `${harmless(modelFile)} holds Inlay's own image: for the simulator, no device takes it`
      : `${harmless(modelFile)} holds the vendor library's image: for the device`,
    ...(deployable
      ? []
      : [style("bad", `not deployable: waived ${waived.map(harmless).join(", ")}`)]),
    style(isNarrow ? "warn" : "dim", `accumulators: ${wide} hold every sum, ${bits} are assumed`),
  ];
}

export function predictText(report: PredictReport, style: Style): string {
  const { accumulator, deployable, waived } = report;
  const how = [
    `integer simulation for ${harmless(report.target)}`,
    ...(accumulator === null
      ? []
      : [`accumulators of ${accumulator.bits} bits that ${accumulator.overflow}`]),
  ].join(", ");
  const head = `${style("strong", harmless(report.model))}  ${style("dim", how)}\n`;
  const warning = deployable
    ? ""
    : `${style("bad", `not deployable: waived ${waived.map(harmless).join(", ")}`)}\n`;
  const pictures = report.pictures.map(({ name, best }) => {
    const lines = best.map((one) => {
      const label = one.name === null ? "" : `  ${harmless(one.id ?? "")} ${harmless(one.name)}`;
      return `  ${formatNumber(one.score).padStart(10)}  ${String(one.index).padStart(5)}${label}\n`;
    });
    return `\n${style("heading", harmless(name))}\n${lines.join("")}`;
  });
  return [head, warning, ...pictures, warningsText(report.warnings, style)].join("");
}
