import { describe, expect, it } from "vitest";
import { joinBytes } from "../../../tensor/chunks.ts";
import type { ChipLayer } from "./layers.ts";
import {
  decodeCnnParam,
  decodeFcParam,
  encodeCnnParam,
  encodeFcParam,
  parseShiftsText,
  shiftsText,
} from "./params.ts";

const layer: ChipLayer = {
  name: "conv1",
  shape: [1, 2, 1, 1],
  weight: Float32Array.of(0.25, -1.5),
  bias: Float32Array.of(2),
  shift: 2,
};
const sizes = [{ weights: 2, biases: 1 }];
const text = (content: string) => ({ name: "s.txt", bytes: new TextEncoder().encode(content) });

describe("cnn.param", () => {
  it("has shifts first, then integers on the layer's grid", () => {
    const bytes = encodeCnnParam([layer, { ...layer, shift: 3 }]);
    expect(new Int32Array(bytes.buffer)).toEqual(Int32Array.of(2, 3, 1, -6, 8, 2, -12, 16));
    const [first] = decodeCnnParam({ name: "cnn.param", bytes }, [...sizes, ...sizes]);
    expect(first).toEqual({ shift: 2, weight: Int32Array.of(1, -6), bias: Int32Array.of(8) });
  });

  it("refuses numbers beyond 32 bits, other lengths and shifts", () => {
    const large = { ...layer, bias: Float32Array.of(2 ** 30) };
    expect(() => encodeCnnParam([large])).toThrow("conv1: a coefficient does not fit");
    expect(() => encodeCnnParam([{ ...layer, shift: 0.5 }])).toThrow("shift");
    const bytes = encodeCnnParam([layer]);
    const file = { name: "cnn.param", bytes };
    expect(() => decodeCnnParam(file, [])).toThrow("cnn.param: the file has the wrong length");
    const damaged = { name: "cnn.param", bytes: bytes.with(3, 1) };
    expect(() => decodeCnnParam(damaged, sizes)).toThrow("cnn.param:0: a shift is out of range");
  });
});

describe("fc.param", () => {
  it("has weights and biases of each layer", () => {
    const fc = { name: "fc", inputs: 2, outputs: 1, weight: layer.weight, bias: layer.bias };
    const bytes = joinBytes(encodeFcParam([fc, fc]));
    expect(new Float32Array(bytes.buffer)).toEqual(Float32Array.of(0.25, -1.5, 2, 0.25, -1.5, 2));
    const read = decodeFcParam({ name: "fc.param", bytes }, [...sizes, ...sizes]);
    expect(read).toEqual([
      { weight: fc.weight, bias: fc.bias },
      { weight: fc.weight, bias: fc.bias },
    ]);
  });
});

describe("fxp_shift_bits.txt", () => {
  it("has a shift per line", () => {
    expect(shiftsText([12, 0, -3])).toBe("12\n0\n-3\n");
    expect(parseShiftsText(text("12\n0\n-3\n"), 3)).toEqual([12, 0, -3]);
    expect(parseShiftsText(text("12\r\n0"), 2)).toEqual([12, 0]);
  });

  it("refuses other numbers of lines and other words", () => {
    expect(() => parseShiftsText(text("1\n2\n"), 1)).toThrow("s.txt");
    expect(() => parseShiftsText(text(""), 1)).toThrow("got 0");
    expect(() => parseShiftsText(text("1".repeat(100)), 1)).toThrow("100 bytes");
    for (const line of ["1.5", "x", "", "999", " 1"])
      expect(() => parseShiftsText(text(`1\n${line}\n`), 2)).toThrow("s.txt:2: not a shift");
  });
});
