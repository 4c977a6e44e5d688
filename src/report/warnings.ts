/**
 * Warnings as reports carry them: each once, and never more than can be read.
 */
import type { Warning } from "../notice.ts";
import type { ReportWarning } from "./reports.ts";

/** Most warnings that one report lists; what goes beyond is counted in a last one. */
export const maxWarnings = 1000;

/** The warnings in the order given, without repetitions. */
export function reportWarnings(warnings: readonly Warning[]): readonly ReportWarning[] {
  const unique = new Map<string, ReportWarning>();
  for (const { id, message, where } of warnings) {
    const entry = { id, message, where: where ?? null };
    unique.set(JSON.stringify(entry), entry);
  }
  const all = [...unique.values()];
  if (all.length <= maxWarnings) return all;
  const rest = all.length - maxWarnings;
  return [
    ...all.slice(0, maxWarnings),
    { id: "more-warnings", message: `${rest} more warnings are left out`, where: null },
  ];
}
