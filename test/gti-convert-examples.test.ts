/**
 * Example networks for the GTI chips, converted and read back: every element of every value on the chip, by the scalar definition,
 * by the engine, and by the kit's own network in float; and shifts recomputed from the caffemodel. Beyond
 * convert-examples.test.ts, which looks at the end of the network.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Values } from "../src/engine/runtime.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import { scalarGraph, simulationGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { convertJob } from "../src/job/convert.node.ts";
import type { ConvertReport } from "../src/report/convert.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import type { RuleName } from "../src/target/layered-target.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-gti-convert-examples-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Example = {
  readonly name: string;
  /** Rows and columns of the picture, where not the example's own. */
  readonly size?: number;
  readonly waive?: readonly RuleName[];
  /** Layers on the chip. */
  readonly layers: number;
  /** Levels per 1.0 of the last value: 32 for 10 bits. */
  readonly lastLevels?: number;
  /** The scalar definition takes long for large maps. */
  readonly definition: boolean;
};

const examples: readonly Example[] = [
  { name: "upsample-repeat-5801", size: 224, layers: 6, definition: true },
  { name: "upsample-zeros-5801", size: 224, layers: 6, definition: true },
  { name: "mobilenet-224-5801", layers: 27, definition: true },
  // No chip has maps of these sizes; its arithmetic is the same.
  { name: "resnet18-2803", size: 64, waive: ["image-size"], layers: 20, definition: true },
  {
    name: "vgg-like-10bit-2803",
    size: 32,
    waive: ["image-size"],
    layers: 9,
    lastLevels: 32,
    definition: true,
  },
  { name: "resnet18-2803", layers: 20, definition: false },
];

/** Normal numbers, drawn once: a network has millions of weights, each layer from a place of its own. */
const random = createRandom(7);
const pool = Float32Array.from({ length: 2 ** 18 }, () => random.normal());

function normals(count: number, deviation: number): Float32Array {
  const first = random.below(pool.length);
  return new Float32Array(count).map(
    (_, at) => deviation * (pool[(first + at) % pool.length] ?? 0),
  );
}

/**
 * Weights that keep the size of activations from layer to layer, and small biases. Kernels of few levels lose about half
 * of their variance to the rounding: they get it before.
 */
function withWeights(prototxt: string): Graph {
  const graph = readCaffe({ prototxt: { name: "p", bytes: new TextEncoder().encode(prototxt) } });
  const deviations = new Map<string, number>();
  const nodes = nodeMap(graph);
  for (const node of graph.nodes) {
    if (node.op !== "quantConv" && node.op !== "linear") continue;
    const [, weight = "", bias = ""] = node.inputs;
    const shape = constantOf(nodes.get(weight))?.shape ?? [];
    const variance = node.op === "quantConv" && node.attrs.precision !== "dynamic" ? 4 : 2;
    deviations.set(weight, Math.sqrt(variance / elementCount(shape.slice(1))));
    deviations.set(bias, 0.02);
  }
  const filled = graph.nodes.map((node): Node => {
    const deviation = deviations.get(node.id);
    if (node.op !== "const" || deviation === undefined) return node;
    const { shape } = node.attrs.tensor;
    return { ...node, attrs: { tensor: float32(shape, normals(elementCount(shape), deviation)) } };
  });
  return { ...graph, nodes: filled };
}

type Files = { readonly prototxt: string; readonly caffemodel: string; readonly out: string };

/** The example with random weights on the disk, and where it will be converted to. */
function place({ name, size }: Example): Files {
  const at = join(folder, `${name}-${size ?? "own"}`);
  mkdirSync(at);
  const own = readFileSync(new URL(`../examples/gti/${name}.prototxt`, import.meta.url), "utf8");
  const sized = (text: string): string =>
    text.replace(/dim: 3 dim: \d+ dim: \d+/, `dim: 3 dim: ${size} dim: ${size}`);
  const files = writeCaffe(withWeights(size === undefined ? own : sized(own)));
  const paths = { prototxt: join(at, "a.prototxt"), caffemodel: join(at, "b.caffemodel") };
  writeFileSync(paths.prototxt, files.prototxt);
  writeFileSync(paths.caffemodel, files.caffemodel);
  return { ...paths, out: join(at, "out") };
}

function kitNetwork({ prototxt, caffemodel }: Files): Graph {
  const file = (path: string) => ({ name: path, bytes: readFileSync(path) });
  return readCaffe({ prototxt: file(prototxt), caffemodel: file(caffemodel) });
}

/** These values of the graph by id, computed by the engine. */
async function valuesOf(graph: Graph, ids: readonly string[], x: Tensor): Promise<Values> {
  const runtime = await nodeRuntime({ device: "cpu", threads: 2 });
  const session = await openSession(graph, runtime, { taps: ids });
  const values = await session.run(new Map([[session.inputs[0] ?? "", x]]));
  await session.release();
  return values;
}

/** Where two values first differ; -1 where they are the same. */
function firstDifference(a: Tensor, b: Tensor, factor = 1): number {
  if (a.data.length !== b.data.length) return 0;
  for (let at = 0; at < a.data.length; at += 1) {
    if (Number(a.data[at]) !== Number(b.data[at]) * factor) return at;
  }
  return -1;
}

/** Whether a value has four levels or more: what is all 0 or all 31 proves little. */
function isLively(value: Tensor | undefined): boolean {
  const levels = new Set<unknown>();
  return value?.data.some((level) => levels.add(level).size >= 4) === true;
}

/** Ids of computed integer values: levels. */
function levelIds(definition: Graph): readonly string[] {
  const types = inferTypes(definition);
  return definition.nodes
    .filter(({ op, id }) => op !== "const" && types.get(id)?.dtype !== "float32")
    .map(({ id }) => id);
}

/** The kit's rule for the shift of a masked layer, from its float weights, and for whole coefficients. */
function shiftOf(node: Node<"quantConv">, nodes: ReadonlyMap<string, Node>): number {
  const largest = (at: number): number => {
    const value = constantOf(nodes.get(node.inputs[at] ?? ""));
    const data: Float32Array = value?.dtype === "float32" ? value.data : new Float32Array();
    return data.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  };
  const { precision, parameterBits } = node.attrs;
  const biasBits = parameterBits === 8 ? 20 : 12;
  const weight = Math.floor(Math.log2((2 ** (parameterBits - 1) - 1) / largest(1)));
  const bias = Math.floor(Math.log2((2 ** (biasBits - 1) - 1) / (largest(2) + 1e-6)));
  const shift = precision === "dynamic" ? weight : Math.min(weight, bias);
  return Math.min(Math.max(shift, 0), parameterBits === 8 ? 15 : 13);
}

async function convert(example: Example, files: Files): Promise<ConvertReport> {
  const { name, waive = [] } = example;
  return await convertJob(
    {
      model: [files.prototxt, files.caffemodel],
      target: `gti${name.slice(-4)}`,
      chip: { waive },
      ...{ editGain: false, likeMdk: false, debug: false, force: false },
      out: files.out,
    },
    { device: "cpu", threads: 1, seed: 0, command: ["inlay", "convert"] },
  );
}

const titled = examples.map((one) => [`${one.name}, ${one.size ?? "its own size"}`, one] as const);

describe.each(titled)("%s", (_, example) => {
  it("is the same to the last level in all ways of computing it", async () => {
    const files = place(example);
    const report = await convert(example, files);
    expect([report.layers.length, report.deployable]).toEqual([
      example.layers,
      example.waive === undefined,
    ]);
    const kit = kitNetwork(files);
    const kitNodes = nodeMap(kit);
    const shifts = nodesOf(kit, "quantConv").map((node) => shiftOf(node, kitNodes));
    expect(report.layers.map(({ shift }) => shift)).toEqual(shifts);
    expect(shifts.every((shift) => shift >= 4 && shift <= 13)).toBe(true);

    const model = await readChipModel(join(files.out, "out.model"));
    const [definition, lowered] = [scalarGraph(model), simulationGraph(model)];
    const known = nodeMap(lowered);
    const ids = levelIds(definition).filter((id) => known.has(id));
    const [input] = nodesOf(definition, "input");
    const shape = input?.attrs.shape ?? [];
    const bytes = Float32Array.from({ length: elementCount(shape) }, () => random.below(256));
    const x = float32(shape, bytes);
    const engine = await valuesOf(lowered, ids, x);

    // Sums of 24 bits and a sign are exact in float32, in any order: the kit's network has the same levels.
    expect(
      Math.max(...report.layers.map((layer) => layer.accumulatorBits ?? 0)),
    ).toBeLessThanOrEqual(25);
    const shared = ids.filter((id) => kitNodes.has(id));
    expect(shared.length).toBeGreaterThanOrEqual(example.layers - 13);
    const levels = bytes.map((value) => Math.min(((value >> 2) + 1) >> 1, 31));
    const float = await valuesOf(kit, shared, float32(shape, levels));
    const last = report.layers.at(-1)?.name.replace("conv", "act");
    const differing = shared.filter((id) => {
      const [got, wanted] = [engine.get(id), float.get(id)];
      const factor = id === last ? example.lastLevels : 1;
      return got === undefined || wanted === undefined || firstDifference(got, wanted, factor) >= 0;
    });
    expect(differing).toEqual([]);
    expect(ids.filter((id) => !isLively(engine.get(id)))).toEqual([]);

    if (!example.definition) return;
    const seen: string[] = [];
    const wrong: string[] = [];
    runScalar(definition, new Map([[input?.id ?? "", x]]), {
      onValue: ({ id }, value) => {
        const got = engine.get(id);
        if (got === undefined || !ids.includes(id)) return;
        seen.push(id);
        const at = firstDifference(got, value);
        if (at >= 0) wrong.push(`${id} at ${at}: ${got.data[at]}, defined as ${value.data[at]}`);
      },
    });
    expect(wrong).toEqual([]);
    expect(seen).toEqual(ids);
  });
});
