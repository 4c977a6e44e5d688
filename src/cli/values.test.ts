import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  looksLikeNumbers,
  parseCount,
  parseFraction,
  parseNumbers,
  parseResize,
  parseShare,
} from "./values.ts";

describe("flag values", () => {
  it("numbers come back as they were printed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        (values) => {
          const text = values.join(",");
          expect(looksLikeNumbers(text)).toBe(true);
          expect(parseNumbers(text)).toEqual(values.map((value) => value + 0));
        },
      ),
    );
  });

  it.each(["mean.binaryproto", "104,117,", "1;2", "", "0x10", "1e", "Infinity"])(
    "%j is no list of numbers",
    (text) => {
      expect(looksLikeNumbers(text)).toBe(false);
      expect(() => parseNumbers(text)).toThrow(/Expected a number/);
    },
  );

  it("reads sizes, fractions, shares, counts", () => {
    expect(parseResize("256")).toEqual({ kind: "shorter", size: 256 });
    expect(parseResize("320x240")).toEqual({ kind: "exact", width: 320, height: 240 });
    expect(parseFraction("1/255")).toBe(1 / 255);
    expect(parseFraction("0.017")).toBe(0.017);
    expect(parseShare("0.7")).toBe(0.7);
    expect(parseCount("8")).toBe(8);
  });

  it.each(["0", "-1", "2.5", "x", "99999999999999999999"])("%j is no count", (text) => {
    expect(() => parseCount(text)).toThrow(/positive integer/);
  });

  it.each(["0x240", "320x", "x", "-5", "1e3", "0"])("%j is no size", (text) => {
    expect(() => parseResize(text)).toThrow(/Expected/);
  });

  it.each(["1/0", "1/2/3", "/2", "a/b"])("%j is no fraction", (text) => {
    expect(() => parseFraction(text)).toThrow(/Expected/);
  });
});
