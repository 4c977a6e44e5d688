import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinBytes } from "../../../tensor/chunks.ts";
import { createRandom } from "../../../tensor/random.ts";
import { coefficientText, formatC16e, readCoefficients } from "./coefficients-text.ts";

/** `%.16e` by integer arithmetic alone: x = numerator / denominator, rounded half to even to 17 digits. */
function exactC16e(x: number): string {
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  if (x === 0) return `${sign}0.${"0".repeat(16)}e+00`;
  const [numerator, denominator] = exactFraction(Math.abs(x));
  for (let exponent = Math.floor(Math.log10(Math.abs(x))) - 1; ; exponent += 1) {
    const top = numerator * 10n ** BigInt(Math.max(16 - exponent, 0));
    const bottom = denominator * 10n ** BigInt(Math.max(exponent - 16, 0));
    // The exact value decides on the exponent, save that 9.99...95 rounds up to the next.
    if (top / bottom >= 10n ** 17n) continue;
    const text = `${dividedHalfEven(top, bottom)}`;
    return exactText(sign, text.slice(0, 17), exponent + text.length - 17);
  }
}

/** A double above 0 as numerator and denominator. */
function exactFraction(x: number): [bigint, bigint] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const mantissa = (bits & (2n ** 52n - 1n)) | (biased === 0 ? 0n : 2n ** 52n);
  const power = (biased === 0 ? 1 : biased) - 1075;
  return power > 0 ? [mantissa << BigInt(power), 1n] : [mantissa, 1n << BigInt(-power)];
}

function dividedHalfEven(top: bigint, bottom: bigint): bigint {
  const twice = 2n * (top % bottom);
  const down = top / bottom;
  return twice > bottom || (twice === bottom && down % 2n === 1n) ? down + 1n : down;
}

function exactText(sign: string, digits: string, exponent: number): string {
  const size = `${Math.abs(exponent)}`.padStart(2, "0");
  return `${sign}${digits[0]}.${digits.slice(1)}e${exponent < 0 ? "-" : "+"}${size}`;
}

const textOf = (values: Float32Array): string =>
  new TextDecoder().decode(joinBytes([...coefficientText([values])]));

const file = (text: string) => ({ name: "filter.txt", bytes: new TextEncoder().encode(text) });

describe("formatC16e", () => {
  it("prints what C prints", () => {
    const printed: readonly (readonly [number, string])[] = [
      [0, "0.0000000000000000e+00"],
      [-0, "-0.0000000000000000e+00"],
      [0.25, "2.5000000000000000e-01"],
      [-299 / 2048, "-1.4599609375000000e-01"],
      [2 ** -25, "2.9802322387695312e-08"],
      [3 * 2 ** -25, "8.9406967163085938e-08"],
      [2 ** -149, "1.4012984643248171e-45"],
      [3.4028234663852886e38, "3.4028234663852886e+38"],
      [1e100, "1.0000000000000000e+100"],
      [Number.NEGATIVE_INFINITY, "-inf"],
      [Number.NaN, "nan"],
    ];
    for (const [value, text] of printed) expect(formatC16e(value)).toBe(text);
  });

  it("equals integer arithmetic for floats and doubles of every size", () => {
    const some = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(some, (x) => {
        expect(formatC16e(x)).toBe(exactC16e(x));
      }),
      { numRuns: 5000 },
    );
  });

  it("takes the even digit at every tie", () => {
    let ties = 0;
    for (let power = 2; power <= 25; power++) {
      const least = Math.ceil(1e17 / 5 ** power);
      for (let step = 0; step < 40; step++) {
        const odd = (least + step * Math.max(1, Math.floor(least / 7))) | 1;
        if (odd * 5 ** power >= 1e18 || odd > 2 ** 30) continue;
        const x = odd * 2 ** -power;
        expect(formatC16e(x)).toBe(exactC16e(x));
        const isTie = /^50*e/.test(x.toExponential(40).slice(18));
        ties += isTie ? 1 : 0;
      }
    }
    expect(ties).toBeGreaterThan(50);
  });

  it("equals integer arithmetic on the grids of all shifts", () => {
    for (let shift = 0; shift <= 24; shift++) {
      for (let integer = -2047; integer <= 2047; integer += 23) {
        const x = Math.fround(integer * 2 ** -shift);
        expect(formatC16e(x)).toBe(exactC16e(x));
      }
    }
  });
});

describe("coefficient files", () => {
  it("come back bit for bit, -0 apart from 0", () => {
    const values = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 200 });
    fc.assert(
      fc.property(values, (array) => {
        const text = textOf(array);
        const expected = Array.from(array, (value) => `${formatC16e(value)}\n`).join("");
        expect(text).toBe(expected);
        const [back] = readCoefficients(file(text), [array.length]);
        expect(back).toEqual(array);
      }),
    );
  });

  it("are written in pieces, and layers are told apart when read", () => {
    const random = createRandom(4);
    const sizes = [60_000, 1, 40_000];
    // More different values than lines are kept, and many that repeat.
    const layers = sizes.map((size) =>
      Float32Array.from({ length: size }, () => (random.below(200_000) - 100_000) / 2 ** 13),
    );
    const chunks = [...coefficientText(layers)];
    expect(chunks.length).toBeGreaterThan(1);
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(2 ** 20);
    const read = readCoefficients({ name: "filter.txt", bytes: joinBytes(chunks) }, sizes);
    const isSame = (layer: Float32Array, at: number): boolean =>
      layer.length === sizes[at] &&
      layer.every((value, index) => Object.is(value, layers[at]?.[index]));
    expect(read.map(isSame)).toEqual([true, true, true]);
  });

  it("may be written by others: CRLF, no last line end, short numbers", () => {
    const [values] = readCoefficients(file("1\r\n-0.5\r\n+2e-1"), [3]);
    expect(values).toEqual(Float32Array.of(1, -0.5, 0.2));
    expect(readCoefficients(file(""), [0])).toEqual([new Float32Array()]);
  });

  it("refuse what is not a number, with file, place and line", () => {
    const wrong = ["0\nx\n", "0\n\n", "0\nnan\n", "0\n1e39\n", "0\n1 2\n", "0\n0x10\n"];
    for (const text of wrong)
      expect(() => readCoefficients(file(text), [2])).toThrow(/filter\.txt:2: line 2/);
    expect(() => readCoefficients(file(`${"1".repeat(1e6)}\n`), [1])).toThrow("line 1");
    expect(() => readCoefficients(file("1\n2\n"), [1e15])).toThrow("expected 1000000000000000");
    expect(() => [...coefficientText([Float32Array.of(Number.NaN)])]).toThrow("finite");
  });
});
