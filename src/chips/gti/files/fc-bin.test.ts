import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOf, chunksLength, joinBytes } from "../../../tensor/chunks.ts";
import { decodeFcBin, encodeFcBin, fcLayersOf } from "./fc-bin.ts";
import type { FcLayer } from "./layers.ts";

const layerOf = (name: string, inputs: number, outputs: number): FcLayer => ({
  name,
  inputs,
  outputs,
  weight: Float32Array.from({ length: inputs * outputs }, (_, index) => index / 8 - 1),
  bias: Float32Array.from({ length: outputs }, (_, index) => -index),
});

const layers = [layerOf("fc6", 3, 4), layerOf("fc7", 4, 2), layerOf("cls", 2, 1)];

describe("fc.bin", () => {
  it("has all sizes first, then the values of each layer", () => {
    const bytes = joinBytes(encodeFcBin([layerOf("a", 2, 1), layerOf("b", 1, 2)]));
    const view = new DataView(bytes.buffer);
    expect([0, 4, 8, 12].map((at) => view.getInt32(at, true))).toEqual([2, 1, 1, 2]);
    const floats = Array.from({ length: 7 }, (_, index) => view.getFloat32(16 + 4 * index, true));
    expect(floats).toEqual([-1, -0.875, -0, -1, -0.875, -0, -1]);
    expect(bytes.length).toBe(44);
  });

  it("holds the layers' own memory, no copies", () => {
    const chunks = encodeFcBin(layers);
    const views = layers.flatMap(({ weight, bias }) => [bytesOf(weight), bytesOf(bias)]);
    expect(chunks).toHaveLength(1 + views.length);
    for (const [at, { buffer }] of views.entries()) expect(chunks[at + 1]?.buffer).toBe(buffer);
  });

  it("has the sizes that a published model shows", () => {
    const sizes = [12544, 128, 128].map((inputs, index) =>
      encodeFcBin([layerOf("fc", inputs, index === 2 ? 20 : 128)]),
    );
    expect(sizes.map(chunksLength)).toEqual([6423048, 66056, 10328]);
  });

  it("tells the number of layers from the file's length alone", () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(fc.array(fc.tuple(size, size), { minLength: 1, maxLength: 5 }), (sizes) => {
        const written = sizes.map(([inputs, outputs]) => layerOf("fc", inputs, outputs));
        const read = decodeFcBin({ name: "fc.bin", bytes: joinBytes(encodeFcBin(written)) });
        expect(read.map((layer) => ({ name: "fc", ...layer }))).toEqual(written);
      }),
    );
  });

  it("refuses every other length, and sizes that nobody has", () => {
    const bytes = joinBytes(encodeFcBin(layers));
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeFcBin({ name: "fc.bin", bytes: bytes.slice(0, length) }, 3)).toThrow(
        "fc.bin",
      );
    expect(decodeFcBin({ name: "fc.bin", bytes }, 3)).toHaveLength(3);
    const wrong = [-1, 0, 2 ** 31 - 1].map((size) => Int32Array.of(size, size, 0, 0));
    for (const words of wrong) {
      const file = { name: "fc.bin", bytes: new Uint8Array(words.buffer) };
      expect(() => decodeFcBin(file)).toThrow(/fc\.bin:0: .*do not add up/);
    }
  });

  it("takes layers by the start of their names", () => {
    expect(fcLayersOf("fc", layers).map(({ name }) => name)).toEqual(["fc6", "fc7"]);
    expect(fcLayersOf("fc7", layers).map(({ name }) => name)).toEqual(["fc7"]);
    expect(() => fcLayersOf("ip", layers)).toThrow("fc6, fc7, cls");
    expect(() => encodeFcBin([{ ...layerOf("fc", 2, 2), bias: new Float32Array(1) }])).toThrow(
      "fc: the layer's values do not fit its shape",
    );
  });
});
