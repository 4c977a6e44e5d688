/**
 * JSON as a type, and the few conversions that keep reports valid JSON. Reports hold numbers, not
 * strings; what is not known is null; NaN and infinities never reach a file.
 */

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** An echoed record, e.g. the preprocessing or the options of a command. */
export type JsonRecord = { readonly [key: string]: Json };

/** Decibels that stand for "no error at all": beyond what float32 arithmetic can show. */
export const exactDb = 200;

/** The number, or null where it is NaN, infinite or absent. */
export function finite(value: number | null | undefined): number | null {
  return value !== undefined && value !== null && Number.isFinite(value) ? value : null;
}

/** Decibels for a report: within -200..200, where 200 stands for an exact result; NaN becomes null. */
export function decibels(value: number | null | undefined): number | null {
  if (value === undefined || value === null || Number.isNaN(value)) return null;
  return Math.min(exactDb, Math.max(-exactDb, value));
}

/** The report as `--json` prints it: two spaces of indent, a newline at the end. */
export function toJson(report: object): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
