import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { packBits, packedBytes, unpackBits } from "./bit-packing.ts";

const packs = fc
  .record({ bits: fc.integer({ min: 1, max: 32 }), signed: fc.boolean() })
  .chain((format) => {
    const min = format.signed ? -(2 ** (format.bits - 1)) : 0;
    const values = fc.array(fc.integer({ min, max: min + 2 ** format.bits - 1 }), {
      maxLength: 20,
    });
    return fc.tuple(fc.constant(format), values);
  });

describe("packBits", () => {
  it("gives the worked examples", () => {
    const signed = packBits([1, -1, 2], { bits: 3, signed: true });
    expect(signed).toEqual(Uint8Array.of(0b10_111_001, 0));
    const unsigned = packBits([0xabc, 0xdef], { bits: 12, signed: false });
    expect(unsigned).toEqual(Uint8Array.of(0xbc, 0xfa, 0xde));
  });

  it("is undone by unpackBits", () => {
    fc.assert(
      fc.property(packs, ([format, values]) => {
        const bytes = packBits(values, format);
        expect(bytes.length).toBe(packedBytes(values.length, format.bits));
        expect(Array.from(unpackBits(bytes, values.length, format))).toEqual(values);
      }),
    );
  });

  it("puts bit k of all into bit k % 8 of byte k / 8", () => {
    fc.assert(
      fc.property(packs, ([format, values]) => {
        let all = 0n;
        values.forEach((value, at) => {
          all |= BigInt.asUintN(format.bits, BigInt(value)) << BigInt(at * format.bits);
        });
        const bytes = Array.from(
          packBits(values, format),
          (byte, at) => BigInt(byte) << BigInt(8 * at),
        );
        expect(bytes.reduce((a, b) => a | b, 0n)).toBe(all);
      }),
    );
  });

  it("refuses what does not fit", () => {
    expect(() => packBits([0, 4], { bits: 3, signed: true })).toThrow(/-4..3.*4 at 1/);
    expect(() => packBits([-1], { bits: 3, signed: false })).toThrow(InlayError);
    expect(() => packBits([0.5], { bits: 3, signed: false })).toThrow(InlayError);
    expect(() => packBits([0], { bits: 33, signed: false })).toThrow(InlayError);
    expect(() => packBits([0], { bits: 0, signed: true })).toThrow(InlayError);
  });
});

describe("unpackBits", () => {
  const format = { bits: 3, signed: false };

  it("refuses another length, before it makes room, and bits behind the last integer", () => {
    expect(() => unpackBits(Uint8Array.of(0), 3, format)).toThrow(/expected 2 bytes.*got 1/);
    expect(() => unpackBits(Uint8Array.of(0), 1e15, format)).toThrow(InlayError);
    expect(() => unpackBits(Uint8Array.of(0), -1, format)).toThrow(InlayError);
    expect(() => unpackBits(Uint8Array.of(0b1000), 1, format)).toThrow(/filled up with zeros/);
    expect(() => unpackBits(Uint8Array.of(0), 1, { bits: 40, signed: false })).toThrow(InlayError);
  });
});
