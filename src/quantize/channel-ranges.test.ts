import { describe, expect, it } from "vitest";
import { createRandom } from "../tensor/random.ts";
import { bestEnd } from "./channel-ranges.ts";

/** Counts of 512 equal parts of 0..1. */
function histogramOf(values: readonly number[]): Uint32Array {
  const counts = new Uint32Array(512);
  for (const x of values) {
    const at = Math.min(511, Math.floor(x * 512));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

/** Mean squared error of values that 31 steps up to `end` show. */
function error(values: readonly number[], end: number): number {
  const step = end / 31;
  const errors = values.map((x) => (x - Math.min(31, Math.floor(x / step + 0.5)) * step) ** 2);
  return errors.reduce((a, b) => a + b, 0) / values.length;
}

describe("bestEnd", () => {
  it("keeps the whole range where values fill it evenly", () => {
    const values = Array.from({ length: 5120 }, (_, at) => at / 5120);
    expect(bestEnd(histogramOf(values), 31)).toBeGreaterThan(0.95);
  });

  it("gives up a rare peak, and so shows the others better", () => {
    const random = createRandom(1);
    const few = Array.from({ length: 20_000 }, () => Math.min(1, Math.abs(random.normal()) / 6));
    const end = bestEnd(histogramOf(few), 31);
    expect(end).toBeGreaterThan(0.4);
    expect(end).toBeLessThan(0.75);
    expect(error(few, end)).toBeLessThan(0.7 * error(few, 1));
  });

  it("keeps the range of a channel that was never above 0", () => {
    expect(bestEnd(new Uint32Array(512), 31)).toBe(1);
  });
});
