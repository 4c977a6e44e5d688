/**
 * Pieces of text that several reports share: accuracy lines, warnings, findings, echoed records.
 */
import { formatName, formatPercent, harmless } from "./format.ts";
import type { Json, JsonRecord } from "./json.ts";
import type { Accuracy, Finding, InspectReport, ReportWarning } from "./reports.ts";
import type { Style } from "./table.ts";

/** `70.60 % (353 of 500; 95 % interval 66.46 to 74.42)` */
export function accuracyText(accuracy: Accuracy, total: number): string {
  const [lo, hi] = accuracy.interval;
  const interval = `95 % interval ${lo.toFixed(2)} to ${hi.toFixed(2)}`;
  return `${formatPercent(accuracy.percent)} (${accuracy.count} of ${total}; ${interval})`;
}

/** `+0.80 points; 16 images (3.20 %) changed their best class`. */
export function changeText(
  before: { readonly percent: number },
  after: { readonly percent: number },
  changed: number,
  total: number,
): string {
  const points = (after.percent - before.percent).toFixed(2);
  const change = `${points.startsWith("-") ? points : `+${points}`} points`;
  const share = formatPercent((100 * changed) / Math.max(1, total));
  return `${change}; ${changed} images (${share}) changed their best class`;
}

/** ` for a batch of 64`, where the network declares one; nothing for a single image. */
export function batchText({ inputs }: InspectReport): string {
  const batch = inputs[0]?.shape?.[0] ?? 1;
  return batch > 1 ? ` for a batch of ${batch}` : "";
}

/** A heading and its lines, indented; nothing where there are no lines. */
export function section(title: string, lines: readonly string[], style: Style): string {
  if (lines.length === 0) return "";
  return `\n${style("heading", title)}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

export function warningsText(warnings: readonly ReportWarning[], style: Style): string {
  const lines = warnings.map(({ where, message }) => {
    const place = where === null ? "" : `${harmless(where)}: `;
    return style("warn", place + harmless(message));
  });
  return section("Warnings", lines, style);
}

/** Nodes that are named one by one; of longer lists the first few, and how many more. */
const namedNodes = 3;

/** One line per finding: `conv1: 67 % of the weights are zero`; of many of a kind, a few. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const group = groups.get(finding.kind);
    if (group === undefined) groups.set(finding.kind, [finding]);
    else group.push(finding);
  }
  return [...groups].flatMap(([kind, group]) => groupLines(kind, group));
}

function groupLines(kind: string, group: readonly Finding[]): readonly string[] {
  const line = (finding: Finding): string => {
    const node = finding.node === null ? "" : `${formatName(finding.node)}: `;
    return `${node}${harmless(finding.message)}`;
  };
  if (group.length <= namedNodes) return group.map(line);
  const first = group.slice(0, namedNodes - 1).map(line);
  return [...first, `and ${group.length - first.length} more of this kind (${harmless(kind)})`];
}

/** `crop=227 order=bgr mean=104,117,123`; what is null is left out. */
export function recordText(record: JsonRecord): string {
  return Object.entries(record)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${harmless(key)}=${harmless(jsonText(value))}`)
    .join(" ");
}

export function jsonText(value: Json): string {
  if (typeof value === "string") return value;
  const flat = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return flat ? value.join(",") : JSON.stringify(value);
}
