import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roundByHalf } from "../fixed/layer-shift.ts";
import { createRandom, type Random } from "../tensor/random.ts";
import { roundCompensated } from "./compensated-rounding.ts";

type Matrix = readonly (readonly number[])[];

/** Second moments of taps that go together, and weights of some rows. */
function drawnTask(
  random: Random,
  taps: number,
  rows: number,
): { moments: Matrix; weight: Matrix } {
  const mix = Array.from({ length: taps }, () => Array.from({ length: taps }, random.normal));
  const moments = mix.map((a) =>
    mix.map((b) => a.reduce((sum, x, at) => sum + x * (b[at] ?? 0), 0)),
  );
  const weight = Array.from({ length: rows }, () =>
    Array.from({ length: taps }, () => 6 * random.normal()),
  );
  return { moments, weight };
}

function rounded({ moments, weight }: ReturnType<typeof drawnTask>, largest: number): number[][] {
  const taps = moments.length;
  const levels = Float64Array.from(weight.flat());
  const flat = Float64Array.from(moments.flat());
  roundCompensated({ weight: levels, moments: flat, taps, largest });
  return weight.map((_, row) => [...levels.subarray(row * taps, (row + 1) * taps)]);
}

/** `e M e'`. */
function squaredError(error: readonly number[], moments: Matrix): number {
  return error.reduce(
    (sum, a, i) => sum + error.reduce((part, b, j) => part + a * b * (moments[i]?.[j] ?? 0), 0),
    0,
  );
}

/** Solves `A x = b` by elimination; A is small and positive. */
function solved(a: Matrix, b: readonly number[]): number[] {
  const rows = a.map((row, at) => [...row, b[at] ?? 0]);
  for (const [at, row] of rows.entries()) {
    for (const other of rows) {
      if (other === row) continue;
      const share = (other[at] ?? 0) / (row[at] ?? 1);
      for (const [j, value] of row.entries()) other[j] = (other[j] ?? 0) - share * value;
    }
  }
  return rows.map((row, at) => (row.at(-1) ?? 0) / (row[at] ?? 1));
}

/**
 * The definition: each tap is rounded where it stands, and the taps that are left then take the values with which the
 * squared error is least. Undefined where a value lies so near a tie that float64 cannot tell.
 */
function defined(
  weight: readonly number[],
  moments: Matrix,
  largest: number,
): number[] | undefined {
  const taps = weight.length;
  const trace = moments.reduce((sum, row, at) => sum + (row[at] ?? 0), 0);
  const damped = moments.map((row, i) =>
    row.map((m, j) => m + (i === j ? (0.03 * trace) / taps : 0)),
  );
  const variance = (tap: number): number => moments[tap]?.[tap] ?? 0;
  const order = weight.map((_, at) => at).toSorted((a, b) => variance(b) - variance(a));
  const error = new Array<number>(taps).fill(0);
  const levels = [...weight];
  for (const [done, tap] of order.entries()) {
    const left = order.slice(done);
    // With the errors made so far, the rest is best where `M_left,left e_left = -M_left,done e_done`.
    const known = order.slice(0, done);
    const right = left.map((i) =>
      known.reduce((sum, j) => sum - (damped[i]?.[j] ?? 0) * (error[j] ?? 0), 0),
    );
    const block = left.map((i) => left.map((j) => damped[i]?.[j] ?? 0));
    const best = (weight[tap] ?? 0) - (solved(block, right)[0] ?? 0);
    if (Math.abs(Math.abs(best % 1) - 0.5) < 1e-6) return undefined;
    levels[tap] = Math.min(Math.max(roundByHalf(best), -largest), largest);
    error[tap] = (weight[tap] ?? 0) - (levels[tap] ?? 0);
  }
  return levels;
}

describe("roundCompensated", () => {
  const tasks = fc.record({
    seed: fc.nat(),
    taps: fc.integer({ min: 1, max: 8 }),
    rows: fc.integer({ min: 1, max: 3 }),
    largest: fc.constantFrom(3, 127),
  });

  it("is its definition, row by row", () => {
    fc.assert(
      fc.property(tasks, ({ seed, taps, rows, largest }) => {
        const task = drawnTask(createRandom(seed), taps, rows);
        const found = rounded(task, largest);
        for (const [row, weight] of task.weight.entries()) {
          const want = defined(weight, task.moments, largest);
          if (want !== undefined) expect(found[row]).toEqual(want);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("rounds each alone where taps have nothing to do with each other, or nothing varies", () => {
    fc.assert(
      fc.property(tasks, ({ seed, taps, rows, largest }) => {
        const random = createRandom(seed);
        const { weight } = drawnTask(random, taps, rows);
        const variances = Array.from({ length: taps }, () => random.below(4));
        const moments = variances.map((own, i) => variances.map((_, j) => (i === j ? own : 0)));
        const alone = weight.map((row) =>
          row.map((w) => Math.min(Math.max(roundByHalf(w), -largest), largest)),
        );
        expect(rounded({ moments, weight }, largest)).toEqual(alone);
      }),
      { numRuns: 100 },
    );
  });

  it("leaves a fraction of the squared error where taps go together", () => {
    const random = createRandom(3);
    let [compensated, nearest] = [0, 0];
    for (let at = 0; at < 200; at += 1) {
      const task = drawnTask(random, 12, 1);
      const [weight = []] = task.weight;
      const [levels = []] = rounded(task, 127);
      const errorOf = (q: readonly number[]): number =>
        squaredError(
          weight.map((w, tap) => w - (q[tap] ?? 0)),
          task.moments,
        );
      compensated += errorOf(levels);
      nearest += errorOf(weight.map(roundByHalf));
    }
    expect(compensated).toBeLessThan(0.5 * nearest);
  });

  it("tells copies of one tap apart, so that together they have finer levels", () => {
    // Two taps that read the same: 0.25 + 0.25 is a half either way, 0.75 + 0.75 is 1.5 and no 2.
    const moments = [
      [1, 0.999],
      [0.999, 1],
    ];
    const sum = (w: number): number => {
      const [levels = []] = rounded({ moments, weight: [[w, w]] }, 127);
      return levels.reduce((a, b) => a + b, 0);
    };
    expect(sum(0.3)).toBe(1);
    expect(sum(0.7)).toBe(1);
    expect(sum(1.3)).toBe(3);
  });
});
