/**
 * Small texts of the command line: colours, times, and names from files made harmless. The reports
 * themselves are rendered by the library.
 */
import type { Style } from "../index.ts";
import type { Io } from "./io.ts";

const codes = {
  heading: "1",
  strong: "1",
  dim: "2",
  good: "32",
  warn: "33",
  bad: "31",
} as const;

/** ANSI colours where a person watches and has not asked for none (no-color.org). */
export function styleFor(io: Io, stream: "stdout" | "stderr"): Style {
  const { NO_COLOR: noColor, TERM: term } = io.env;
  const isPlain = !io.isTty[stream] || (noColor ?? "") !== "" || term === "dumb";
  return isPlain ? (_role, text) => text : (role, text) => `\u001b[${codes[role]}m${text}\u001b[0m`;
}

/** Control and direction characters as `?`, so that no name from a file can steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "?");
}

/** `8 s`, `2 min 05 s`, `1 h 20 min`: as much as a person waiting needs. */
export function waitingTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
