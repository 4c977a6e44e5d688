/**
 * The calibration table as CSV, with the five columns that other tools' users know.
 */
import type { CalibrateReport } from "./reports.ts";

/** RFC 4180 with `\n` line ends; one row per tensor, in the report's order. */
export function rangesCsv(report: CalibrateReport): string {
  const header = ["Optimized Layer Name", "Network Layer Name", "Learnables / Activations"];
  const rows = report.ranges.map((row) => [
    row.layer,
    row.networkLayer,
    row.tensor,
    String(row.min),
    String(row.max),
  ]);
  return [[...header, "MinValue", "MaxValue"], ...rows]
    .map((cells) => `${cells.map(csvCell).join(",")}\n`)
    .join("");
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
