import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Rounding,
  roundHalfAway,
  roundHalfEven,
  roundHalfUp,
  roundings,
  saturate,
} from "./rounding.ts";

const ties = [-2.5, -1.5, -0.5, -0, 0, 0.5, 1.5, 2.5];
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const small = fc.double({ min: -1000, max: 1000, noNaN: true });
const halves = fc.integer({ min: -(2 ** 30), max: 2 ** 30 }).map((twice) => twice / 2);
const names = fc.constantFrom<Rounding>("halfEven", "halfAway", "halfUp");

describe("ties", () => {
  it("half even", () => {
    expect(ties.map(roundHalfEven)).toEqual([-2, -2, -0, -0, 0, 0, 2, 2]);
  });
  it("half away", () => {
    expect(ties.map(roundHalfAway)).toEqual([-3, -2, -1, -0, 0, 1, 2, 3]);
  });
  it("half up", () => {
    expect(ties.map(roundHalfUp)).toEqual([-2, -1, -0, -0, 0, 1, 2, 3]);
  });
});

describe.each(Object.keys(roundings) as Rounding[])("%s", (name) => {
  const round = roundings[name];

  it("rounds the neighbours of one half and the largest odd doubles right", () => {
    expect(round(0.49999999999999994)).toBe(0);
    expect(round(-0.49999999999999994)).toBe(-0);
    expect(round(0.5000000000000001)).toBe(1);
    expect(round(-0.5000000000000001)).toBe(-1);
    expect(round(2 ** 52 - 1)).toBe(2 ** 52 - 1);
    expect(round(2 ** 52 + 1)).toBe(2 ** 52 + 1);
    expect(round(2 ** 53 - 1)).toBe(2 ** 53 - 1);
    expect(round(-(2 ** 52) - 1)).toBe(-(2 ** 52) - 1);
    expect(round(2 ** 51 + 0.75)).toBe(2 ** 51 + 1);
    expect(round(Number.MAX_VALUE)).toBe(Number.MAX_VALUE);
    expect(round(Number.MIN_VALUE)).toBe(0);
    expect(round(-Number.MIN_VALUE)).toBe(-0);
  });

  it("gives infinities and NaN back", () => {
    expect([Infinity, -Infinity, NaN].map(round)).toEqual([Infinity, -Infinity, NaN]);
  });

  it("gives an integer at most one half away, with the sign kept", () => {
    fc.assert(
      fc.property(fc.oneof(finite, small, halves), (x) => {
        const rounded = round(x);
        expect(Number.isInteger(rounded)).toBe(true);
        expect(Math.abs(rounded - x)).toBeLessThanOrEqual(0.5);
        if (rounded === 0) expect(Object.is(rounded, -0)).toBe(x < 0 || Object.is(x, -0));
      }),
    );
  });

  it("is monotone and idempotent", () => {
    fc.assert(
      fc.property(fc.oneof(finite, small), fc.oneof(finite, small), (a, b) => {
        expect(round(Math.min(a, b))).toBeLessThanOrEqual(round(Math.max(a, b)));
        expect(round(round(a))).toBe(round(a));
      }),
    );
  });
});

it("the three differ on ties alone", () => {
  fc.assert(
    fc.property(names, small, (name, x) => {
      fc.pre(Math.abs(x - Math.trunc(x)) !== 0.5);
      expect(roundings[name](x)).toBe(roundHalfEven(x));
    }),
  );
});

it("ties go to the even, the outer and the upper neighbour", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), (below) => {
      const tie = below + 0.5;
      expect(Math.abs(roundHalfEven(tie)) % 2).toBe(0);
      expect(Math.abs(roundHalfAway(tie))).toBe(Math.abs(tie) + 0.5);
      expect(roundHalfUp(tie) + 0).toBe(below + 1);
    }),
  );
});

describe("saturate", () => {
  it("limits both ends, and NaN to the lower one", () => {
    const limited = [-Infinity, -129, -128, 5, 127, 128, Infinity, NaN].map((x) =>
      saturate(x, -128, 127),
    );
    expect(limited).toEqual([-128, -128, -128, 5, 127, 127, 127, -128]);
  });
  it("is the value or a bound, monotone and idempotent", () => {
    fc.assert(
      fc.property(finite, finite, fc.integer(), fc.nat(), (a, b, low, width) => {
        const high = low + width;
        const limited = saturate(a, low, high);
        expect([a, low, high]).toContain(limited);
        expect(limited).toBeGreaterThanOrEqual(low);
        expect(limited).toBeLessThanOrEqual(high);
        expect(saturate(limited, low, high)).toBe(limited);
        const [first, second] = [Math.min(a, b), Math.max(a, b)];
        expect(saturate(first, low, high)).toBeLessThanOrEqual(saturate(second, low, high));
      }),
    );
  });
});
