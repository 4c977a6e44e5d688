/**
 * Gradients against central differences: the rules' ONNX graph, run by ONNX Runtime, and the scalar interpreter in
 * float64. Which inputs are far enough from kinks and ties is the caller's matter: `valuesApart` and `valuesAway` help.
 */
import { expect } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Device, Runtime } from "../src/engine/runtime.ts";
import type { Graph } from "../src/ir/graph.ts";
import { constantOf, nodeMap } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { BatchStatistics } from "../src/ir/training.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { createRandom, type Random, shuffle } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import { gradientModel, gradientName } from "../src/train/gradient-model.ts";
import { commonKernels, type Kernels } from "../src/train/kernels.ts";
import { maskOf, trainingReference } from "./gradient-reference.ts";
import { expectClose } from "./within.ts";

type Values = ReadonlyMap<string, Tensor>;

type GradientCheck = {
  /** Inputs and constants whose gradients are checked. */
  readonly wanted: readonly string[];
  /** Batch norms that take their statistics from the batch. */
  readonly statistics?: readonly BatchStatistics[];
  /** Relative to the gradient's largest magnitude; 1e-3 by default. */
  readonly tolerance?: number;
  /** Elements of each value that are looked at, chosen at random where it has more; 40 by default. */
  readonly sample?: number;
  /** What the model is written for; plain ones by default. */
  readonly kernels?: Kernels | undefined;
  /** Of the outputs' gradients, dropout's masks and the sample. */
  readonly seed?: number;
};

/** Half the distance of a central difference: kinks must lie farther away from every value. */
const differenceStep = 2 ** -13;
const gradientTolerance = 1e-3;
/** The forward values are checked too: float32 against double, over several operators. */
const forwardTolerance = 1e-4;
/** A gradient smaller than this counts as this large: what is 0 need not be so to the last bit. */
const smallest = 1e-2;

/** Another engine than the CPU's, where one is at hand: `INLAY_TEST_DEVICE=webgpu`. */
const testDevice = (process.env["INLAY_TEST_DEVICE"] ?? "cpu") as Device;

let shared: Promise<Runtime> | undefined;

/** Runs a model of `gradientModel` once. */
export async function runModel(model: Uint8Array, feeds: Values): Promise<Values> {
  shared ??= nodeRuntime({ threads: 1, device: testDevice });
  const session = await (await shared).load(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/**
 * Fails unless for random gradients `dy` of the outputs the gradient of `sum(dy * y)` by the rules equals its central
 * difference, for every wanted value, and the forward values are the scalar interpreter's.
 */
export async function checkGradients(
  graph: Graph,
  feeds: Values,
  options: GradientCheck,
): Promise<void> {
  const { wanted, statistics = [], tolerance = gradientTolerance, sample = 40 } = options;
  const kernels = testDevice === "cpu" ? options.kernels : commonKernels;
  const random = createRandom(options.seed ?? 1);
  const point = new Map([...feeds, ...constantsOf(graph, wanted), ...masksOf(graph, random)]);
  const seeds = seedsOf(graph, random);
  const sums = statistics.flatMap(({ layer, sums: values }) =>
    values.map((value, index) => [`${layer}/${index}`, value] as const),
  );
  const got = await runModel(
    gradientModel(graph, wanted, statistics, { kernels }),
    new Map<string, Tensor>([...point, ...sums, ...named(seeds)]),
  );
  const reference = trainingReference(graph, wanted, statistics);
  for (const [id, y] of runScalar(reference, point, { precision: "float64" })) {
    expectClose(got.get(`${id}'`), y, forwardTolerance);
  }
  for (const id of wanted) {
    const gradient = toNumbers(got.get(gradientName(id)) ?? float32([0], []));
    expect(got.get(gradientName(id))?.shape).toEqual(point.get(id)?.shape);
    const places = shuffle([...gradient.keys()], random).slice(0, sample);
    const want = centralDifferences(reference, point, seeds, id, places);
    const largest = Math.max(smallest, ...want.map(Math.abs), ...gradient.map(Math.abs));
    for (const [at, slope] of want.entries()) {
      const place = places[at] ?? 0;
      const error = Math.abs((gradient[place] ?? Number.NaN) - slope);
      if (error <= tolerance * largest) continue;
      expect.fail(
        `d(${id})[${place}] is ${gradient[place]}, expected ${slope} within ${tolerance * largest}`,
      );
    }
  }
}

/** Derivatives of `sum(dy * y)` by the elements of value `id` at the places, in float64. */
function centralDifferences(
  graph: Graph,
  point: Values,
  seeds: Values,
  id: string,
  places: readonly number[],
): readonly number[] {
  const at = point.get(id);
  if (at === undefined) throw new Error(`${id} has no value`);
  const values = Float64Array.from(toNumbers(at));
  const lossAt = (place: number, step: number): number => {
    const moved = tensor("float64", at.shape, values.with(place, (values[place] ?? 0) + step));
    return loss(graph, new Map([...point, [id, moved]]), seeds);
  };
  return places.map((place) => {
    const rise = lossAt(place, differenceStep) - lossAt(place, -differenceStep);
    return rise / (2 * differenceStep);
  });
}

function loss(graph: Graph, point: Values, seeds: Values): number {
  let total = 0;
  for (const [id, y] of runScalar(graph, point, { precision: "float64" })) {
    const dy = toNumbers(seeds.get(id) ?? y);
    for (const [at, value] of toNumbers(y).entries()) total += value * (dy[at] ?? 0);
  }
  return total;
}

function constantsOf(
  graph: Graph,
  wanted: readonly string[],
): readonly (readonly [string, Tensor])[] {
  const nodes = nodeMap(graph);
  return wanted.flatMap((id) => {
    const value = constantOf(nodes.get(id));
    return value === undefined ? [] : [[id, value] as const];
  });
}

/** Random gradients of the outputs, by id. */
function seedsOf(graph: Graph, random: Random): Values {
  const types = inferTypes(graph);
  return new Map(
    graph.outputs.map(({ id }) => [id, normalValues(types.get(id)?.shape ?? [], random)]),
  );
}

function named(seeds: Values): readonly (readonly [string, Tensor])[] {
  return [...seeds].map(([id, value]) => [gradientName(id), value] as const);
}

/** Dropout masks as training draws them: 0, or what keeps the mean. */
function masksOf(graph: Graph, random: Random): readonly (readonly [string, Tensor])[] {
  const types = inferTypes(graph);
  return graph.nodes.flatMap((node) => {
    if (node.op !== "dropout" || node.attrs.ratio === 0) return [];
    const { ratio } = node.attrs;
    const keep = (): number => (random.unit() < ratio ? 0 : 1 / (1 - ratio));
    return [[maskOf(node.id), filled(types.get(node.id)?.shape ?? [], keep)] as const];
  });
}

function filled(shape: Shape, value: () => number): Tensor<"float32"> {
  return float32(shape, Float32Array.from({ length: elementCount(shape) }, value));
}

function normalValues(shape: Shape, random: Random): Tensor<"float32"> {
  return filled(shape, random.normal);
}

/**
 * The values in their order, but at least 1/32 apart, for maxima: the rank of each, in sixteenths around 0, moved by less
 * than 1/64 so that differences vary. Equal values keep their order. Tensors given together are ranked together.
 */
export function valuesApart(values: readonly Tensor[]): readonly Tensor<"float32">[] {
  const all = values.flatMap((value) => toNumbers(value));
  const random = createRandom(all.length);
  const order = [...all.keys()].toSorted((a, b) => (all[a] ?? 0) - (all[b] ?? 0));
  const apart = new Float32Array(all.length);
  for (const [rank, place] of order.entries()) {
    apart[place] = (rank - all.length / 2 + random.unit() / 4) / 16;
  }
  let first = 0;
  return values.map(({ shape, data }) => {
    first += data.length;
    return float32(shape, apart.slice(first - data.length, first));
  });
}

/** The values, those closer than 1/32 to a kink moved to just above it. */
export function valuesAway(value: Tensor, kinks: readonly number[] = [0]): Tensor<"float32"> {
  const moved = toNumbers(value).map((x) =>
    kinks.reduce((at, kink) => (Math.abs(at - kink) < 1 / 32 ? kink + 1 / 32 : at), x),
  );
  return float32(value.shape, moved);
}
