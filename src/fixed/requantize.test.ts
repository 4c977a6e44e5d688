import fc from "fast-check";
import { expect, it } from "vitest";
import { addToGrid, realValue, requantize, toGrid } from "./requantize.ts";

const int8 = { yZero: 0, qMin: -128, qMax: 127 };
const accumulators = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const multipliers = fc.float({ min: Math.fround(1e-9), max: 4, noNaN: true });
const grids = fc
  .record({ signed: fc.boolean(), zero: fc.nat(255), narrow: fc.nat(100) })
  .map(({ signed, zero, narrow }) => {
    const base = signed ? -128 : 0;
    return { yZero: base + zero, qMin: base + narrow, qMax: base + 255 };
  });

it("rounds ties to even and saturates at both ends", () => {
  const accs = [-1000, -256, -3, -1, 0, 1, 3, 254, 1000];
  expect(accs.map((acc) => requantize(acc, 0.5, int8))).toEqual([
    -128, -128, -2, 0, 0, 0, 2, 127, 127,
  ]);
  const grid = { yZero: 128, qMin: 128, qMax: 255 };
  expect([-9, -1, 1, 3, 500].map((acc) => requantize(acc, 0.5, grid))).toEqual([
    128, 128, 128, 130, 255,
  ]);
});

it("rounds the accumulator to float32 first", () => {
  // 2^24 + 1 is not a float32: it becomes 2^24.
  expect(realValue(2 ** 24 + 1, 1)).toBe(2 ** 24);
  expect(realValue(2 ** 24 + 3, 1)).toBe(2 ** 24 + 4);
});

it("rounds the product to float32 before rounding it to an integer", () => {
  // 5 * fround(0.1) is 0.500000007...: above the tie in double, on the tie in float32.
  expect(5 * Math.fround(0.1)).toBeGreaterThan(0.5);
  expect(requantize(5, Math.fround(0.1), int8)).toBe(0);
});

it("stays in range, is monotone in the accumulator, and gives yZero for 0", () => {
  fc.assert(
    fc.property(accumulators, accumulators, multipliers, grids, (a, b, multiplier, grid) => {
      const low = requantize(Math.min(a, b), multiplier, grid);
      const high = requantize(Math.max(a, b), multiplier, grid);
      expect(Number.isInteger(low) && !Object.is(low, -0)).toBe(true);
      expect(low).toBeGreaterThanOrEqual(grid.qMin);
      expect(high).toBeLessThanOrEqual(grid.qMax);
      expect(low).toBeLessThanOrEqual(high);
      expect(requantize(0, multiplier, grid)).toBe(Math.max(grid.yZero, grid.qMin));
    }),
  );
});

it("with multiplier 1 is the clamped integer itself", () => {
  fc.assert(
    fc.property(fc.integer({ min: -300, max: 300 }), (acc) => {
      expect(requantize(acc, 1, int8)).toBe(Math.max(-128, Math.min(127, acc)));
      expect(requantize(requantize(acc, 1, int8), 1, int8)).toBe(requantize(acc, 1, int8));
    }),
  );
});

it("adds two grids as the worked example says", () => {
  const grid = { yZero: 3, qMin: 0, qMax: 255 };
  const sums = (
    [
      [1, 0],
      [3, 0],
      [1, 2],
      [-9, 0],
      [300, 600],
    ] as const
  ).map((pair) => addToGrid(pair, [0.5, 0.25], grid));
  expect(sums).toEqual([3, 5, 4, 0, 255]);
});

it("addition does not depend on the order of its operands", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -255, max: 255 }),
      fc.integer({ min: -255, max: 255 }),
      multipliers,
      multipliers,
      (a, b, ma, mb) => {
        expect(addToGrid([a, b], [ma, mb], int8)).toBe(addToGrid([b, a], [mb, ma], int8));
      },
    ),
  );
});

it("NaN gives the lower end", () => {
  expect(toGrid(NaN, int8)).toBe(-128);
});
