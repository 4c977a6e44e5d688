/**
 * Adds to a graph what calibration wants to see of each value, computed inside it so that little
 * leaves the engine: extremes and means per channel, and a sample of the values on a regular grid of
 * pixels. Every element counts for the extremes.
 */
import { freshId, type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { Node, Op } from "../ir/ops.ts";
import { elementCount, type Shape } from "../tensor/shape.ts";
import { float32 } from "../tensor/tensor.ts";

/** Channels `from..from + channels` of the output `id`, which many values share: [n, C, h', w']. */
export type Slice = { readonly id: string; readonly from: number; readonly channels: number };

/** Where to find what is known of one value after a run. */
export type Taps = {
  /** The whole value, by its own id: small ones need no reduction. */
  readonly whole?: string;
  /** [n, c, 1, 1]: largest value per channel. */
  readonly max?: Slice;
  /** [n, c, 1, 1]: the smallest value, negated; absent where the operator gives nothing below 0. */
  readonly negatedMin?: Slice;
  /** [n, c, 1, 1]. */
  readonly mean?: Slice;
  /** [n, c, h', w']: every `stride`-th pixel of every `stride`-th row. */
  readonly sample?: Slice;
};

export type Observation = {
  readonly graph: Graph;
  /** Taps by the id of the observed value. */
  readonly taps: ReadonlyMap<string, Taps>;
};

/** What is wanted of one value. */
export type Wanted = {
  /** Extremes, and a sample where the method needs a histogram. */
  readonly range: boolean;
  /** Means per channel, for bias correction. */
  readonly mean: boolean;
};

/** Which values of a map go into its histogram; see `sampleStride`. */
export type Sampling = "coarse" | "tails" | "everything";

export type ObserveOptions = {
  /** Absent where no histogram is wanted. */
  readonly histogram?: Sampling | undefined;
};

/** Values with at most this many elements are taken whole. */
const smallValue = 4096;

/**
 * The graph with taps on values, by id; the taps are its outputs. Those of one size are joined
 * channel by channel into one output: each output costs the engine and the binding a fixed time.
 */
export function observe(
  graph: Graph,
  wanted: ReadonlyMap<string, Wanted>,
  options: ObserveOptions,
): Observation {
  const types = inferTypes(graph);
  const nodes = [...graph.nodes];
  const known = nodeMap(graph);
  const taken = new Set(known.keys());
  const nonNegative = nonNegativeValues(graph);
  const push: Push = (base, make) => {
    const id = freshId(base, taken);
    taken.add(id);
    nodes.push(make(id));
    return id;
  };
  const minusOne = push("minus-one", (id) => ({
    op: "const",
    id,
    inputs: [],
    attrs: { tensor: float32([], [-1]) },
  }));
  const add: Add = (base, op, inputs) => push(base, (id) => makeNode(op, id, inputs));
  const parts = new Map<string, PartTaps>();
  for (const [id, { range, mean }] of wanted) {
    const shape = types.get(id)?.shape;
    const isImage = shape?.length === 4 && elementCount(shape) > smallValue;
    if (shape === undefined || !isImage) {
      parts.set(id, { whole: id });
      continue;
    }
    const stride = sampleStride(shape, options.histogram, isBounded(known.get(id)));
    parts.set(id, {
      ...(range ? rangeTaps(id, nonNegative.has(id), minusOne, add) : {}),
      ...(mean ? { mean: add(`${id}.mean`, "globalAvgPool", [id]) } : {}),
      ...(range && options.histogram !== undefined ? { sample: sampled(id, stride, add) } : {}),
    });
  }
  const { taps, outputs } = joinTaps({ ...graph, nodes }, parts, push);
  return {
    graph: { ...graph, nodes, outputs: outputs.map((id) => ({ name: id, id })) },
    taps,
  };
}

/** Taps before they are joined: ids of nodes. */
type PartTaps = { readonly [K in keyof Taps]: string };
type Push = (base: string, make: (id: string) => Node) => string;

type Joined = { readonly taps: ReadonlyMap<string, Taps>; readonly outputs: readonly string[] };

/** Joins the parts that have the same size but for their channels; `push` adds the joining nodes. */
function joinTaps(graph: Graph, values: ReadonlyMap<string, PartTaps>, push: Push): Joined {
  const types = inferTypes(graph);
  const whole = [...values.values()].flatMap((parts) => parts.whole ?? []);
  const groups = new Map<string, Part[]>();
  for (const { whole: _whole, ...reduced } of values.values()) {
    for (const id of Object.values(reduced)) {
      const [, channels = 1, ...window] = types.get(id)?.shape ?? [];
      const size = `${window.join("x")}${channels % blockChannels === 0 ? "" : ".odd"}`;
      groups.set(size, [...(groups.get(size) ?? []), { id, channels }]);
    }
  }
  const joined = [...groups].map(([size, parts]) => joinParts(size, parts, push));
  const slices = new Map(joined.flatMap((group) => [...group.slices]));
  const sliceTaps = (parts: PartTaps): Taps =>
    Object.fromEntries(
      Object.entries(parts).map(([kind, id]) => [kind, kind === "whole" ? id : slices.get(id)]),
    );
  const taps = new Map([...values].map(([id, parts]) => [id, sliceTaps(parts)]));
  return { taps, outputs: [...new Set([...whole, ...joined.map(({ output }) => output)])] };
}

/**
 * ONNX Runtime joins values in its own blocked layout if all have whole blocks of channels (16 or 8,
 * by processor); one that has not would make it undo the layout of each.
 */
const blockChannels = 16;

type Part = { readonly id: string; readonly channels: number };

function joinParts(
  size: string,
  parts: readonly Part[],
  push: Push,
): { readonly output: string; readonly slices: ReadonlyMap<string, Slice> } {
  const inputs = parts.map(({ id }) => id);
  const [only = ""] = inputs;
  const output =
    inputs.length === 1
      ? only
      : push(`taps.${size}`, (id) => ({ op: "concat", id, inputs, attrs: { axis: 1 } }));
  const slices = new Map<string, Slice>();
  let from = 0;
  for (const { id, channels } of parts) {
    slices.set(id, { id: output, from, channels });
    from += channels;
  }
  return { output, slices };
}

type Reduction = "globalMaxPool" | "globalAvgPool" | "mul" | { readonly stride: number };
/** Adds a node under an unused id close to `base`; gives the id. */
type Add = (base: string, op: Reduction, inputs: readonly string[]) => string;

function makeNode(op: Reduction, id: string, inputs: readonly string[]): Node {
  return typeof op === "string" ? { op, id, inputs, attrs: {} } : sampler(id, inputs, op.stride);
}

function rangeTaps(id: string, nonNegative: boolean, minusOne: string, add: Add): PartTaps {
  const max = add(`${id}.max`, "globalMaxPool", [id]);
  if (nonNegative) return { max };
  const negated = add(`${id}.negated`, "mul", [id, minusOne]);
  return { max, negatedMin: add(`${id}.min`, "globalMaxPool", [negated]) };
}

const sampled = (id: string, stride: number, add: Add): string =>
  stride === 1 ? id : add(`${id}.sample`, { stride }, [id]);

/** A 1x1 pooling window with a stride: it only picks pixels, in the engine's own memory layout. */
function sampler(id: string, inputs: readonly string[], stride: number): Node {
  const kernel = [1, 1] as const;
  const attrs = { kernel, stride: [stride, stride], pads: [0, 0, 0, 0], dilation: kernel } as const;
  return { op: "maxPool", id, inputs, attrs: { ...attrs, ceil: false } };
}

/**
 * Distance of the pixels that a histogram counts. `coarse`: 5 for maps of 28 pixels and more, 2 from
 * 14 on. `tails`: 4 and 2 for bounded values, which have no tail that a sample could miss; every
 * pixel of the others. `everything`: 1.
 */
function sampleStride(shape: Shape, sampling: Sampling | undefined, bounded: boolean): number {
  if (sampling === "everything" || (sampling === "tails" && !bounded)) return 1;
  const side = Math.min(shape[2] ?? 1, shape[3] ?? 1);
  const [large, medium, small] = sampling === "coarse" ? [5, 2, 1] : [4, 2, 1];
  if (side >= 28) return large;
  return side >= 14 ? medium : small;
}

function isBounded(node: Node | undefined): boolean {
  if (node?.op === "clip")
    return Number.isFinite(node.attrs.min) && Number.isFinite(node.attrs.max);
  return node?.op === "sigmoid" || node?.op === "tanh" || node?.op === "softmax";
}

const keepsSign: ReadonlySet<Op> = new Set<Op>([
  "maxPool",
  "avgPool",
  "globalMaxPool",
  "globalAvgPool",
  "concat",
  "add",
  "slice",
  "flatten",
  "reshape",
  "transpose",
  "dropout",
  "identity",
]);

/** Values that cannot be below 0, by operator. Zero padding keeps the sign too. */
function nonNegativeValues(graph: Graph): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const node of graph.nodes) {
    const positiveInputs = node.inputs.length > 0 && node.inputs.every((id) => ids.has(id));
    const isPlainSum = node.op !== "add" || node.attrs.coefficients === undefined;
    const givesPositive =
      (node.op === "relu" && node.attrs.slope === 0) ||
      (node.op === "clip" && node.attrs.min >= 0) ||
      node.op === "sigmoid" ||
      node.op === "softmax" ||
      node.op === "imageToTensor" ||
      (keepsSign.has(node.op) && positiveInputs && isPlainSum);
    if (givesPositive) ids.add(node.id);
  }
  return ids;
}
