/**
 * `inlay convert`: the kit's networks to a folder of files, these read back and simulated.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isChipImage } from "../src/chips/gti/files/image.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import type { ChipModel } from "../src/job/chip/chip-model.ts";
import { scalarGraph, simulationGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import type { Report } from "../src/report/reports.ts";
import { reportSchemas } from "../src/report/schema.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { createRandom } from "../src/tensor/random.ts";
import { type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import {
  classifierText,
  convText,
  inputText,
  kitFiles,
  poolText,
  tinyNetwork,
  tinyText,
} from "./kit-network.ts";
import { type Outcome, runCli } from "./run-cli.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-convert-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function inlay(cwd: string, ...argv: readonly string[]): Promise<Outcome> {
  return await runCli(cwd, argv);
}

function reportOf<K extends Report["schema"]>(
  schema: K,
  text: string,
): Extract<Report, { schema: K }> {
  const value: unknown = JSON.parse(text);
  expect(checkSchema(reportSchemas[schema], value)).toEqual([]);
  return value as Extract<Report, { schema: K }>;
}

const labels = Array.from({ length: 7 }, (_, at) => `${at} thing ${at}\n`).join("");

/** A folder with the files of a tiny network. */
function place(name: string, prototxt: string, network: unknown, seed = 1): string {
  const at = join(folder, name);
  mkdirSync(at);
  const files = kitFiles(prototxt, seed);
  writeFileSync(join(at, "a.prototxt"), files.prototxt);
  writeFileSync(join(at, "b.caffemodel"), files.caffemodel);
  writeFileSync(join(at, "network.json"), JSON.stringify(network));
  writeFileSync(join(at, "labels.txt"), labels);
  return at;
}

const words = ["convert", "a.prototxt", "b.caffemodel", "network.json"];

/** Bytes of a random picture as the graph's float input. */
function picture(size: number, seed: number): Tensor {
  const random = createRandom(seed);
  const values = Float32Array.from({ length: 3 * size * size }, () => random.below(256));
  return tensor("float32", [1, 3, size, size], values);
}

/** The picture as the chip's 5-bit levels: what the kit's own network takes. */
function levelsOf(x: Tensor): Tensor {
  return tensor(
    "float32",
    x.shape,
    Float32Array.from(toNumbers(x), (value) => Math.min(((value >> 2) + 1) >> 1, 31)),
  );
}

function firstOf(graph: Graph, x: Tensor): readonly number[] {
  const [input] = nodesOf(graph, "input");
  const results = runScalar(graph, new Map([[input?.id ?? "", x]]));
  const [output] = graph.outputs;
  return toNumbers(results.get(output?.id ?? "") ?? tensor("float32", [0], new Float32Array()));
}

/** What the engine gives for the lowered simulation. */
async function simulated(model: ChipModel, x: Tensor): Promise<readonly number[]> {
  const graph = simulationGraph(model);
  const runtime = await nodeRuntime({ device: "cpu", threads: 1 });
  const session = await openSession(graph, runtime);
  const results = await session.run(new Map([[session.inputs[0] ?? "", x]]));
  await session.release();
  const [output] = graph.outputs;
  return toNumbers(results.get(output?.id ?? "") ?? tensor("float32", [0], new Float32Array()));
}

/** The kit's network itself, in float, from the files that were converted. */
function kitNetwork(at: string): Graph {
  const file = (name: string) => ({ name, bytes: readFileSync(join(at, name)) });
  return readCaffe({ prototxt: file("a.prototxt"), caffemodel: file("b.caffemodel") });
}

function expectNear(got: readonly number[], wanted: readonly number[], tolerance: number): void {
  expect(got.length).toBe(wanted.length);
  const most = Math.max(...wanted.map(Math.abs));
  for (const [at, value] of wanted.entries()) {
    expect(Math.abs((got[at] ?? Number.NaN) - value)).toBeLessThanOrEqual(tolerance * most);
  }
}

async function converted(at: string, ...more: readonly string[]): Promise<ChipModel> {
  const { code, err } = await inlay(at, ...words, "-o", ...more);
  expect([code, err]).toEqual([0, expect.not.stringContaining("error")]);
  return await readChipModel(join(at, "output", "out.model"));
}

const filesIn = (at: string): readonly string[] =>
  readdirSync(at, { recursive: true })
    .map((name) => String(name).replaceAll("\\", "/"))
    .filter((name) => statSync(join(at, name)).isFile())
    .toSorted();

describe("a conversion", () => {
  it("tells what it wrote, and all of it is there", async () => {
    const at = place("plain", tinyText("TWO_BITS", 12), tinyNetwork(2803, 2));
    const { code, out, err } = await inlay(
      ...[at, ...words, "-o", "label=labels.txt", "--json", "--quiet"],
    );
    expect([code, err]).toEqual([0, ""]);
    const report = reportOf("inlay.convert/1", out);
    expect(report).toMatchObject({
      target: "gti2803",
      image: "inlay",
      deployable: true,
      ownOperation: null,
      hostOperations: ["FC", "FC", "SOFTMAX", "LABEL"],
      labels: 7,
      warnings: [],
    });
    expect(report.layers.map(({ name, major, sublayer }) => [name, major, sublayer])).toEqual([
      ["conv1", 1, 1],
      ["conv2", 1, 2],
      ["conv3", 2, 1],
    ]);
    expect(filesIn(join(at, "output"))).toEqual([...report.files].toSorted());
    const net = JSON.parse(readFileSync(join(at, "output", "net.json"), "utf8"));
    expect(net.layer.map(({ scaling }: { scaling: unknown }) => scaling)).toEqual([
      report.layers.slice(0, 2).map(({ shift }) => shift),
      [report.layers[2]?.shift],
    ]);
    const log = readFileSync(join(at, "output", "conversion.log"), "utf8");
    for (const { name } of report.layers)
      expect(log).toMatch(new RegExp(`^${name} +\\d+ +[\\d.]+`, "m"));
    expect(readFileSync(join(at, "output", "log.txt"), "utf8")).toContain(
      "inlay convert a.prototxt",
    );
  });

  it.each([
    ["2803, two bits", 2803, "TWO_BITS", 12, 2],
    ["2803, five bits", 2803, "FIVE_BITS", 12, 5],
    ["2801, three bits", 2801, "THREE_BITS", 12, 3],
    ["5801, one bit", 5801, "ONE_BIT", 8, 1],
    ["5801, eight bits", 5801, "DYNAMIC_FIXED_POINT", 8, 8],
  ] as const)("%s: simulation, definition and the kit's network agree", async (...row) => {
    const [name, chip, precision, width, bits] = row;
    const at = place(name, tinyText(precision, width), tinyNetwork(chip, bits), bits);
    const model = await converted(at, "--label=labels.txt");
    expect(model.target.chipType).toBe(chip);
    expect(model.labels).toHaveLength(7);
    const x = picture(28, 3);
    const definition = firstOf(scalarGraph(model), x);
    expect(definition).toHaveLength(7);
    expect(firstOf(simulationGraph(model), x)).toEqual(definition);
    expectNear(await simulated(model, x), definition, 1e-5);
    expectNear(definition, firstOf(kitNetwork(at), levelsOf(x)), 1e-5);
  });

  it("simulates what leaves the chip bit for bit on the engine", async () => {
    const text = tinyText("FIVE_BITS", 12).replace(/\nlayer \{ name: "unit"[\s\S]*$/, "");
    const at = place("levels", text, tinyNetwork(2803, 5));
    const model = await converted(at);
    expect([model.after, model.labels]).toEqual([undefined, undefined]);
    const x = picture(28, 5);
    const levels = firstOf(scalarGraph(model), x);
    expect(levels).toHaveLength(32 * 7 * 7);
    expect(new Set(levels).size).toBeGreaterThan(8);
    expect(await simulated(model, x)).toEqual(levels);
    expect(levels).toEqual(firstOf(kitNetwork(at), levelsOf(x)));
  });

  it("gives 10 bits of the last layer in steps of 1/32", async () => {
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
    const at = place("ten", text, network);
    const model = await converted(at);
    const x = picture(28, 6);
    const values = firstOf(scalarGraph(model), x);
    expect(values.every((value) => Number.isInteger(value * 32))).toBe(true);
    expect(values.some((value) => !Number.isInteger(value))).toBe(true);
    expect(await simulated(model, x)).toEqual(values);
    expectNear(values, firstOf(kitNetwork(at), levelsOf(x)), 1e-6);
  });

  it("keeps intermediate files on request, and labels out where there are none", async () => {
    const at = place("debug", tinyText("TWO_BITS", 12), tinyNetwork(2803, 2));
    const model = await converted(at, "-debug=True", "--ouput_dir=output");
    expect(model.operations).not.toContain("LABEL");
    const debug = filesIn(join(at, "output", "debug"));
    expect(debug).toEqual(
      [
        ...["cnn.param", "coef.dat", "common_format/bias.txt", "common_format/filter.txt"],
        ...["fc.param", "fc6.bin", "fc7.bin", "fullmodel.json", "fxp_shift_bits.txt", "net.json"],
      ].toSorted(),
    );
    const lines = readFileSync(join(at, "output/debug/common_format/bias.txt"), "utf8").split("\n");
    expect(lines).toHaveLength(16 + 16 + 32 + 1);
    expect(lines[0]).toMatch(/^-?\d\.\d{16}e[+-]\d\d$/);
  });

  it("takes a host part that the vendor's operations cannot say as one of its own", async () => {
    const host = `
layer { name: "rough" type: "Sigmoid" bottom: "pool2" top: "rough" }${classifierText("rough", 7)}`;
    const text = tinyText("TWO_BITS", 12).replace(/\nlayer \{ name: "unit"[\s\S]*$/, host);
    const at = place("own", text, tinyNetwork(2803, 2));
    const model = await converted(at, "--label=labels.txt");
    expect(model.operations).toEqual(["IMAGEREADER", "GTICNN", "INLAY_ONNX", "LABEL"]);
    const x = picture(28, 8);
    const definition = firstOf(scalarGraph(model), x);
    expectNear(definition, firstOf(kitNetwork(at), levelsOf(x)), 1e-5);
    expectNear(await simulated(model, x), definition, 1e-5);
  });

  it("leaves plain convolutions to the host, before the chip and behind it", async () => {
    const early = `
layer { name: "early" type: "Convolution" bottom: "data" top: "early"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "early_relu" type: "ReLU" bottom: "early" top: "early" }`;
    const late = `
layer { name: "late" type: "Convolution" bottom: "pool2" top: "late"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 } }
layer { name: "late_relu" type: "ReLU" bottom: "late" top: "late" }${classifierText("late", 7)}`;
    const text = tinyText("TWO_BITS", 12)
      .replace(/\nlayer \{ name: "conv1"/, `${early}$&`)
      .replace('bottom: "data" top: "conv1"', 'bottom: "early" top: "conv1"')
      .replace(/\nlayer \{ name: "unit"[\s\S]*$/, late);
    const at = place("host", text, tinyNetwork(2803, 2));
    const model = await converted(at);
    expect(model.operations).toEqual(["IMAGEREADER", "GTICNN", "INLAY_ONNX", "INLAY_ONNX"]);
    expect(model.chips[0].meta.entry).toBe("host");
    // The host gives levels: rounded and limited where they enter the chip.
    const x = picture(28, 21);
    const definition = firstOf(scalarGraph(model), x);
    expect(definition).toHaveLength(7);
    expectNear(await simulated(model, x), definition, 1e-5);
  });

  it("cuts a cascade, which gives what one chip gives", async () => {
    const network = tinyNetwork(2803, 2);
    const one = place("one", tinyText("TWO_BITS", 12), network);
    const two = place("two", tinyText("TWO_BITS", 12), {
      ...network,
      model: [{ ChipType: 2803, ChipNumber: 2 }],
    });
    const x = picture(28, 9);
    const single = firstOf(scalarGraph(await converted(one)), x);
    const model = await converted(two, "--debug=true");
    expect(model.chips.map(({ meta }) => [meta.chip, meta.chips, meta.entry])).toEqual([
      [1, 2, "picture"],
      [2, 2, "chip"],
    ]);
    expect(firstOf(scalarGraph(model), x)).toEqual(single);
    expectNear(await simulated(model, x), single, 1e-5);
    expect(filesIn(join(two, "output"))).toEqual(
      expect.arrayContaining([
        ...["coef_chip1.dat", "coef_chip2.dat", "net_chip1.json", "net_chip2.json"],
        ...["debug/common_format/filter_chip1.txt", "debug/common_format/bias_chip2.txt"],
      ]),
    );
  });

  it("edits gains of a network whose caps are real", async () => {
    const text = tinyText("DYNAMIC_FIXED_POINT", 12, [3, 4, 2]).replace(
      "value: 0.02",
      "value: 0.1",
    );
    const at = place("gain", text, tinyNetwork(2803, 12));
    const refused = await inlay(at, ...words, "-o");
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/not refined.*expected 31, got 3\. .*--edit_gain=true/s);
    const model = await converted(at, "--edit_gain=true", "--input_scale=1/255");
    const x = picture(28, 10);
    const scaled = tensor(
      "float32",
      x.shape,
      Float32Array.from(toNumbers(levelsOf(x)), (level) => (8 * level) / 255),
    );
    // Weights are rounded twice, so levels may differ by one here and there.
    expectNear(firstOf(scalarGraph(model), x), firstOf(kitNetwork(at), scaled), 0.05);
    const log = readFileSync(join(at, "output", "conversion.log"), "utf8");
    expect(log).toMatch(/conv1 3\nconv2 4\nconv3 2\nscale factor 0\.0645161/);
  });
});

describe("a conversion refuses, and names", () => {
  const tiny = tinyText("TWO_BITS", 12);

  it("files that are there, unless it is told", async () => {
    const at = place("twice", tiny, tinyNetwork(2803, 2));
    await converted(at);
    writeFileSync(join(at, "output", "coef.dat"), "mine");
    const again = await inlay(at, ...words, "-o");
    expect(again.code).toBe(2);
    expect(again.err).toMatch(/written over: got out\.model/);
    expect(readFileSync(join(at, "output", "coef.dat"), "utf8")).toBe("mine");
    writeFileSync(join(at, "output", "notes.txt"), "mine");
    expect((await inlay(at, ...words, "-o", "--force")).code).toBe(0);
    expect(isChipImage(readFileSync(join(at, "output", "coef.dat")))).toBe(true);
    expect(readFileSync(join(at, "output", "notes.txt"), "utf8")).toBe("mine");
  });

  it.each([
    ["another chip", tinyNetwork(2804, 2), /ChipType.*expected 2801, 2803 or 5801, got 2804/],
    [
      "a chip without these bits",
      tinyNetwork(2801, 2),
      /coefficient-bits: 2; the chip has weights of 1, 3 bits/,
    ],
    [
      "major layers of other sizes",
      { ...tinyNetwork(2803, 2), layer: [(tinyNetwork(2803, 2)["layer"] as object[])[0]] },
      /contradicts the network\n {2}model: layer is 1 major layers, the network has 2/,
    ],
    [
      "other pooling",
      { ...tinyNetwork(2803, 2), model: [{ ChipType: 2803, SamplingMethod: 1 }] },
      /major layer 1: SamplingMethod is sample, the network has max/,
    ],
  ])("%s", async (name, network, message) => {
    const at = place(`wrong ${name}`, tiny, network);
    const { code, err } = await inlay(at, ...words, "-o");
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(readdirSync(at)).not.toContain("output");
  });

  it("labels, full models, activations and networks that do not fit", async () => {
    const at = place("misfits", tiny, tinyNetwork(2803, 2));
    writeFileSync(join(at, "few.txt"), "0 a\n1 b\n");
    const few = await inlay(at, ...words, "-o", "--label=few.txt");
    expect(few.err).toMatch(/few\.txt.*expected 7 lines, got 2/);
    const layers = [
      { name: "reader", operation: "IMAGEREADER" },
      { name: "cnn", operation: "GTICNN", "data file": "coef.dat", "output channels": 64 },
    ];
    writeFileSync(join(at, "full.json"), JSON.stringify({ name: "mine", layer: layers }));
    const full = await inlay(at, ...words, "full.json", "-o");
    expect(full.err).toMatch(/full\.json.*contradicts.*output channels 64; the network has 32/s);
    const wide = { ...tinyNetwork(2803, 2), model: [{ ChipType: 2803, ActivationBitMode: 2 }] };
    writeFileSync(join(at, "wide.json"), JSON.stringify(wide));
    const ten = await inlay(at, ...words.with(3, "wide.json"), "-o");
    expect(ten.err).toMatch(/another width of activations.*act_bits 10.*got act_bits 5/s);
    const evaluated = await inlay(at, ...words, "-o", "--evaluate=pictures");
    expect([few.code, full.code, ten.code, evaluated.code]).toEqual([2, 2, 2, 2]);
    expect(evaluated.err).toMatch(/pictures: no such file or folder/);
    const float = tiny.replaceAll("QuantConvolution", "Convolution");
    const plain = place("float", float.replaceAll(/\n {2}quant_convolution_param.*/g, " }"), wide);
    writeFileSync(join(plain, "network.json"), JSON.stringify(tinyNetwork(2803, 2)));
    const refused = await inlay(plain, ...words, "-o");
    expect(refused.err).toMatch(/conv1.*expected QuantConvolution, .*inlay quantize/s);
  });
});

describe("a full model of the user's", () => {
  it("is kept, its FC gathers layers by their names, LABEL goes without labels", async () => {
    const at = place("full", tinyText("TWO_BITS", 12), tinyNetwork(2803, 2));
    const layer = [
      { name: "reader", operation: "IMAGEREADER" },
      { name: "cnn", operation: "GTICNN", "data file": "coef.dat", mode: 0, "output scaledown": 3 },
      { name: "fc6", operation: "FC", "data file": "fc6.bin", activation: "relu" },
      { name: "fc7", operation: "FC", "data file": "last.bin" },
      { name: "softmax", operation: "SOFTMAX" },
      { name: "label", operation: "LABEL", "data file": "labels.txt", "output channels": 3 },
    ];
    writeFileSync(join(at, "full.json"), JSON.stringify({ name: "mine", layer }));
    const { code, err } = await inlay(at, ...words, "full.json", "-o");
    expect([code, err]).toEqual([0, expect.stringContaining("the LABEL layer is left out")]);
    const model = await readChipModel(join(at, "output", "out.model"));
    expect(model.operations).toEqual(["IMAGEREADER", "GTICNN", "FC", "FC", "SOFTMAX"]);
    expect(filesIn(join(at, "output"))).toContain("last.bin");
    const x = picture(28, 12);
    expectNear(firstOf(scalarGraph(model), x), firstOf(kitNetwork(at), levelsOf(x)), 1e-5);
  });
});
