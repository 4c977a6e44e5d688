import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinBytes } from "../../../tensor/chunks.ts";
import { composeModel, decomposeModel } from "./model.ts";

const model = {
  name: "vgg",
  version: 100,
  layer: [
    { name: "reader", operation: "IMAGEREADER" },
    { name: "cnn", operation: "GTICNN", "data file": "coef.dat", mode: 0 },
    { name: "fc", operation: "FC", "data file": "fc.bin" },
    { name: "label", operation: "LABEL", "data file": "labels.txt" },
  ],
};
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const files = new Map([
  ["coef.dat", [new Uint8Array(1500).fill(7)]],
  ["fc.bin", [Uint8Array.of(1, 2), Uint8Array.of(3)]],
  ["labels.txt", [bytesOf("0 cat\n")]],
]);
const named = (bytes: Uint8Array) => ({ name: "out.model", bytes });
const withHeader = (header: unknown, data: Uint8Array = new Uint8Array()) =>
  named(joinBytes([bytesOf(JSON.stringify(header)), data]));

describe("model", () => {
  it("has a header whose offsets and sizes are those of the data", () => {
    const bytes = joinBytes(composeModel(model, files));
    const { header, data } = decomposeModel(named(bytes));
    expect(data.map(({ layer, file }) => [layer, file])).toEqual([
      ["cnn", "coef.dat"],
      ["fc", "fc.bin"],
      ["label", "labels.txt"],
    ]);
    for (const { file, bytes: found } of data)
      expect(found).toEqual(joinBytes(files.get(file) ?? []));
    const start = bytes.indexOf(7);
    expect(bytes[start - 1]).toBe(10);
    expect(header).toEqual({
      ...model,
      layer: [
        model.layer[0],
        { ...model.layer[1], "data offset": start, "data size": 1500 },
        { ...model.layer[2], "data offset": start + 1500, "data size": 3 },
        { ...model.layer[3], "data offset": start + 1503, "data size": 6 },
      ],
    });
    expect(bytes.length).toBe(start + 1509);
    expect(bytes.subarray(0, start).every((byte) => byte < 128)).toBe(true);
  });

  it("holds the data as they are, no copies, also of a file that two layers name", () => {
    const twice = { name: "n", layer: [model.layer[2] ?? {}, model.layer[2] ?? {}] };
    const [header, ...data] = composeModel(twice, files);
    const [first, second] = files.get("fc.bin") ?? [];
    expect(header?.at(-1)).toBe(10);
    expect(data).toHaveLength(4);
    for (const [at, chunk] of [first, second, first, second].entries())
      expect(data[at]).toBe(chunk);
  });

  it("gives the same bytes when taken apart and composed again", () => {
    const bytes = joinBytes(composeModel(model, files));
    const { header, data } = decomposeModel(named(bytes));
    const again = new Map(data.map((part) => [part.file, [part.bytes]]));
    expect(joinBytes(composeModel(header, again))).toEqual(bytes);
  });

  it("finds the offsets for every length of header and data", () => {
    const size = fc.integer({ min: 0, max: 200 });
    const names = fc.string({ maxLength: 60, unit: "binary" });
    fc.assert(
      fc.property(names, fc.array(size, { maxLength: 6 }), (name, sizes) => {
        const layer = sizes.map((_, index) => ({ name: `l${index}`, "data file": `f${index}` }));
        const content = new Map(
          sizes.map((length, index) => [`f${index}`, [new Uint8Array(length).fill(index + 1)]]),
        );
        const { header, data } = decomposeModel(
          named(joinBytes(composeModel({ name, layer }, content))),
        );
        expect(header["name"]).toBe(name);
        expect(data.map((part) => part.bytes.join())).toEqual(
          [...content.values()].map((chunks) => joinBytes(chunks).join()),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("may end its header in spaces or zeros, and hold brackets in its texts", () => {
    const at = 120;
    const text = JSON.stringify({
      name: '}{"]\\',
      layer: [{ name: "cnn", "data offset": at, "data size": 2 }],
    });
    for (const filler of [" ", "\n", "\0"]) {
      const bytes = joinBytes([bytesOf(text.padEnd(at, filler)), Uint8Array.of(8, 9)]);
      expect(decomposeModel(named(bytes)).data).toEqual([
        { layer: "cnn", file: "", bytes: Uint8Array.of(8, 9) },
      ]);
    }
    const wrong = joinBytes([bytesOf(text.padEnd(at, "x")), Uint8Array.of(8, 9)]);
    expect(() => decomposeModel(named(wrong))).toThrow(/out\.model:\d+: unknown bytes/);
  });

  it("needs every data file", () => {
    expect(() => composeModel(model, new Map())).toThrow("cnn: a layer's data file is missing");
    expect(() => composeModel({ name: "x" }, files)).toThrow("layers");
  });

  it("refuses what is no model", () => {
    const texts = ["", "{", "[]", "x{}", "{]", '{"a', `${"[".repeat(100)}`, "{'a': 1}", "{}"];
    for (const text of texts)
      expect(() => decomposeModel(named(bytesOf(text)))).toThrow("out.model");
    expect(() => decomposeModel(named(bytesOf(`{"a":${"[".repeat(1e5)}`)))).toThrow("64 levels");
  });

  it("refuses data that is out of place", () => {
    const layer = (offset: unknown, size: unknown) => ({
      layer: [{ name: "fc", "data offset": offset, "data size": size }],
    });
    const places = [
      [-1, 2],
      [0, 2],
      [1e9, 2],
      ["1", 2],
      [1.5, 2],
      [57, 1e300],
      [2 ** 53, 2 ** 53],
    ] as const;
    for (const [offset, size] of places) {
      const file = withHeader(layer(offset, size), Uint8Array.of(1, 2));
      expect(() => decomposeModel(file)).toThrow("out.model");
    }
    const bytes = joinBytes(composeModel(model, files));
    expect(() => decomposeModel(named(bytes.slice(0, -1)))).toThrow("too early");
    expect(() => decomposeModel(named(joinBytes([bytes, Uint8Array.of(0)])))).toThrow("left");
    const gap = {
      layer: [
        { name: "a", "data offset": 200, "data size": 1 },
        { name: "b", "data offset": 202, "data size": 1 },
      ],
    };
    const text = JSON.stringify(gap).padEnd(200);
    const gapped = named(joinBytes([bytesOf(text), Uint8Array.of(1, 2, 3)]));
    expect(() => decomposeModel(gapped)).toThrow(/b: a layer's data does not follow/);
  });
});
