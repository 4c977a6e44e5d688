/**
 * Calibration of caps and refining as text.
 */
import { formatCount, formatName, formatNumber, harmless } from "./format.ts";
import type { CalibrateQuantReluReport, RefineNetworkReport, RefineStep } from "./mdk.ts";
import { type Cell, type Column, type Style, textTable } from "./table.ts";
import { section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });
/** One line of names; none of no names. */
const names = (list: readonly string[]): readonly string[] =>
  list.length === 0 ? [] : [list.map((name) => formatName(name)).join(", ")];
const shortest = (value: number): string => String(Number(value.toPrecision(7)));

export function calibrateQuantReluText(report: CalibrateQuantReluReport, style: Style): string {
  const { samples, batches, percentile } = report;
  const about = `${samples} images in ${batches} batches of ${harmless(report.images)}, percentile ${percentile}`;
  const columns = [
    { title: "layer" },
    { title: "watched" },
    ...["values", "value", "cap"].map(right),
  ];
  const rows = report.layers.map(({ layer, watched, count, value, cap }): readonly Cell[] => [
    formatName(layer),
    formatName(watched),
    formatCount(count),
    shortest(value),
    cap === value ? shortest(cap) : { text: shortest(cap), role: "strong" },
  ]);
  const shared = report.layers.some(({ cap, value }) => cap !== value);
  return [
    `${style("strong", harmless(report.prototxt))}  ${style("dim", about)}\n\n`,
    textTable(columns, rows, style),
    shared ? "\nA cap that differs from its value is shared: a shortcut joins the layers.\n" : "",
    section("Written", report.files.map(harmless), style),
    warningsText(report.warnings, style),
  ].join("");
}

export function refineNetworkText(report: RefineNetworkReport, style: Style): string {
  const { inputScale, imageMeans, actBits, lastLayer10bit } = report;
  const means = imageMeans.length > 0 ? `, means ${imageMeans.map(shortest).join(", ")}` : "";
  const last = lastLayer10bit ? ", 10 in the last" : "";
  const about = `input level ${shortest(inputScale)}${means}; ${actBits}-bit activations${last}`;
  const columns = [
    { title: "layer" },
    { title: "activation" },
    ...["alpha", "gain W", "gain B", "max W", "max B", "cap"].map(right),
  ];
  const rows = report.layers.map((layer): readonly Cell[] => [
    formatName(layer.convolution),
    formatName(layer.activation),
    ...[layer.alpha, layer.gainWeights, layer.gainBias].map(shortest),
    ...[layer.maxWeight, layer.maxBias].map(formatNumber),
    shortest(layer.chipCap),
  ]);
  return [
    `${style("strong", harmless(report.prototxt))}  ${style("dim", about)}\n\n`,
    textTable(columns, rows, style),
    `\nscale factor ${shortest(report.scaleFactor)}: the host multiplies the chip's output by it\n`,
    section("Steps", report.steps.map(stepText), style),
    section("Removed layers", names(report.removedLayers), style),
    section("Added layers", names(report.addedLayers), style),
    section("Written", report.files.map(harmless), style),
    warningsText(report.warnings, style),
  ].join("");
}

function stepText({ name, done, error, layer, allowed }: RefineStep): string {
  if (!done) return `${name}: nothing to do`;
  if (error === null) return `${name}: done, not compared`;
  const place = layer === null ? "" : ` at ${formatName(layer)}`;
  return `${name}: done; changes values by ${formatNumber(error)}${place} (allowed: ${formatNumber(allowed)})`;
}
