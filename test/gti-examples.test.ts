/**
 * The example networks for the GTI chips: they are what their script makes, parse without a warning, and have
 * the chips' layers: major layers, image sizes, bits, shortcuts. Their host parts can be written as ncnn.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { readNcnn } from "../src/formats/ncnn/read.ts";
import { writeNcnn } from "../src/formats/ncnn/write.ts";
import { type Graph, nodesOf, sweep } from "../src/ir/graph.ts";
import { inferTypes, type Types } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import type { Warning } from "../src/notice.ts";
import { joinBytes } from "../src/tensor/chunks.ts";

const folder = new URL("../examples/gti/", import.meta.url);
const textOf = (name: string): string => readFileSync(new URL(name, folder), "utf8");

const make: unknown = await import(new URL("make.js", folder).href);
const { exampleFiles } = make as { exampleFiles: () => ReadonlyMap<string, string> };

test("the files are what the script makes", () => {
  for (const [name, text] of exampleFiles()) {
    expect(textOf(name).replaceAll("\r\n", "\n"), name).toBe(text);
  }
});

type Loaded = { readonly graph: Graph; readonly warnings: readonly Warning[] };
/** The network that was read last: all together they are large. */
let last: { readonly name: string; readonly loaded: Loaded } | undefined;

function load(name: string): Loaded {
  if (last?.name !== name) last = { name, loaded: read(name) };
  return last.loaded;
}

function read(name: string): Loaded {
  const warnings: Warning[] = [];
  const prototxt = { name, bytes: new TextEncoder().encode(textOf(name)) };
  const graph = readCaffe({ prototxt, onWarning: (warning) => warnings.push(warning) });
  return { graph, warnings };
}

/** Bits of a coefficient; whole ones have as many as the chip stores. */
function bitsOf({ attrs }: Node<"quantConv">): number {
  const bits = {
    float: 0,
    dynamic: attrs.parameterBits,
    oneBit: 1,
    twoBits: 2,
    threeBits: 3,
    fiveBits: 5,
  };
  return bits[attrs.precision];
}

type Run = {
  readonly size: number;
  readonly inputs: number;
  outputs: number;
  readonly bits: number;
  kinds: string;
  readonly shortcuts: number[];
  readonly upsampled: boolean;
  pooled: boolean;
};

const runText = (run: Run): string =>
  [
    `${run.size}:${run.inputs}>${run.outputs}`,
    /^3+$/.test(run.kinds) ? `x${run.kinds.length}` : run.kinds,
    `@${run.bits}`,
    run.shortcuts.length > 0 ? `s${run.shortcuts.join(",")}` : "",
    `${run.upsampled ? "U" : ""}${run.pooled ? "P" : ""}`,
  ].join("");

/** Runs of convolutions of one size, width and coefficient, in the graph's order. */
function runsOf(graph: Graph): readonly string[] {
  const types = inferTypes(graph);
  const runs: Run[] = [];
  const convs: Node<"quantConv">[] = [];
  let upsampled = false;
  for (const node of graph.nodes) {
    const last = runs.at(-1);
    if (node.op === "deconv") upsampled = true;
    if (node.op === "maxPool" && last !== undefined) last.pooled = true;
    if (node.op === "add" && last !== undefined) {
      // The shortcut starts at the input of the convolution before the one that it is added to.
      expect(node.inputs).toEqual([convs.at(-1)?.id, convs.at(-2)?.inputs[0]]);
      last.shortcuts.push(last.kinds.length - 1);
    }
    if (node.op !== "quantConv") continue;
    convs.push(node);
    const run = runOf(node, types, upsampled);
    if (last !== undefined && continues(last, run)) {
      last.kinds += run.kinds;
      last.outputs = run.outputs;
    } else runs.push(run);
    upsampled = false;
  }
  return runs.map(runText);
}

/** A run of one convolution. */
function runOf(node: Node<"quantConv">, types: Types, upsampled: boolean): Run {
  const shape = (index: number): readonly number[] =>
    types.get(node.inputs[index] ?? "")?.shape ?? [];
  const [, inputs = 0, rows = 0] = shape(0);
  const [outputs = 0, perGroup, k] = shape(1);
  const kinds = perGroup === 1 && node.attrs.groups === inputs ? "d" : `${k}`;
  const size = upsampled ? rows / 2 : rows;
  const bits = bitsOf(node);
  return { size, inputs, outputs, bits, kinds, shortcuts: [], upsampled, pooled: false };
}

/** A depthwise convolution that comes first has the width of its input. */
function continues(last: Run, next: Run): boolean {
  const isSameWidth = last.outputs === next.outputs || /^d+$/.test(last.kinds);
  return !last.pooled && !next.upsampled && last.bits === next.bits && isSameWidth;
}

const vgg16 = (a: number, b: number): string =>
  `224:3>64x2@${a}P 112:64>128x2@${a}P 56:128>256x3@${a}P 28:256>512x3@${b}P 14:512>512x3@${b}P`;
const vggLike = (bits: number, last: string): string =>
  `224:3>64x2@${bits}P 112:64>128x2@${bits}P 56:128>256x2@${bits}P 28:256>256x2@${bits}P 14:256>256${last}`;
const mobile = (size: number, bits: number, c0: number, c1: number): string =>
  [
    `${size}:3>${c0}x1@${bits}P ${size / 2}:${c0}>${c1}d1d@${bits}P ${size / 4}:${c1}>1281d1d@${bits}P`,
    `${size / 8}:128>2561d1d@${bits}P ${size / 16}:256>5121d1d1d1d1d1d@${bits}P ${size / 32}:512>10241d1@${bits}`,
  ].join(" ");
const res18 = (bits: number): string =>
  [
    `224:3>64x2@${bits}P 112:64>64x2@${bits}P 56:64>64x4@${bits}s1,3P 28:64>128x4@${bits}s3P`,
    `14:128>256x4@${bits}s3P 7:256>512x4@${bits}s3`,
  ].join(" ");
// Sixteen and five convolutions of one width: three and two major layers of the chips.
const res50 =
  "224:3>64x2@2P 112:64>64x2@2P 56:64>64x6@2s1,3,5P 28:64>128x8@2s3,5,7P 14:128>256x16@2s5,7,9,11,13,15 14:256>512x1@2P 7:512>512x5@2s2,4";
const upsample =
  "448:3>16x1@8P 224:16>32x1@8P 112:32>64x1@8P 56:64>32x1@8U 112:32>16x1@8U 224:16>3x1@8U";
const detector =
  "448:3>64x1@3P 224:64>64x1@3P 112:64>128x2@3P 56:128>256x3@3P 28:256>256x3@3P 14:256>256x3@3 14:256>256x3@8";

const networks: Readonly<Record<string, readonly [runs: string, output: string]>> = {
  "vgg16-2801": [vgg16(3, 1), "prob 1,1000"],
  "vgg16-2803": [vgg16(2, 2), "prob 1,1000"],
  "vgg16-5801": [vgg16(3, 1), "prob 1,1000"],
  "vgg-like-2803": [vggLike(12, "x2@12P"), "prob 1,1000"],
  "vgg-like-5801": [vggLike(8, "x2@8P"), "prob 1,1000"],
  "vgg-like-10bit-2803": [vggLike(12, "x1@12"), "prob 1,1000"],
  "vgg-like-10bit-5801": [vggLike(8, "x1@8"), "prob 1,1000"],
  "mobilenet-224-2803": [mobile(224, 12, 32, 64), "prob 1,1000"],
  "mobilenet-224-5801": [mobile(224, 8, 32, 64), "prob 1,1000"],
  "mobilenet-448-2803": [mobile(448, 12, 16, 32), "prob 1,1000"],
  "mobilenet-448-5801": [mobile(448, 8, 32, 64), "prob 1,1000"],
  "resnet18-2803": [res18(2), "prob 1,1000"],
  "resnet18-5801": [res18(1), "prob 1,1000"],
  "resnet50-2803": [res50, "prob 1,1000"],
  "upsample-repeat-5801": [upsample, "image 1,3,448,448"],
  "upsample-zeros-5801": [upsample, "image 1,3,448,448"],
  "detector-448-5801": [detector, "detections 1,5880"],
  "vgg16-ssd-5801": [vgg16(3, 1), "found "],
};

const isWide = (name: string, node: Node<"quantRelu">): boolean =>
  name.includes("10bit") && node.id.startsWith("stage5");

describe.each(Object.entries(networks))("%s", (name, [runs, output]) => {
  test("has its major layers, and gives what it should, without a warning", () => {
    const { graph, warnings } = load(`${name}.prototxt`);
    expect(warnings.map(({ id }) => id)).toEqual(["no-weights"]);
    expect(runsOf(graph)).toEqual(runs.split(" "));
    const types = inferTypes(graph);
    const outputs = graph.outputs.map(({ name, id }) => `${name} ${types.get(id)?.shape ?? ""}`);
    expect(outputs).toEqual([output]);
  });

  test("is quantized as after its last training step", () => {
    const { graph } = load(`${name}.prototxt`);
    const [convs, activations] = [nodesOf(graph, "quantConv"), nodesOf(graph, "quantRelu")];
    const width = name.endsWith("5801") ? 8 : 12;
    expect(activations).toHaveLength(convs.length);
    for (const { attrs } of convs)
      expect(attrs).toMatchObject({ parameterBits: width, shiftEnabled: true });
    for (const node of activations) {
      const bits = isWide(name, node) ? 10 : 5;
      expect(node.attrs).toMatchObject({ bits, quantized: true, slope: 0 });
      const cap = graph.nodes.find(({ id }) => id === node.inputs[1]);
      const data = cap?.op === "const" ? cap.attrs.tensor.data : [];
      expect([...data]).toEqual([bits === 10 ? 31.96875 : 31]);
    }
  });

  test("has a host part that ncnn can say", () => {
    const host = hostPart(load(`${name}.prototxt`).graph);
    expect(host.nodes.some(({ op }) => op === "quantConv")).toBe(false);
    const { param, bin } = writeNcnn(host);
    const again = readNcnn({
      param: { name: "p", content: param },
      bin: { name: "b", content: joinBytes(bin) },
    });
    const [shape] = host.outputs.map(({ id }) => inferTypes(host).get(id)?.shape);
    expect(again.outputs.map(({ id }) => inferTypes(again).get(id)?.shape)).toEqual([shape]);
  });
});

/** What stands behind the chip's layers; what these give are inputs. */
function hostPart(graph: Graph): Graph {
  const types = inferTypes(graph);
  const isChip = (id: string): boolean => id.startsWith("stage");
  const host = graph.nodes.filter(({ id }) => !isChip(id));
  const read = new Set(host.flatMap(({ inputs }) => inputs).filter(isChip));
  const inputs = [...read].map((id): Node => {
    const shape = types.get(id)?.shape ?? [];
    return { op: "input", id, inputs: [], attrs: { dtype: "float32", shape } };
  });
  return sweep({ ...graph, nodes: [...inputs, ...host] });
}

test("upsampling is what its name says, and frozen", () => {
  const taps = (name: string): readonly number[] => {
    const { graph } = load(`${name}.prototxt`);
    const [up] = nodesOf(graph, "deconv");
    const weight = graph.nodes.find(({ id }) => id === up?.inputs[1]);
    return weight?.op === "const"
      ? [...(weight.attrs.tensor.data as Float32Array).subarray(0, 8)]
      : [];
  };
  expect(taps("upsample-repeat-5801")).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  expect(taps("upsample-zeros-5801")).toEqual([1, 0, 0, 0, 1, 0, 0, 0]);
  expect(textOf("upsample-zeros-5801.prototxt")).toContain("lr_mult: 0");
});

test("MobileNet and the inserted zeros sample, the others take the maximum", () => {
  for (const name of Object.keys(networks)) {
    const sampled = nodesOf(load(`${name}.prototxt`).graph, "maxPool").map(
      ({ attrs }) => attrs.kernel[0],
    );
    const expected = /mobilenet|zeros/.test(name) ? 1 : 2;
    expect(new Set(sampled), name).toEqual(new Set([expected]));
  }
});

test("SSD takes a branch from the middle, before the pooling", () => {
  const { graph } = load("vgg16-ssd-5801.prototxt");
  const scale = graph.nodes.find(({ id }) => id === "host_scale1");
  const branch = scale?.inputs[0] ?? "";
  expect(graph.nodes.find(({ id }) => id === branch)).toMatchObject({
    op: "quantRelu",
    id: "stage4_act3",
  });
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(branch)).map(({ id }) => id);
  expect(readers.toSorted()).toEqual(["host_scale1", "stage4_pool"]);
});
