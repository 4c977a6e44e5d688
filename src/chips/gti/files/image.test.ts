import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../../ir/graph.ts";
import type { Node, PoolAttrs } from "../../../ir/ops.ts";
import { joinBytes } from "../../../tensor/chunks.ts";
import { type Tensor, tensor } from "../../../tensor/tensor.ts";
import { crc32 } from "./crc32.ts";
import { decodeChipImage, encodeChipImage, isChipImage } from "./image.ts";
import { attrGuards } from "./image-attrs.ts";

const pool: PoolAttrs = {
  kernel: [1, 1],
  stride: [2, 2],
  pads: [0, 0, 0, 0],
  dilation: [1, 1],
  ceil: true,
};
const conv = { stride: [1, 1], pads: [1, 1, 1, 1], dilation: [1, 1], identityShift: 0 } as const;
const levels = { kind: "levels", qMin: 0, qMax: 31 } as const;
const output = { yZero: 0, qMin: 0, qMax: 31 };
const constant = (id: string, value: Tensor): Node => ({
  op: "const",
  id,
  inputs: [],
  attrs: { tensor: value },
});
/** Three bits a tap: multiples 0, 1, 2, 4 of each kernel's magnitude. */
const masked = Int16Array.from({ length: 4 * 3 * 9 }, (_, at) => {
  const magnitude = 1 + (Math.floor(at / 9) % 5) * 90;
  return ([0, 1, -2, 4, -1, 2, -4, 1, 4][at % 9] as number) * magnitude;
});
const depthwise = Int16Array.from({ length: 4 * 9 }, (_, at) => ((at * 577) % 4001) - 2000);

/** Every operator that an image may hold. */
const nodes: readonly Node[] = [
  { op: "input", id: "data", inputs: [], attrs: { dtype: "uint8", shape: [1, 3, 4, 4] } },
  { op: "reduceBits", id: "five", inputs: ["data"], attrs: { from: 8, to: 5 } },
  constant("w1", tensor("int16", [4, 3, 3, 3], masked)),
  constant("b1", tensor("int32", [4], Int32Array.of(-(2 ** 31), 0, 1, 2 ** 31 - 1))),
  {
    op: "shiftConv",
    id: "conv/1 \u00e9\u4e2d",
    inputs: ["five", "w1", "b1"],
    attrs: { ...conv, groups: 1, shift: 8, output: levels },
  },
  constant("w2", tensor("int16", [4, 1, 3, 3], depthwise)),
  constant("b2", tensor("int32", [4], Int32Array.of(1, 2, 3, 4))),
  {
    op: "shiftConv",
    id: "conv2",
    inputs: ["conv/1 \u00e9\u4e2d", "w2", "b2", "conv/1 \u00e9\u4e2d"],
    attrs: {
      ...conv,
      groups: 4,
      shift: -1,
      identityShift: 7,
      output: levels,
      accumulator: { bits: 20, overflow: "wrap" },
    },
  },
  { op: "maxPool", id: "pool", inputs: ["conv2"], attrs: pool },
  { op: "zeroInsert", id: "zeros", inputs: ["pool"], attrs: { factor: [2, 2] } },
  {
    op: "resize",
    id: "twice",
    inputs: ["pool"],
    attrs: { mode: "nearest", alignCorners: false, factor: [2, 2] },
  },
  { op: "concat", id: "both", inputs: ["zeros", "twice"], attrs: { axis: 1 } },
  { op: "slice", id: "some", inputs: ["both"], attrs: { axis: 1, start: 2, end: 6 } },
  { op: "pad", id: "wide", inputs: ["some"], attrs: { pads: [0, 0, 1, 1], value: 0 } },
  {
    op: "requantize",
    id: "other",
    inputs: ["wide"],
    attrs: { xZero: 0, multiplier: 1 / 3, output },
  },
  {
    op: "intAvgPool",
    id: "mean",
    inputs: ["other"],
    attrs: { window: pool, xZero: 0, multiplier: 0.1, output: { ...output, signed: false } },
  },
  {
    op: "intAvgPool",
    id: "all",
    inputs: ["mean"],
    attrs: { window: "global", xZero: 0, multiplier: 5e-324, output },
  },
  { op: "input", id: "host", inputs: [], attrs: { dtype: "float32", shape: [1, 4, 4, 4] } },
  { op: "avgPool", id: "float", inputs: ["host"], attrs: { ...pool, countPad: true } },
  { op: "toLevels", id: "levels", inputs: ["float"], attrs: { step: 0.1, qMax: 31 } },
  constant("real", tensor("float32", [2], Float32Array.of(Number.NaN, -0))),
];
const graph: Graph = {
  name: "all of it",
  nodes,
  outputs: [
    { name: "y", id: "all" },
    { name: "z", id: "levels" },
  ],
  opsets: { "": 17 },
};
const meta = { chipType: 2801, note: { "b-\u00e4": [1, null, true], a: -0 } };
const bytes = encodeChipImage(graph, meta);
const named = (content: Uint8Array) => ({ name: "chip.img", bytes: content });

const weightGraph = (value: Tensor): Graph => ({
  name: "w",
  nodes: [constant("w", value)],
  outputs: [{ name: "w", id: "w" }],
  opsets: {},
});
/** Packing and bytes of a constant alone. */
function packed(value: Tensor): { readonly packing: unknown; readonly length: number } {
  const image = encodeChipImage(weightGraph(value), { chipType: 1 });
  const length = new DataView(image.buffer).getUint32(24, true);
  const header = JSON.parse(new TextDecoder().decode(image.subarray(40, 40 + length)));
  expect(decodeChipImage(named(image)).graph).toEqual(weightGraph(value));
  return { packing: header.graph.nodes[0].attrs.packing, length: image.length - 40 - length };
}

/** An image with right checksums around any header. */
function forged(header: unknown, data: Uint8Array = new Uint8Array(), chipType = 2801): Uint8Array {
  const text = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const image = joinBytes([bytes.subarray(0, 40), text, data]);
  const view = new DataView(image.buffer);
  view.setUint32(12, chipType, true);
  view.setBigUint64(16, BigInt(image.length), true);
  view.setUint32(24, text.length, true);
  view.setUint32(28, crc32(text), true);
  view.setUint32(32, crc32(data), true);
  view.setUint32(36, crc32(image.subarray(0, 36)), true);
  return image;
}

const headerOf = (list: readonly unknown[]): unknown => ({
  graph: { name: "g", nodes: list, outputs: [], opsets: {} },
  meta: { chipType: 2801 },
});

describe("crc32", () => {
  it("gives the published check value", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array())).toBe(0);
  });
});

describe("chip image", () => {
  it("comes back as the graph that it was", () => {
    const read = decodeChipImage(named(bytes));
    expect(read.graph).toStrictEqual(graph);
    expect(read.meta).toStrictEqual(meta);
    expect(isChipImage(bytes)).toBe(true);
    const held = new Set(nodes.map((node) => node.op));
    expect(Object.keys(attrGuards).filter((op) => !held.has(op as Node["op"]))).toEqual([]);
  });

  it("depends on the graph alone, not on the order of keys", () => {
    const turned = nodes.map((node) => {
      const attrs = Object.fromEntries(Object.entries(node.attrs).toReversed());
      return Object.fromEntries(Object.entries({ ...node, attrs }).toReversed());
    });
    const same = { ...graph, nodes: turned as unknown as readonly Node[] };
    expect(encodeChipImage(same, meta)).toEqual(bytes);
  });

  it("gives an error for every damaged byte", () => {
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [1 << (at % 8), 0xff]) {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(() => decodeChipImage(named(damaged))).toThrow("chip.img:");
      }
    }
  });

  it("gives an error for every other length", () => {
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeChipImage(named(bytes.subarray(0, length)))).toThrow("chip.img:");
    const longer = joinBytes([bytes, Uint8Array.of(0)]);
    expect(() => decodeChipImage(named(longer))).toThrow("chip.img:16: the file has the wrong");
    expect(() => decodeChipImage(named(Uint8Array.of(0xaa, 0xaa)))).toThrow("coef.dat");
  });

  it("holds no other operator, type or number", () => {
    const only = (...list: readonly Node[]): Graph => ({ ...graph, nodes: list, outputs: [] });
    const [input] = nodes as [Node];
    const relu: Node = { op: "relu", id: "r", inputs: ["data"], attrs: { slope: 0 } };
    expect(() => encodeChipImage(only(input, relu), meta)).toThrow('relu "r"');
    const huge: Node = {
      op: "pad",
      id: "p",
      inputs: ["data"],
      attrs: { pads: [0, 0, 0, 0], value: Number.POSITIVE_INFINITY },
    };
    expect(() => encodeChipImage(only(input, huge), meta)).toThrow('pad "p"');
    const wide = constant("c", tensor("int64", [1], BigInt64Array.of(1n)));
    expect(() => encodeChipImage(only(wide), meta)).toThrow('const "c"');
    expect(() => encodeChipImage(graph, { chipType: 1, x: Number.NaN })).toThrow("JSON");
    expect(() => encodeChipImage(graph, { chipType: -1 })).toThrow("chip number");
  });
});

describe("packing", () => {
  const shape = [16, 4, 3, 3] as const;
  const count = 16 * 4 * 9;
  const kernels = 16 * 4;
  const weights = (level: (tap: number) => number, magnitude: (kernel: number) => number) =>
    tensor(
      "int32",
      shape,
      Int32Array.from({ length: count }, (_, at) => level(at % 9) * magnitude(Math.floor(at / 9))),
    );
  const magnitude = (kernel: number): number => 2047 - kernel;

  it("is the mode that the weights have", () => {
    const levelsOf: Readonly<Record<1 | 2 | 3 | 5, (tap: number) => number>> = {
      1: (tap) => (tap % 2) * 2 - 1,
      2: (tap) => (tap % 3) - 1,
      3: (tap) => [0, 1, -2, 4][tap % 4] as number,
      5: (tap) => tap * 3 - 12 + (tap === 4 ? 7 : 0),
    };
    for (const maskBits of [1, 2, 3, 5] as const) {
      const found = packed(weights(levelsOf[maskBits], magnitude));
      expect(found.packing).toEqual({ kind: "masked", maskBits, magnitudeBits: 11 });
      expect(found.length).toBe((kernels * 11) / 8 + (count * maskBits) / 8);
    }
  });

  it("is fixed point of 8 or 12 bits, wider where a weight needs it", () => {
    const widths: readonly (readonly [number, number])[] = [
      [127, 8],
      [-128, 8],
      [128, 12],
      [2047, 12],
      [-2049, 16],
      [2 ** 23, 32],
      [-(2 ** 31), 32],
    ];
    for (const [largest, bits] of widths) {
      // Primes, which are no small multiples of one magnitude.
      const odd = weights(
        (tap) => [2, 3, 5, 7, 11, 13, 17, 19, 23][tap] as number,
        () => 1,
      );
      const data = (odd.data as Int32Array).with(0, largest);
      const found = packed(tensor("int32", shape, data));
      expect(found.packing).toEqual({ kind: "fixed", bits });
      expect(found.length).toBe((count * bits) / 8);
    }
  });

  it("keeps every tensor of every type", () => {
    const arrays = [Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array] as const;
    const names = ["int8", "uint8", "int16", "uint16", "int32"] as const;
    const size = fc.integer({ min: 0, max: 4 });
    const shapes = fc.oneof(
      fc.tuple(size, size, size, size),
      fc.array(size, { maxLength: 5 }),
      fc.constant([3, 2, 1, 1]),
    );
    const choices = fc.record({
      type: fc.nat({ max: 4 }),
      shape: shapes,
      seed: fc.array(fc.integer(), { minLength: 1, maxLength: 8 }),
      scale: fc.constantFrom(1, 15, 255, 2 ** 31),
    });
    fc.assert(
      fc.property(choices, ({ type, shape: dims, seed, scale }) => {
        const length = (dims as readonly number[]).reduce((a, b) => a * b, 1);
        const values = Array.from(
          { length },
          (_, at) => Math.imul(seed[at % seed.length] ?? 0, at + 1) % scale,
        );
        const Array_ = arrays[type] ?? Int8Array;
        packed(tensor(names[type] ?? "int8", dims, Array_.from(values) as never));
      }),
      { numRuns: 400 },
    );
  });

  it("keeps float32 bit for bit", () => {
    const values = Float32Array.of(-0, Number.NaN, 1e-45, 3.4e38);
    expect(packed(tensor("float32", [1, 1, 2, 2], values))).toEqual({
      packing: { kind: "raw" },
      length: 16,
    });
  });
});

describe("a header with right checksums", () => {
  const input = nodes[0];
  const weight = (attrs: unknown) => headerOf([{ op: "const", id: "w", inputs: [], attrs }]);
  const raw = { kind: "raw" };

  it("must be that of an image", () => {
    const texts = ["", "{", "[]", "null", "{}", '{"graph":{},"meta":{}}', "\ud800"];
    for (const text of texts)
      expect(() => decodeChipImage(named(forged(text)))).toThrow("chip.img:40");
    const deep = `{"graph":{"name":"","nodes":[],"outputs":[],"opsets":{}},"meta":{"chipType":2801,"x":${"[".repeat(50)}${"]".repeat(50)}}}`;
    expect(() => decodeChipImage(named(forged(deep)))).toThrow("chip.img:40");
    expect(() => decodeChipImage(named(forged(headerOf([]), new Uint8Array(), 2803)))).toThrow(
      "chip.img:12: the header names another chip",
    );
    expect(decodeChipImage(named(forged(headerOf([])))).graph.nodes).toEqual([]);
  });

  it("must have whole nodes of known operators", () => {
    const wrong: readonly unknown[] = [
      null,
      {},
      { op: "input", id: 1, inputs: [], attrs: {} },
      { op: "relu", id: "r", inputs: [], attrs: { slope: 0 } },
      { op: "constructor", id: "r", inputs: [], attrs: {} },
      { op: "input", id: "r", inputs: [], attrs: { dtype: "int4", shape: [1] } },
      { op: "input", id: "r", inputs: [], attrs: { dtype: "int8", shape: [-1] } },
      { op: "input", id: "r", inputs: [], attrs: { dtype: "int8", shape: [1], more: 1 } },
      { op: "input", id: "r", inputs: [], attrs: { dtype: "int8", shape: new Array(9).fill(1) } },
    ];
    for (const node of wrong)
      expect(() => decodeChipImage(named(forged(headerOf([node]))))).toThrow("chip.img: ");
  });

  it("must keep the promises of a graph", () => {
    const zero = { ...nodes[8], inputs: ["data"], attrs: { ...pool, stride: [0, 1] } };
    const lists = [[input, input], [nodes[1]], [input, zero]];
    for (const list of lists)
      expect(() => decodeChipImage(named(forged(headerOf(list))))).toThrow("chip.img: ");
  });

  it("cannot claim more than the data has", () => {
    const huge = [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1];
    const claims: readonly unknown[] = [
      { dtype: "int8", shape: huge, packing: raw },
      { dtype: "int32", shape: [2 ** 30], packing: raw },
      { dtype: "int8", shape: [2 ** 20, 2 ** 9, 1, 1], packing: { kind: "fixed", bits: 1 } },
      {
        dtype: "int8",
        shape: [2 ** 16, 1, 99, 99],
        packing: { kind: "masked", maskBits: 1, magnitudeBits: 1 },
      },
      { dtype: "int8", shape: [1], packing: { kind: "fixed", bits: 0 } },
      { dtype: "int8", shape: [1], packing: { kind: "fixed", bits: 33 } },
      { dtype: "int8", shape: [1], packing: { kind: "masked", maskBits: 4, magnitudeBits: 1 } },
      { dtype: "int64", shape: [1], packing: raw },
    ];
    for (const claim of claims) {
      const file = named(forged(weight(claim), new Uint8Array(100)));
      expect(() => decodeChipImage(file)).toThrow("chip.img");
    }
    const short = weight({ dtype: "int8", shape: [99], packing: raw });
    expect(() => decodeChipImage(named(forged(short, new Uint8Array(100))))).toThrow("left behind");
  });

  it("cannot hide values that its types do not have", () => {
    const attrs = (packing: unknown) => ({ dtype: "int8", shape: [1, 1, 1, 1], packing });
    const cases: readonly (readonly [unknown, readonly number[], string])[] = [
      [{ kind: "fixed", bits: 12 }, [0x80, 0x00], "does not fit its type"],
      [{ kind: "fixed", bits: 12 }, [0x01, 0x10], "filled up"],
      [{ kind: "masked", maskBits: 2, magnitudeBits: 8 }, [1, 2], "code"],
      [{ kind: "masked", maskBits: 3, magnitudeBits: 8 }, [100, 3], "does not fit its type"],
    ];
    for (const [packing, data, text] of cases) {
      const file = named(forged(weight(attrs(packing)), Uint8Array.from(data)));
      expect(() => decodeChipImage(file)).toThrow(text);
      expect(() => decodeChipImage(file)).toThrow(/^chip\.img:\d+: a constant is damaged/);
    }
  });
});
