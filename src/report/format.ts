/**
 * Numbers and names as people read them: three or four significant digits, with units. Reports
 * themselves hold plain numbers; only text and HTML come through here.
 */
import { exactDb } from "./json.ts";

/** What stands for a number that is not known. */
const unknown = "-";

type Maybe = number | null;
const prefixes = ["", "k", "M", "G", "T", "P", "E"] as const;

/** 999 -> `999`, 1240000 -> `1.24 M`. `unit` follows the prefix: 18300000 bytes -> `18.3 MB`. */
function withPrefix(value: number, unit: string): string {
  let step = 0;
  let scaled = value;
  // 999.5 would print as 1000: rounding decides on the prefix.
  while (Math.abs(scaled) >= 999.5 && step < prefixes.length - 1) {
    scaled /= 1000;
    step += 1;
  }
  const digits = step === 0 ? String(scaled) : scaled.toPrecision(3);
  return `${digits} ${prefixes[step]}${unit}`.trimEnd();
}

export function formatCount(value: Maybe): string {
  return value === null ? unknown : withPrefix(value, "");
}

/** Bytes in powers of 1000: `4.99 MB`. */
export function formatBytes(value: Maybe): string {
  return value === null ? unknown : withPrefix(value, "B");
}

/** `70.60 %`; shares above zero that would print as zero: `< 0.01 %`. */
export function formatPercent(value: Maybe, digits = 2): string {
  if (value === null) return unknown;
  const least = 10 ** -digits;
  if (value > 0 && value < least / 2) return `< ${least} %`;
  return `${value.toFixed(digits)} %`;
}

/** `38.2 dB`; the ceiling stands for no error at all: `exact`. */
export function formatDb(value: Maybe): string {
  if (value === null) return unknown;
  return value >= exactDb ? "exact" : `${value.toFixed(1)} dB`;
}

/** `12.4 ms`, `1.24 s`, `3 min 20 s`, `2 h 05 min`. */
export function formatSeconds(value: Maybe): string {
  if (value === null) return unknown;
  if (value === 0) return "0 s";
  if (value < 1e-3) return `${(value * 1e6).toPrecision(3)} us`;
  if (value < 0.9995) return `${(value * 1e3).toPrecision(3)} ms`;
  if (value < 59.95) return `${value.toPrecision(3)} s`;
  const whole = Math.round(value);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return `${minutes} min ${whole % 60} s`;
}

/** Four significant digits or whole numbers, exponent only for the very small and large: `0.01235`, `-139.3`, `1.2e-9`. */
export function formatNumber(value: Maybe): string {
  if (value === null) return unknown;
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude < 1e-4 || magnitude >= 1e7) {
    return value
      .toExponential(2)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  }
  if (magnitude >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(4)));
}

/** `1x3x224x224`; `?` where unknown. */
export function formatDims(shape: readonly number[] | null): string {
  if (shape === null) return "?";
  return shape.length === 0 ? "scalar" : shape.join("x");
}

/** Longest run of one name in a table. */
const longestName = 48;

/**
 * A name from a file as harmless text: control and direction characters (terminal escapes among
 * them) become `?`, long names lose their middle.
 */
export function formatName(name: string, longest: number = longestName): string {
  const text = harmless(name);
  if (text.length <= longest) return text;
  const half = Math.floor((longest - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(text.length - half)}`;
}

/** Text from a file without control and direction characters, at full length. */
export function harmless(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "?");
}
