import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHalf, toHalf } from "./half.ts";

describe("half precision", () => {
  test.each([
    [0, 0],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [3 * 2 ** -25, 0x0002],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -14 - 2 ** -25, 0x0400],
    [Infinity, 0x7c00],
    [NaN, 0x7e00],
  ])("%f -> %i, ties to even", (value, bits) => {
    expect(toHalf(value)).toBe(bits);
  });

  test("every half comes back as itself", () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const isNan = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
      if (isNan) expect(fromHalf(bits)).toBeNaN();
      else if (toHalf(fromHalf(bits)) !== bits) expect(toHalf(fromHalf(bits))).toBe(bits);
    }
  });

  test("no other half is nearer", () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const bits = toHalf(value);
        const error = Math.abs(fromHalf(bits) - value);
        for (const other of [bits - 1, bits + 1]) {
          const near = fromHalf(other & 0xffff);
          if (Number.isFinite(near)) expect(Math.abs(near - value)).toBeGreaterThanOrEqual(error);
        }
      }),
    );
  });
});
