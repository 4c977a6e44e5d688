/**
 * A converted network against the one that it came from, bit by bit: sound models, and faults that must be found.
 */
import { copyFileSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { bitMatchJob } from "../src/job/bit-match.node.ts";
import type { BitMatchDifference } from "../src/report/bit-match.ts";
import { float32 } from "../src/tensor/tensor.ts";
import {
  changeImage,
  residualNetwork,
  residualText,
  withChangedInteger,
  withChangedShift,
} from "./bit-match-files.ts";
import {
  context,
  converted,
  definition,
  expectSums,
  folder,
  kinds,
  matched,
  one,
  outputOf,
  useFolder,
} from "./bit-match-setup.ts";
import {
  convText,
  inputText,
  kitFiles,
  poolText,
  tinyNetwork,
  tinyText,
  withRandomWeights,
} from "./kit-network.ts";

useFolder();

/** The first layer and index at which two runs differ, and both values. */
function firstChange(
  before: ReadonlyMap<string, number[]>,
  after: ReadonlyMap<string, number[]>,
): { readonly layer: string; readonly index: number; readonly values: readonly number[] } {
  for (const [layer, levels] of before) {
    const other = after.get(layer)!;
    const index = levels.findIndex((level, at) => level !== other[at]);
    if (index >= 0) return { layer, index, values: [levels[index]!, other[index]!] };
  }
  throw new Error("nothing changed");
}

/** Layer, index in a map of this side, and both values of a difference. */
function placeOf(found: BitMatchDifference | null, side: number) {
  if (found === null) throw new Error("no difference");
  const { layer, channel, row, column, expected, got } = found;
  return { layer, index: (channel * side + row) * side + column, values: [expected, got] };
}

describe("a sound model", () => {
  it.each([
    ["2803, two bits", 2803, "TWO_BITS", 12, 2],
    ["2803, twelve bits", 2803, "DYNAMIC_FIXED_POINT", 12, 12],
    ["2801, three bits", 2801, "THREE_BITS", 12, 3],
    ["5801, one bit", 5801, "ONE_BIT", 8, 1],
    ["5801, eight bits", 5801, "DYNAMIC_FIXED_POINT", 8, 8],
  ] as const)("%s: all pictures match, and every layer of one", async (...row) => {
    const [name, chip, precision, width, bits] = row;
    const files = kitFiles(tinyText(precision, width), bits);
    const at = await converted(name, files, tinyNetwork(chip, bits));
    const all = await matched(at);
    expect(all).toMatchObject({ isEqual: true, matches: 5, layers: null, difference: null });
    expect(all.pictures[0]).toMatchObject({ name: "p0.bmp", values: 1568, equalValues: 1568 });
    const single = await matched(at, { images: one(2) });
    expect(single).toMatchObject({ isEqual: true, difference: null });
    expect(single.layers).toEqual(
      [
        ["conv1", 1, 1, 12544, null],
        ["conv2", 1, 2, 12544, null],
        ["conv3", 2, 1, 6272, "last layer"],
      ].map(([conv, major, sublayer, values, output]) => ({
        ...{ name: conv, chip: 1, major, sublayer, values, equalValues: values, output },
      })),
    );
  });

  it("finds its reference in its own folder, or asks for it", async () => {
    const at = join(folder, "2803, two bits");
    const beside = join(folder, "beside");
    cpSync(join(at, "out"), beside, { recursive: true });
    const job = { model: beside, images: one(0) };
    await expect(bitMatchJob(job, context)).rejects.toThrow(/compared with.*--reference/);
    for (const name of ["a.prototxt", "b.caffemodel"])
      copyFileSync(join(at, name), join(beside, name));
    expect((await bitMatchJob(job, context)).isEqual).toBe(true);
  });

  it("of a residual network matches where the caps are equal", async () => {
    const at = await converted("residual", kitFiles(residualText(31), 3), residualNetwork);
    expect(await matched(at)).toMatchObject({ isEqual: true, matches: 5 });
    const { layers } = await matched(at, { images: one(1) });
    expect(layers?.map(({ name }) => name)).toEqual(["conv1", "conv2", "conv3"]);
  });

  it("whose host computes something first matches from where the chip starts", async () => {
    const early = `
layer { name: "early" type: "Convolution" bottom: "data" top: "early"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "early_relu" type: "ReLU" bottom: "early" top: "early" }`;
    const text = tinyText("TWO_BITS", 12)
      .replace(/\nlayer \{ name: "conv1"/, `${early}$&`)
      .replace('bottom: "data" top: "conv1"', 'bottom: "early" top: "conv1"');
    const graph = withRandomWeights(text, 5);
    const weights = [9, 5, -1, 2, 8, 3, -4, 6, 12].map((value) => value / 128);
    const nodes = graph.nodes.map((node): Node => {
      if (node.op !== "const" || node.id !== "early.weight") return node;
      return { ...node, attrs: { tensor: float32(node.attrs.tensor.shape, weights) } };
    });
    const at = await converted("host", writeCaffe({ ...graph, nodes }), tinyNetwork(2803, 2));
    const report = await matched(at, { images: one(2), writeDumps: join(at, "dumps") });
    expect(report).toMatchObject({ isEqual: true, matches: 1 });
    const levels = new Set(readFileSync(join(at, "dumps", "caffe", "conv1.bin")));
    expect(levels.size).toBeGreaterThan(20);
    changeImage(join(at, "out", "out.model"), (one) => withChangedShift(one, outputOf(one, 1), 1));
    const { difference } = await matched(at, { images: one(2) });
    expect(difference).toMatchObject({ layer: "conv2", causes: [{ kind: "shift" }] });
  });

  it("with 10 bits in its last layer matches, and has no dump of it", async () => {
    const spec = { precision: "DYNAMIC_FIXED_POINT", width: 12 } as const;
    const text = [
      inputText(28),
      convText("data", { ...spec, name: "conv1", outputs: 16 }),
      poolText("conv1", "pool1"),
      convText("pool1", { ...spec, name: "conv2", outputs: 32, cap: 31.96875, bits: 10 }),
    ].join("");
    const [first, second] = tinyNetwork(2803, 12)["layer"] as readonly object[];
    const network = {
      model: [{ ChipType: 2803, ActivationBitMode: 1 }],
      layer: [
        { ...first, sublayer_number: 1 },
        { ...second, pooling: false },
      ],
    };
    const at = await converted("ten", kitFiles(text, 8), network);
    expect(await matched(at)).toMatchObject({ isEqual: true, matches: 5 });
    const out = join(at, "evaluate_output");
    const { isEqual, files, warnings } = await matched(at, { images: one(0), writeDumps: out });
    expect(isEqual).toBe(true);
    expect(files).toEqual(["caffe/conv1.bin", "chip/dump_sublayer1-1.bin", "evaluate_log.txt"]);
    expect(warnings.map(({ id, where }) => [id, where])).toEqual([["no-dump", "conv2"]]);
    changeImage(join(at, "out", "out.model"), (graph) =>
      withChangedShift(graph, outputOf(graph, 1), 1),
    );
    const { difference } = await matched(at, { images: one(0) });
    expect(difference).toMatchObject({ layer: "conv2", model: { top: 1023 } });
    expect(kinds(difference)).toEqual(["shift"]);
    expectSums(difference!);
  });
});

describe("a planted fault", () => {
  /** A copy of a sound model with a fault in its second layer, and where the definition sees it first. */
  async function faulty(name: string, change: (graph: Graph) => Graph, from = "2803, twelve bits") {
    const at = join(folder, name);
    cpSync(join(folder, from), at, { recursive: true });
    const path = join(at, "out", "out.model");
    const before = await definition(path, 3);
    changeImage(path, change);
    return { at, wanted: firstChange(before, await definition(path, 3)) };
  }

  it("a weight in the image: layer, position, the weight and the sum", async () => {
    const at = 3 * 144 + 5 * 9 + 4;
    const fault = await faulty("weight", (graph) =>
      withChangedInteger(graph, outputOf(graph, 1), 1, at, -1500),
    );
    expect(fault.wanted.layer).toBe("conv2");
    const { difference, isEqual } = await matched(fault.at, { images: one(3) });
    expect(isEqual).toBe(false);
    expect(placeOf(difference, 28)).toEqual(fault.wanted);
    expect(difference).toMatchObject({ chip: 1, major: 1, sublayer: 2, channel: 3 });
    expect(kinds(difference)).toEqual(["weights"]);
    expect(difference?.causes[0]?.message).toMatch(
      /^weight \[3, 5, 1, 1\] is (-?\d+) on the chip, (-?\d+) in the reference; 1 of 2304 differ/,
    );
    expectSums(difference!);
    const differing = difference!.terms.filter((term) => term.expectedWeight !== term.gotWeight);
    expect(
      differing.map(({ channel, expectedWeight, gotWeight }) => [
        channel,
        gotWeight - expectedWeight,
      ]),
    ).toEqual([[5, -1500]]);
    expect(difference!.reference.accumulator).not.toBe(difference!.model.accumulator);
  });

  it("a bias", async () => {
    const fault = await faulty("bias", (graph) =>
      withChangedInteger(graph, outputOf(graph, 0), 2, 5, -700),
    );
    const { difference } = await matched(fault.at, { images: one(3) });
    expect(placeOf(difference, 28)).toEqual(fault.wanted);
    expect(difference).toMatchObject({ layer: "conv1", channel: 5 });
    expect(kinds(difference)).toEqual(["biases"]);
    expectSums(difference!);
  });

  it.each([1, -1])("a shift off by %i", async (by) => {
    const fault = await faulty(`shift ${by}`, (graph) =>
      withChangedShift(graph, outputOf(graph, 1), by),
    );
    const { difference } = await matched(fault.at, { images: one(3) });
    expect(placeOf(difference, 28)).toEqual(fault.wanted);
    expect(difference?.layer).toBe("conv2");
    expect(kinds(difference)).toEqual(["shift"]);
    const { reference, model } = difference!;
    expect(model.shift - reference.shift).toBe(by);
    expect(difference?.causes[0]?.message).toContain(
      `the shift is ${model.shift} on the chip, ${reference.shift} in the reference`,
    );
    expectSums(difference!);
    const { pictures, matches, isEqual } = await matched(fault.at);
    expect([matches, isEqual]).toEqual([0, false]);
    for (const { values, equalValues } of pictures) {
      expect(equalValues).toBeLessThan(values);
      expect(equalValues).toBeGreaterThan(0);
    }
  });

  it("a cap that was not equalised before refining", async () => {
    const trained = withRandomWeights(residualText(15.5), 3);
    // So that both grids hold the biases, and half of the weights.
    const reference = withConstants(trained, (id, value) =>
      id.includes("bias") ? Math.round(value * 16) / 16 : value,
    );
    // As refining does it: gains of the caps 15.5, 31, 31; nothing for the shortcut.
    const gains = new Map([
      ["conv1.weight", 2],
      ["conv1.bias", 2],
      ["conv2.weight", 0.5],
    ]);
    const refined = withConstants(withRandomWeights(residualText(31), 3), (id, _, at) => {
      return constantAt(reference, id, at) * (gains.get(id) ?? 1);
    });
    const at = await converted("unequal", writeCaffe(refined), residualNetwork);
    expect((await matched(at)).isEqual).toBe(true);
    const { prototxt, caffemodel } = writeCaffe(reference);
    writeFileSync(join(at, "a.prototxt"), prototxt);
    writeFileSync(join(at, "b.caffemodel"), caffemodel);
    expect((await matched(at)).matches).toBe(0);
    const { difference, layers } = await matched(at, { images: one(3) });
    expect(layers?.map(({ values, equalValues }) => equalValues === values)).toEqual([
      true,
      true,
      false,
    ]);
    expect(difference).toMatchObject({ layer: "conv3", major: 1, sublayer: 3 });
    expect(kinds(difference)).toEqual(["unequal-cap"]);
    expect(difference?.causes[0]?.message).toMatch(/1 times on the chip, 0\.5 times.*15\.5 and 31/);
    expectSums(difference!);
    const { reference: wanted, model } = difference!;
    expect(model.identity?.value).toBe(wanted.identity?.value);
    expect(model.identity?.factor).toBe(2 * wanted.identity!.factor);
  });

  it("a gain that was left out", async () => {
    const graph = withRandomWeights(residualText(31), 3);
    const at = await converted("gain", writeCaffe(graph), residualNetwork);
    const third = withConstants(graph, (id, value) => (id === "conv2.weight" ? value / 3 : value));
    writeFileSync(join(at, "b.caffemodel"), writeCaffe(third).caffemodel);
    const { difference } = await matched(at, { images: one(3) });
    expect(difference?.layer).toBe("conv2");
    expect(difference?.causes[0]?.message).toMatch(/^all weights are (3|2\.99\d*|3\.00\d*) times/);
  });

  it("a pooling that is not the network's", async () => {
    const at = join(folder, "2803, two bits");
    const text = tinyText("TWO_BITS", 12).replace("stride: 2 }", "stride: 2 sample: true }");
    const { prototxt, caffemodel } = kitFiles(text, 2);
    const reference = ["sample.prototxt", "sample.caffemodel"].map((name) => join(folder, name));
    writeFileSync(reference[0]!, prototxt);
    writeFileSync(reference[1]!, caffemodel);
    const { difference } = await matched(at, { images: one(3), reference });
    expect(difference?.layer).toBe("conv3");
    expect(difference?.causes[0]).toMatchObject({
      kind: "input",
      message: expect.stringContaining("pooling or upsampling between them"),
    });
    expectSums(difference!);
  });

  it("a network that was not refined", async () => {
    const at = join(folder, "2803, two bits");
    const norm = `
layer { name: "norm" type: "BatchNorm" bottom: "conv2" top: "conv2" }
layer { name: "conv2_relu"`;
    const text = tinyText("TWO_BITS", 12).replace('\nlayer { name: "conv2_relu"', norm);
    const graph = withRandomWeights(text, 2);
    const nodes = graph.nodes.map((node): Node => {
      if (node.op !== "const" || !/^norm\.variance$/.test(node.id)) return node;
      return { ...node, attrs: { tensor: float32([16], new Float32Array(16).fill(4)) } };
    });
    const { prototxt, caffemodel } = writeCaffe({ ...graph, nodes });
    const reference = ["norm.prototxt", "norm.caffemodel"].map((name) => join(folder, name));
    writeFileSync(reference[0]!, prototxt);
    writeFileSync(reference[1]!, caffemodel);
    const { difference } = await matched(at, { images: one(3), reference });
    expect(difference?.layer).toBe("conv2");
    expect(difference?.causes[0]).toMatchObject({
      kind: "refinement",
      message: expect.stringContaining("it is not refined"),
    });
  });

  it("in the second chip of a cascade", async () => {
    const network = { ...tinyNetwork(2803, 12), model: [{ ChipType: 2803, ChipNumber: 2 }] };
    const files = kitFiles(tinyText("DYNAMIC_FIXED_POINT", 12), 12);
    const at = await converted("cascade", files, network);
    expect((await matched(at)).isEqual).toBe(true);
    changeImage(
      join(at, "out", "out.model"),
      (graph) => withChangedShift(graph, outputOf(graph, 0), 1),
      1,
    );
    const out = join(at, "evaluate_output");
    const { difference, files: written } = await matched(at, { images: one(3), writeDumps: out });
    expect(difference).toMatchObject({ chip: 2, major: 1, sublayer: 1, layer: "conv3" });
    expect(written).toEqual(
      expect.arrayContaining(["chip1/dump_sublayer1-2.bin", "chip2/dump_sublayer1-1.bin"]),
    );
  });

  it("an accumulator that is too narrow", async () => {
    const at = join(folder, "2803, twelve bits");
    const accumulator = { bits: 14, overflow: "wrap" } as const;
    const { difference } = await matched(at, { images: one(3), accumulator });
    expect(kinds(difference)).toEqual(["overflow"]);
    expect(difference?.causes[0]?.message).toContain("does not fit an accumulator of 14 bits");
  });
});

function constantAt(graph: Graph, id: string, at: number): number {
  const node = graph.nodes.find((one) => one.id === id);
  return node?.op === "const" ? Number(node.attrs.tensor.data[at]) : Number.NaN;
}

/** The graph with other values in the constants of its convolutions. */
function withConstants(
  graph: Graph,
  change: (id: string, value: number, at: number) => number,
): Graph {
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "const" || !/^conv\d\.(weight|bias)$/.test(node.id)) return node;
    const { tensor: old } = node.attrs;
    if (old.dtype !== "float32") return node;
    const data = Float32Array.from(old.data, (value, at) => change(node.id, value, at));
    return { ...node, attrs: { tensor: { ...old, data } } };
  });
  return { ...graph, nodes };
}

describe("a reference of another network is refused", () => {
  it.each([
    [
      "a layer is missing",
      (text: string) => text.replaceAll("conv2", "other"),
      /"conv2".*not the network/,
    ],
    [
      "a size",
      (text: string) => text.replaceAll("dim: 28", "dim: 56"),
      /"conv1".*another size.*16x56x56/,
    ],
    [
      "no levels",
      (text: string) => text.replace('"conv1_relu" type: "QuantReLU"', '"conv1_relu" type: "ReLU"'),
      /conv1.*no levels come out/,
    ],
  ] as const)("%s", async (name, change, message) => {
    const at = join(folder, "2803, two bits");
    const { prototxt, caffemodel } = kitFiles(change(tinyText("TWO_BITS", 12)), 2);
    const reference = [`${name}.prototxt`, `${name}.caffemodel`].map((file) => join(folder, file));
    writeFileSync(reference[0]!, prototxt);
    writeFileSync(reference[1]!, caffemodel);
    await expect(matched(at, { reference })).rejects.toThrow(message);
  });
});
