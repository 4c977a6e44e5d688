/**
 * What is held on every real network: its float counts, the cost of int8, that the fast simulation
 * equals the scalar definition, and how ONNX Runtime's own int8 kernels differ.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { batches } from "../src/data/batch.ts";
import { type Dataset, take } from "../src/data/dataset.ts";
import { openDataset } from "../src/data/open.node.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Values } from "../src/engine/runtime.ts";
import { onnxSchema } from "../src/formats/onnx/schema.ts";
import { constantOf, type Graph, nodeMap, sweep } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import { evaluateJob } from "../src/job/evaluate.node.ts";
import { loadModel } from "../src/job/load-model.node.ts";
import { quantizeJob } from "../src/job/quantize.node.ts";
import { decode } from "../src/protobuf/decode.ts";
import { defaultQuantizeOptions } from "../src/quantize/options.ts";
import { classify, countChanged, countHits } from "../src/run/classify.ts";
import { pictureSize, withPictureInput } from "../src/run/prepare.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { type Simulation, simulationOf } from "../src/run/simulate.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { context, type NetworkCase } from "./networks.ts";

/** The float network gives the counts of the reference. */
export async function checkFloat(network: NetworkCase): Promise<void> {
  const { model, images, preprocess, slack } = network;
  const report = await evaluateJob({ model, images, preprocess }, context);
  expect(Math.abs((report.top1?.count ?? 0) - network.top1)).toBeLessThanOrEqual(slack);
  if (network.top5 !== undefined) {
    expect(Math.abs((report.top5?.count ?? 0) - network.top5)).toBeLessThanOrEqual(slack);
  }
}

export type Quantized = {
  readonly out: string;
  /** Pictures whose best class is right, as `quantize` counted them. */
  readonly count: number;
  /** Points of top-1 lost. */
  readonly loss: number;
  readonly line: string;
  readonly remove: () => void;
};

/**
 * Quantizes with the default recipe, and finds the reference's count of the float network on the way; the folder stays
 * until `remove`.
 */
export async function quantizeNetwork(network: NetworkCase): Promise<Quantized> {
  const out = mkdtempSync(join(tmpdir(), "inlay-quantized-"));
  const { model, images, calibrate, preprocess } = network;
  const job = {
    model,
    target: "int8",
    calibrate,
    evaluate: images,
    preprocess,
    method: "mse" as const,
    options: defaultQuantizeOptions,
    out,
  };
  const { accuracy } = await quantizeJob(job, context);
  if (accuracy === null) throw new Error("no accuracy");
  const { float, quantized, changedImages, samples } = accuracy;
  expect(Math.abs(float.count - network.top1)).toBeLessThanOrEqual(network.slack);
  const loss = float.percent - quantized.percent;
  const [lo, hi] = quantized.interval;
  const line = `${network.name}: float ${float.count}, int8 ${quantized.count} of ${samples} (${quantized.percent.toFixed(2)} %, 95 % interval ${lo.toFixed(2)}..${hi.toFixed(2)}), lost ${loss.toFixed(2)} points, ${changedImages} pictures changed`;
  const { count } = quantized;
  return { out, count, loss, line, remove: () => rmSync(out, { recursive: true, force: true }) };
}

/** `evaluate` of the folder simulates, and counts what `quantize` did. */
export async function checkEvaluate({ images }: NetworkCase, quantized: Quantized): Promise<void> {
  const again = await evaluateJob({ model: [quantized.out], images }, context);
  expect(again.simulated).toBe(true);
  expect(again.top1?.count).toBe(quantized.count);
}

/** The network's test pictures. */
function pictures({ images: { path, root, limit } }: NetworkCase): Promise<Dataset> {
  return openDataset(path, {
    ...(root !== undefined && { root }),
    ...(limit !== undefined && { limit }),
    seed: 0,
  });
}

/** Scalar definition and lowered simulation agree on every integer of `count` pictures. */
export async function checkScalar(
  network: NetworkCase,
  out: string,
  count: number,
): Promise<number> {
  const simulation = simulationOf((await loadModel([out])).graph);
  const layers = integerLayers(simulation);
  let compared = 0;
  for await (const { feeds, values } of simulated(network, simulation, layers, count)) {
    const wanted = new Map<string, Tensor>();
    runScalar(withPictureInput(simulation.integer, network.preprocess), feeds, {
      onValue: (node, value) => wanted.set(node.id, value),
    });
    for (const id of layers) {
      const zero = simulation.zeros.get(id) ?? 0;
      const got = toNumbers(values.get(id) as Tensor);
      const scalar = toNumbers(wanted.get(id) as Tensor);
      const wrong = scalar.findIndex((value, at) => value !== (got[at] ?? 0) + zero);
      expect(wrong, `${id}: ${scalar[wrong]} and ${got[wrong]}`).toBe(-1);
      compared += scalar.length;
    }
  }
  return compared;
}

const integerOps: ReadonlySet<Node["op"]> = new Set<Node["op"]>([
  "quantize",
  "intConv",
  "intLinear",
  "intAvgPool",
  "intAdd",
  "requantize",
]);

/** Every integer layer, and every value that integers were moved to. */
function integerLayers({ integer, zeros }: Simulation): readonly string[] {
  return integer.nodes
    .filter((node) => zeros.has(node.id) || integerOps.has(node.op))
    .map((node) => node.id);
}

type Pass = { readonly feeds: Values; readonly values: Values };

/** Runs single pictures through the lowered simulation with every integer layer tapped. */
async function* simulated(
  network: NetworkCase,
  simulation: Simulation,
  layers: readonly string[],
  count: number,
): AsyncGenerator<Pass> {
  const runtime = await nodeRuntime(context);
  const graph = withPictureInput(simulation.lowered, network.preprocess);
  const session = await openSession(graph, runtime, { taps: layers });
  const dataset = take(await pictures(network), count);
  const size = pictureSize(simulation.lowered);
  for await (const batch of batches(dataset, network.preprocess, size, {
    batch: 1,
    readAhead: 0,
  })) {
    const feeds = new Map([[session.inputs[0] ?? "", batch.images]]);
    yield { feeds, values: await session.run(feeds) };
  }
  await session.release();
}

export type KernelAgreement = {
  readonly layers: number;
  /** Smallest share of equal elements over the layers, 0..1. */
  readonly worst: number;
  readonly worstLayer: string;
  /** Largest difference of two integers. */
  readonly largest: number;
};

/**
 * Each convolution and fully connected layer, run by ONNX Runtime's own int8 kernels on the
 * simulation's integers, against the simulation's result.
 */
export async function checkKernels(
  network: NetworkCase,
  out: string,
  count: number,
): Promise<KernelAgreement> {
  const quantized = (await loadModel([out])).graph;
  const simulation = simulationOf(quantized);
  const layers = simulation.integer.nodes.filter(
    (node) =>
      (node.op === "intConv" || node.op === "intLinear") && node.attrs.output.kind === "integer",
  );
  const taps = [...new Set(layers.flatMap((node) => [node.id, node.inputs[0] ?? ""]))];
  const passes: Values[] = [];
  for await (const { values } of simulated(network, simulation, taps, count)) passes.push(values);
  const integers = (values: Values, id: string): number[] =>
    toNumbers(values.get(id) as Tensor).map((value) => value + (simulation.zeros.get(id) ?? 0));
  const runtime = await nodeRuntime(context);
  let [worst, worstLayer, largest] = [1, "", 0];
  for (const layer of layers) {
    const input = layer.inputs[0] ?? "";
    const session = await openSession(layerAlone(quantized, input, layer.id), runtime);
    const differences: number[] = [];
    for (const values of passes) {
      const feed = integerTensor(
        integers(values, input),
        values.get(input)?.shape ?? [],
        isSigned(quantized, input),
      );
      const result = (await session.run(new Map([[input, feed]]))).get(layer.id) as Tensor;
      const got = toNumbers(result);
      const wanted = integers(values, layer.id);
      for (const [at, value] of wanted.entries()) differences.push(Math.abs(value - got[at]!));
    }
    await session.release();
    const equal = differences.filter((difference) => difference === 0).length / differences.length;
    largest = differences.reduce((a, b) => Math.max(a, b), largest);
    if (equal < worst) [worst, worstLayer] = [equal, layer.id];
  }
  return { layers: layers.length, worst, worstLayer, largest };
}

function integerTensor(numbers: readonly number[], shape: Shape, signed: boolean): Tensor {
  return signed
    ? { dtype: "int8", shape, data: Int8Array.from(numbers) }
    : { dtype: "uint8", shape, data: Uint8Array.from(numbers) };
}

function isSigned(quantized: Graph, id: string): boolean {
  const nodes = nodeMap(quantized);
  let node = nodes.get(id);
  // Operators that move integers keep their type: look at where the integers come from.
  while (node !== undefined && node.op !== "quantize") node = nodes.get(node.inputs[0] ?? "");
  return constantOf(nodes.get(node?.inputs[2] ?? ""))?.dtype === "int8";
}

/** The part of a QDQ graph from the integers `from` to the integers `to`. */
function layerAlone(quantized: Graph, from: string, to: string): Graph {
  const dtype = isSigned(quantized, from) ? ("int8" as const) : ("uint8" as const);
  const { shape } = shapeOf(quantized, from);
  const nodes = quantized.nodes
    .filter((node) => node.op !== "input")
    .map(
      (node): Node =>
        node.id === from ? { op: "input", id: from, inputs: [], attrs: { dtype, shape } } : node,
    );
  return sweep({ ...quantized, nodes, outputs: [{ name: to, id: to }] });
}

function shapeOf(graph: Graph, id: string): { readonly shape: readonly number[] } {
  const type = inferTypes(graph).get(id);
  if (type === undefined) throw new Error(`no shape for ${id}`);
  return type;
}

/**
 * Pictures whose best class ONNX Runtime's int8 kernels change, against the exact simulation of the written files, which
 * counts as `quantize` did.
 */
export async function changedByKernels(
  network: NetworkCase,
  { out, count }: Quantized,
): Promise<{ readonly changed: number; readonly samples: number }> {
  const quantized = (await loadModel([out])).graph;
  const runtime = await nodeRuntime(context);
  const dataset = await pictures(network);
  const exact = await classify(
    simulationOf(quantized).lowered,
    dataset,
    network.preprocess,
    runtime,
  );
  expect(countHits(exact.predictions).top1).toBe(count);
  const kernels = await classify(quantized, dataset, network.preprocess, runtime);
  const changed = countChanged(exact.predictions, kernels.predictions);
  return { changed, samples: exact.predictions.length };
}

/** How many of ONNX Runtime's own quantized operators the written model runs with. */
export async function int8Operators(out: string): Promise<number> {
  const { InferenceSession } = await import("onnxruntime-node");
  const optimized = join(out, "optimized.onnx");
  const session = await InferenceSession.create(join(out, "quantized.onnx"), {
    optimizedModelFilePath: optimized,
    logSeverityLevel: 3,
  });
  await session.release();
  const model = decode(onnxSchema, "ModelProto", readFileSync(optimized), { file: optimized });
  const operators = model.graph?.node.map((node) => node.op_type ?? "") ?? [];
  return operators.filter((name) => /^QLinear(Conv|MatMul)$|^QGemm$/.test(name)).length;
}
