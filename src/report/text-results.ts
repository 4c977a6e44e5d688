/**
 * Evaluation, calibration, comparison and recipe runs as text.
 */
import {
  formatDb,
  formatName,
  formatNumber,
  formatPercent,
  formatSeconds,
  harmless,
} from "./format.ts";
import type {
  CalibrateReport,
  CompareLayer,
  CompareReport,
  EvaluateReport,
  RunReport,
} from "./reports.ts";
import { type Cell, type Column, type Role, type Style, textTable } from "./table.ts";
import { accuracyText, recordText, section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });

export function evaluateText(report: EvaluateReport, style: Style): string {
  const how = report.simulated ? "integer simulation" : "float";
  const facts: readonly (readonly [string, string | null])[] = [
    ["top-1", report.top1 && style("strong", accuracyText(report.top1, report.labelled))],
    ["top-5", report.top5 && accuracyText(report.top5, report.labelled)],
    ["samples", `${report.samples}, ${report.labelled} of them labelled`],
    ["changed", report.changed && `${report.changed.count} images against float`],
    ["time", `${formatSeconds(report.secondsPerImage)} per image`],
    ["images", harmless(report.images)],
    ["preprocessing", recordText(report.preprocessing)],
    ["device", `${report.device}${report.threads === null ? "" : `, ${report.threads} threads`}`],
    ["seed", report.seed === null ? null : String(report.seed)],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === null ? [] : [`${name.padEnd(15)}${value}\n`],
  );
  const mark = report.deployable === false ? `  ${style("bad", "not deployable")}` : "";
  const head = `${style("strong", harmless(report.model))}  ${style("dim", how)}${mark}\n`;
  return [head, ...lines, warningsText(report.warnings, style)].join("");
}

export function calibrateText(report: CalibrateReport, style: Style): string {
  const columns = [
    { title: "layer" },
    { title: "tensor" },
    ...["min", "max", "lo", "hi"].map(right),
  ];
  const rows = report.ranges.map((row) => [
    formatName(row.layer),
    row.tensor,
    ...[row.min, row.max, row.lo, row.hi].map(formatNumber),
  ]);
  const about = `method ${harmless(report.method)}, ${report.samples} images of ${harmless(report.images)}`;
  const time = `${formatSeconds(report.secondsPerImage)} per image`;
  return [
    `${style("strong", harmless(report.model))}  ${style("dim", `${about}, ${time}`)}\n\n`,
    textTable(columns, rows, style),
    warningsText(report.warnings, style),
  ].join("");
}

/** Below the threshold is bad; within 6 dB (one bit) of it is worth a look. */
export function dbRole(sqnrDb: number | null, thresholdDb: number): Role | undefined {
  if (sqnrDb === null || sqnrDb >= thresholdDb + 6) return undefined;
  return sqnrDb < thresholdDb ? "bad" : "warn";
}

const compareColumns: readonly Column[] = [
  { title: "layer" },
  { title: "operator" },
  ...["cosine", "SQNR", "max error", "saturated", "underflow", "weight SQNR"].map(right),
];

export function compareText(report: CompareReport, style: Style): string {
  const rows = report.layers.map((layer) => compareRow(layer, report.thresholdDb));
  return [
    `${style("strong", harmless(report.model))}  ${style("dim", `${report.samples} images of ${harmless(report.images)}`)}\n\n`,
    textTable(compareColumns, rows, style),
    section("Worst layers", worstLines(report), style),
    `\n${firstBelowText(report, style)}\n`,
    warningsText(report.warnings, style),
  ].join("");
}

function compareRow(layer: CompareLayer, thresholdDb: number): readonly Cell[] {
  const role = dbRole(layer.sqnrDb, thresholdDb);
  const sqnr = formatDb(layer.sqnrDb);
  return [
    formatName(layer.name),
    formatName(layer.op),
    layer.cosine === null ? "-" : layer.cosine.toFixed(6),
    role === undefined ? sqnr : { text: sqnr, role },
    formatNumber(layer.maxAbsError),
    formatPercent(layer.saturatedPercent),
    formatPercent(layer.underflowPercent),
    formatDb(layer.weightSqnrDb),
  ];
}

function worstLines(report: CompareReport): readonly string[] {
  const byName = new Map(report.layers.map((layer) => [layer.name, layer]));
  return report.worst
    .slice(0, 5)
    .map(
      (name) => `${formatDb(byName.get(name)?.sqnrDb ?? null).padStart(8)}  ${formatName(name)}`,
    );
}

function firstBelowText({ firstBelow, thresholdDb }: CompareReport, style: Style): string {
  if (firstBelow === null) return style("good", `No layer is below ${formatDb(thresholdDb)}.`);
  const text = `First layer below ${formatDb(firstBelow.thresholdDb)}: ${formatName(firstBelow.name)}`;
  return style("bad", text);
}

export function runText(report: RunReport, style: Style): string {
  const roles = { done: "good", skipped: "dim", failed: "bad" } as const;
  const rows = report.steps.map(({ name, status, seconds, note }): readonly Cell[] => [
    formatName(name),
    { text: status, role: roles[status] },
    formatSeconds(seconds),
    harmless(note ?? ""),
  ]);
  const columns = [{ title: "step" }, { title: "status" }, right("time"), { title: "" }];
  return [
    `${style("strong", harmless(report.recipe))}  ${style("dim", formatSeconds(report.seconds))}\n\n`,
    textTable(columns, rows, style),
    warningsText(report.warnings, style),
  ].join("");
}
