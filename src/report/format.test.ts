import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDb,
  formatDims,
  formatName,
  formatNumber,
  formatPercent,
  formatSeconds,
  harmless,
} from "./format.ts";
import { decibels, finite } from "./json.ts";

describe("numbers", () => {
  test("counts and bytes change their prefix where three digits would round up", () => {
    expect([0, 7, 999, 1000, 999_499, 999_600, 1_240_000, 4.3e9].map(formatCount)).toEqual([
      "0",
      "7",
      "999",
      "1.00 k",
      "999 k",
      "1.00 M",
      "1.24 M",
      "4.30 G",
    ]);
    expect([0, 896, 18_300_000, null].map(formatBytes)).toEqual(["0 B", "896 B", "18.3 MB", "-"]);
  });

  test("never prints four digits before the unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (value) => {
        expect(formatCount(value)).toMatch(/^(\d{1,3}|\d\.\d\d|\d\d\.\d)( [kMGTPE])?$/);
      }),
    );
  });

  test("percent keeps what is small apart from zero", () => {
    expect([0, 0.001, 0.5, 100, null].map((value) => formatPercent(value))).toEqual([
      "0.00 %",
      "< 0.01 %",
      "0.50 %",
      "100.00 %",
      "-",
    ]);
  });

  test("decibels", () => {
    expect([38.24, -3, 200, null].map(formatDb)).toEqual(["38.2 dB", "-3.0 dB", "exact", "-"]);
    const raw = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 12.5, undefined];
    expect(raw.map(decibels)).toEqual([200, -200, null, 12.5, null]);
    expect(raw.map(finite)).toEqual([null, null, null, 12.5, null]);
  });

  test("seconds", () => {
    expect([0, 0.0000124, 0.0124, 0.9996, 1.24, 59.99, 200, 7500].map(formatSeconds)).toEqual([
      "0 s",
      "12.4 us",
      "12.4 ms",
      "1.00 s",
      "1.24 s",
      "1 min 0 s",
      "3 min 20 s",
      "2 h 05 min",
    ]);
  });

  test("plain numbers", () => {
    expect([0, 0.012345678, -139.34, 123456, 1.2e-9, 3e12, 2].map(formatNumber)).toEqual([
      "0",
      "0.01235",
      "-139.3",
      "123456",
      "1.2e-9",
      "3e12",
      "2",
    ]);
  });

  test("plain numbers are within half a percent", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 }),
        (value) => {
          expect(Math.abs(Number(formatNumber(value)) - value)).toBeLessThanOrEqual(
            Math.abs(value) * 5.01e-3,
          );
        },
      ),
    );
  });
});

describe("names", () => {
  test("escapes and direction signs do not reach the terminal", () => {
    expect(harmless("a\u001b[31mred\u202e\u0000\n")).toBe("a?[31mred???");
  });

  test("long names lose their middle", () => {
    expect(formatName(`start${"x".repeat(100)}end`)).toMatch(/^startx+…x+end$/);
    expect(formatName("x".repeat(1000))).toHaveLength(47);
  });

  test("shapes", () => {
    expect([[1, 3, 4, 5], [], null].map(formatDims)).toEqual(["1x3x4x5", "scalar", "?"]);
  });
});
