/**
 * A converted network against the one that it came from, bit by bit: sound models, and faults that must be found.
 */
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../src/cli/main.ts";
import { batches } from "../src/data/batch.ts";
import { openDataset } from "../src/data/open.node.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import type { Graph } from "../src/ir/graph.ts";
import { nodesOf } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { bitMatchJob } from "../src/job/bit-match.node.ts";
import { scalarGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { convertJob } from "../src/job/convert.node.ts";
import type { BitMatchJob } from "../src/job/options.ts";
import type { BitMatchDifference, BitMatchReport } from "../src/report/bit-match.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import { reportSchemas } from "../src/report/schema.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { tensor } from "../src/tensor/tensor.ts";
import {
  bitmapFile,
  changeImage,
  residualNetwork,
  residualText,
  withChangedInteger,
  withChangedShift,
} from "./bit-match-files.ts";
import {
  convText,
  inputText,
  kitFiles,
  poolText,
  tinyNetwork,
  tinyText,
  withRandomWeights,
} from "./kit-network.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-bit-match-"));
  mkdirSync(join(folder, "pictures"));
  for (let at = 0; at < 5; at += 1) {
    writeFileSync(join(folder, "pictures", `p${at}.bmp`), bitmapFile(28, at + 1));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const context = { device: "cpu", threads: 1, seed: 0, command: ["inlay"] } as const;

/** Writes a network's files and converts it; gives its folder. */
async function converted(
  name: string,
  files: { readonly prototxt: string; readonly caffemodel: Uint8Array },
  network: unknown,
): Promise<string> {
  const at = join(folder, name);
  mkdirSync(at);
  writeFileSync(join(at, "a.prototxt"), files.prototxt);
  writeFileSync(join(at, "b.caffemodel"), files.caffemodel);
  writeFileSync(join(at, "network.json"), JSON.stringify(network));
  await convertJob(
    {
      model: [join(at, "a.prototxt"), join(at, "b.caffemodel")],
      network: join(at, "network.json"),
      chip: { waive: [] },
      ...{ editGain: false, likeMdk: false, debug: false, force: false },
      out: join(at, "out"),
    },
    context,
  );
  return at;
}

function matched(at: string, more: Partial<BitMatchJob> = {}): Promise<BitMatchReport> {
  return bitMatchJob(
    {
      model: join(at, "out"),
      images: { path: join(folder, "pictures") },
      reference: [join(at, "a.prototxt"), join(at, "b.caffemodel")],
      ...more,
    },
    context,
  );
}

const one = (at: number): BitMatchJob["images"] => ({
  path: join(folder, "pictures", `p${at}.bmp`),
});

/** Levels of every sublayer for picture `at`, by the scalar interpreter. */
async function definition(path: string, at: number): Promise<ReadonlyMap<string, number[]>> {
  const model = await readChipModel(path);
  const outputs = model.chips.flatMap(({ meta }) => meta.sublayers);
  const graph = scalarGraph({ ...model, after: undefined });
  const ids = outputs.map(({ output }) => ({ name: output, id: output }));
  const [input] = nodesOf(graph, "input");
  const dataset = await openDataset(one(at).path, { seed: 0 });
  const reading = { batch: 1, readAhead: 0 };
  const size = { height: 28, width: 28, channels: 3 };
  const preprocess = { ...defaultPreprocess, order: "bgr" } as const;
  for await (const { images } of batches(dataset, preprocess, size, reading)) {
    const planes = Float32Array.from(
      images.data,
      (_, to) => images.data[(to % 784) * 3 + Math.floor(to / 784)]!,
    );
    const x = tensor("float32", [1, 3, 28, 28], planes);
    const values = runScalar({ ...graph, outputs: ids }, new Map([[input!.id, x]]));
    return new Map(
      outputs.map(({ conv, output }) => [conv, Array.from(values.get(output)!.data, Number)]),
    );
  }
  throw new Error("no picture");
}

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

/** Every sum of an explanation adds up, and gives the two levels. */
function expectSums({ terms, reference, model, expected, simulated }: BitMatchDifference): void {
  for (const [sum, pick, level] of [
    [reference, (t: (typeof terms)[number]) => t.expectedInput * t.expectedWeight, expected],
    [model, (t: (typeof terms)[number]) => t.gotInput * t.gotWeight, simulated],
  ] as const) {
    const products = terms.reduce((total, term) => total + pick(term), 0);
    expect(sum.products).toBe(products);
    const { value = 0, factor = 0 } = sum.identity ?? {};
    expect(sum.accumulator).toBe(products + sum.bias + value * factor);
    expect(sum.rounded).toBe(Math.floor(sum.accumulator / 2 ** sum.shift + 0.5));
    expect(sum.level).toBe(Math.min(Math.max(sum.rounded, 0), sum.top));
    expect(sum.level).toBe(level);
  }
}

const kinds = (found: BitMatchDifference | null): readonly string[] =>
  (found?.causes ?? []).map(({ kind }) => kind);

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

/** Id of the levels of sublayer `at` (from 0) of a graph. */
function outputOf(graph: Graph, at: number): string {
  return nodesOf(graph, "shiftConv")[at]!.id;
}

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

describe("dumps", () => {
  const model = "2803, five bits";
  let dumps = "";
  beforeAll(async () => {
    const at = await converted(model, kitFiles(tinyText("FIVE_BITS", 12), 5), tinyNetwork(2803, 5));
    dumps = join(at, "evaluate_output");
    await matched(at, { images: one(4), writeDumps: dumps });
  });

  /** A copy of the chip's dumps as a board's folder. */
  function board(name: string): string {
    const at = join(folder, `board ${name}`);
    cpSync(join(dumps, "chip"), at, { recursive: true });
    return at;
  }

  const compare = (folderOfDumps: string, more: Partial<BitMatchJob> = {}) =>
    matched(join(folder, model), { images: one(4), dumps: folderOfDumps, ...more });

  it("are written as the kit names and shapes them, times 8 before fully connected layers", async () => {
    const names = readdirSync(dumps, { recursive: true }).map(String).toSorted();
    expect(
      names.filter((name) => /\.(bin|txt)$/.test(name)).map((name) => name.replaceAll("\\", "/")),
    ).toEqual([
      ...["caffe/conv1.bin", "caffe/conv2.bin", "caffe/conv3.bin"],
      ...[1, 2].map((sublayer) => `chip/dump_sublayer1-${sublayer}.bin`),
      ...["chip/dump_sublayer2-1.bin", "evaluate_log.txt"],
    ]);
    const levels = await definition(join(folder, model, "out", "out.model"), 4);
    for (const [conv, chip] of [
      ["conv1", "1-1"],
      ["conv2", "1-2"],
      ["conv3", "2-1"],
    ] as const) {
      const wanted = Uint8Array.from(levels.get(conv)!, (level) => 8 * level);
      expect(Buffer.compare(readFileSync(join(dumps, "caffe", `${conv}.bin`)), wanted)).toBe(0);
      const bytes = readFileSync(join(dumps, "chip", `dump_sublayer${chip}.bin`));
      expect(Buffer.compare(bytes, wanted)).toBe(0);
    }
    const log = readFileSync(join(dumps, "evaluate_log.txt"), "utf8");
    expect(log).toContain("1 of 1 pictures match (100.00 %)");
  });

  it("are not written over unasked", async () => {
    const again = { images: one(4), writeDumps: dumps };
    await expect(matched(join(folder, model), again)).rejects.toThrow(/written over/);
    expect((await matched(join(folder, model), { ...again, force: true })).isEqual).toBe(true);
  });

  it("of a board are read in the simulation's place, from the folder or from chip/ in it", async () => {
    for (const at of [board("sound"), dumps]) {
      const report = await compare(at);
      expect(report).toMatchObject({ isEqual: true, dumps: at });
      expect(report.warnings).toEqual([]);
    }
  });

  it("are taken without the factor too, as levels", async () => {
    const at = board("plain");
    for (const name of readdirSync(at)) {
      const bytes = readFileSync(join(at, name));
      writeFileSync(
        join(at, name),
        bytes.map((byte) => byte / 8),
      );
    }
    expect((await compare(at)).isEqual).toBe(true);
  });

  it("with one byte changed: the layer, the position, and what the simulation gives", async () => {
    const at = board("changed");
    const path = join(at, "dump_sublayer1-2.bin");
    const bytes = readFileSync(path);
    const index = (7 * 28 + 20) * 28 + 3;
    const level = bytes[index]! / 8;
    const other = level === 31 ? 30 : level + 1;
    bytes[index] = 8 * other;
    writeFileSync(path, bytes);
    const { difference, layers } = await compare(at);
    expect(layers?.map(({ equalValues }) => equalValues)).toEqual([12544, 12543, 6272]);
    expect(difference).toMatchObject({
      ...{ layer: "conv2", channel: 7, row: 20, column: 3 },
      ...{ expected: level, got: other, simulated: level },
    });
    expect(kinds(difference)[0]).toBe("board");
    expectSums(difference!);
  });

  it("of an accumulator that wraps: the width that explains them", async () => {
    const at = join(folder, "wrapped");
    const accumulator = { bits: 13, overflow: "wrap" } as const;
    await matched(join(folder, model), { images: one(4), writeDumps: at, accumulator });
    const { difference } = await compare(at);
    expect(kinds(difference)).toContain("overflow");
    const wraps = difference?.causes.find(({ message }) => message.includes("wraps"))?.message;
    expect(wraps).toMatch(/overflows an accumulator of \d+ bits/);
  });

  it("that are missing: what there is counts, what the modes promise is told", async () => {
    const at = board("missing");
    rmSync(join(at, "dump_sublayer1-1.bin"));
    rmSync(join(at, "dump_sublayer2-1.bin"));
    const { isEqual, layers, warnings } = await compare(at);
    expect(isEqual).toBe(true);
    expect(layers?.map(({ equalValues }) => equalValues)).toEqual([null, 12544, null]);
    expect(warnings).toMatchObject([{ id: "missing-dumps", where: at }]);
    expect(warnings[0]?.message).toContain("conv3");
    const empty = join(folder, "empty");
    mkdirSync(empty);
    await expect(compare(empty)).rejects.toThrow(/no dumps.*dump_sublayer1-1\.bin/);
    await expect(compare(join(folder, "nowhere"))).rejects.toThrow(/no such file or folder/);
  });

  it("of a wrong size, or with what is no level, are refused by name", async () => {
    const at = board("short");
    const path = join(at, "dump_sublayer1-2.bin");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(1));
    await expect(compare(at)).rejects.toThrow(
      /dump_sublayer1-2\.bin: conv2: a dump has the wrong length: expected 16x28x28 = 12544 bytes, got 12543/,
    );
    bytes[100] = 9;
    writeFileSync(path, bytes);
    await expect(compare(at)).rejects.toThrow(/dump_sublayer1-2\.bin:100: conv2.*multiples of 8/);
  });

  it("are of one picture", async () => {
    const job = { images: { path: join(folder, "pictures") } };
    await expect(compare(board("many"), job)).rejects.toThrow(
      /dumps are of one picture.*5 pictures/,
    );
  });
});

describe("output modes", () => {
  type Layer = Record<string, unknown>;

  /** The sound model with other flags in its network JSON. */
  function flagged(name: string, flags: readonly Layer[]): string {
    const at = join(folder, `modes ${name}`);
    cpSync(join(folder, "2803, two bits"), at, { recursive: true });
    const path = join(at, "out", "net.json");
    const net = JSON.parse(readFileSync(path, "utf8")) as { layer: Layer[] };
    const layer = net.layer.map((one, major) => ({ ...one, ...flags[major] }));
    writeFileSync(path, JSON.stringify({ ...net, layer }));
    return at;
  }

  it("say what a board gives", async () => {
    const outputs = async (at: string) =>
      (await matched(at, { images: one(0) })).layers?.map(({ output }) => output);
    const learning = flagged("learning", [{ learning: true }, { learning: true }]);
    expect(await outputs(learning)).toEqual(["learning", "learning", "learning"]);
    const last = flagged("last", [{ last_layer_out: true }, {}]);
    expect(await outputs(last)).toEqual([null, "last_layer_out", "last layer"]);
  });

  it("exclude each other in a model", async () => {
    const at = flagged("both", [{ learning: true }, { last_layer_out: true }]);
    await expect(matched(at)).rejects.toThrow(/last_layer_out.*one output mode in a model/);
  });

  it("exclude each other over the chips of a cascade", async () => {
    const at = join(folder, "modes cascade");
    const network = { ...tinyNetwork(2803, 12), model: [{ ChipType: 2803, ChipNumber: 2 }] };
    await converted("modes cascade", kitFiles(tinyText("DYNAMIC_FIXED_POINT", 12), 12), network);
    for (const [name, flag] of [
      ["net_chip1.json", "learning"],
      ["net_chip2.json", "last_layer_out"],
    ] as const) {
      const path = join(at, "out", name);
      const net = JSON.parse(readFileSync(path, "utf8")) as { layer: Layer[] };
      net.layer[0]![flag] = true;
      writeFileSync(path, JSON.stringify(net));
    }
    await expect(matched(at)).rejects.toThrow(
      /learning and last_layer_out exclude each other.*net_chip1\.json.*net_chip2\.json/,
    );
  });
});

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

describe("on the command line", () => {
  async function inlay(...argv: readonly string[]) {
    let [out, err] = ["", ""];
    const code = await main(argv, {
      stdout: (text) => {
        out += text;
      },
      stderr: (text) => {
        err += text;
      },
      isTty: { stdout: false, stderr: false },
      columns: undefined,
      env: {},
      cwd: folder,
      signal: new AbortController().signal,
    });
    return { code, out, err };
  }

  const reference = ["--reference", "weight/a.prototxt", "weight/b.caffemodel"];

  it("evaluate --bit-match prints both phases, and fails where something differs", async () => {
    const all = await inlay(
      "evaluate",
      "2803, five bits/out",
      "--bit-match",
      "pictures",
      ...reference,
    );
    expect([all.code, all.out]).toEqual([1, expect.stringContaining("Compare p0.bmp alone")]);
    const words = ["evaluate", "weight/out", "--bit-match", "pictures/p3.bmp", ...reference];
    const { code, out, err } = await inlay(...words);
    expect([code, err]).toEqual([1, ""]);
    expect(out).toMatch(
      /First difference: conv2 \(1\.2\), channel 3, row \d+, column \d+: expected/,
    );
    expect(out).toMatch(/Likely causes\n {2}weights: weight \[3, 5, 1, 1\]/);
    const sound = ["--reference", "2803, five bits/a.prototxt", "2803, five bits/b.caffemodel"];
    const equal = await inlay(
      ...["evaluate", "2803, five bits/out/out.model", "--bit-match", "pictures", "--limit", "3"],
      ...[...sound, "--json", "--quiet"],
    );
    expect([equal.code, equal.err]).toEqual([0, ""]);
    const report: unknown = JSON.parse(equal.out);
    expect(checkSchema(reportSchemas["inlay.bit-match/1"], report)).toEqual([]);
    expect(report).toMatchObject({ matches: 3, isEqual: true });
  });

  it("evaluate reads and writes dumps", async () => {
    const common = ["evaluate", "weight/out", "--bit-match", "pictures/p3.bmp", ...reference];
    const wrote = await inlay(...common, "--write-dumps", "written");
    expect([wrote.code, wrote.out]).toEqual([1, expect.stringContaining("written: 7 files")]);
    const log = readFileSync(join(folder, "written", "evaluate_log.txt"), "utf8");
    expect(log).not.toContain(" more ");
    const read = await inlay(...common, "--dumps", "written", "--json", "--quiet");
    expect(read.code).toBe(1);
    const report = JSON.parse(read.out) as BitMatchReport;
    expect(report.dumps).toBe(join(folder, "written"));
    expect(kinds(report.difference)).toEqual(["weights"]);
  });

  it("evaluate refuses flags that do not go together", async () => {
    const alone = await inlay("evaluate", "weight/out", "--images", "pictures", "--dumps", "board");
    expect([alone.code, alone.err]).toEqual([
      2,
      expect.stringContaining("--dumps goes with --bit-match"),
    ]);
    const both = ["--images", "pictures", "--bit-match", "pictures"];
    const twice = await inlay("evaluate", "weight/out", ...both);
    expect([twice.code, twice.err]).toEqual([2, expect.stringContaining("got --images")]);
  });

  it("convert --evaluate compares what it wrote", async () => {
    const convert = (out: string, evaluate: string, ...more: readonly string[]) =>
      inlay(
        ...["convert", "weight/a.prototxt", "weight/b.caffemodel", "weight/network.json", "-o"],
        ...[`--output_dir=${out}`, `--evaluate=${evaluate}`, ...more],
      );
    const many = await convert("many", "pictures");
    expect([many.code, many.err]).toEqual([0, ""]);
    expect(many.out).toMatch(/Written\n {2}\S*many: .*out\.model[\s\S]*5 of 5 pictures match/);
    expect(readdirSync(join(folder, "many", "evaluate_output"))).toEqual(["evaluate_log.txt"]);
    const single = await convert("single", "pictures/p1.bmp", "--json", "--quiet");
    expect([single.code, single.err]).toEqual([0, ""]);
    const report: unknown = JSON.parse(single.out);
    expect(checkSchema(reportSchemas["inlay.convert/1"], report)).toEqual([]);
    expect(report).toMatchObject({ bitMatch: { isEqual: true, matches: 1, difference: null } });
    const dumped = readdirSync(join(folder, "single", "evaluate_output", "chip"));
    expect(dumped.toSorted()).toEqual(
      [1, 2].map((at) => `dump_sublayer1-${at}.bin`).concat("dump_sublayer2-1.bin"),
    );
    expect((await convert("single", "pictures/p1.bmp")).code).toBe(2);
    expect((await convert("single", "pictures/p1.bmp", "--force", "--quiet")).code).toBe(0);
    const nowhere = await convert("nowhere", "no-such-folder");
    expect(nowhere.code).toBe(2);
    expect(() => readdirSync(join(folder, "nowhere"))).toThrow("ENOENT");
  });
});
