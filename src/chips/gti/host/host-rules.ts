/**
 * Which nodes of a float network the host operations of a full model can compute: one rule per operator, each for
 * one node behind what is already expressed. host-layers.ts walks the network.
 */
import { constantOf } from "../../../ir/graph.ts";
import type { Types } from "../../../ir/infer.ts";
import type { Node } from "../../../ir/ops.ts";
import { elementCount, normalizeAxis } from "../../../tensor/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { FcLayer } from "../files/layers.ts";
import type { HostEntry } from "./host-entry.ts";
import { formatSize, isFlat, type MapSize, sameSize, sizeOfShape } from "./map-size.ts";
import { tiledPool } from "./pool-window.ts";

/** A value of the network, as far as the host operations have come. */
export type HostValue = {
  /** Index of the operation that gives it; -1 for the chip. */
  readonly at: number;
  readonly size: MapSize;
  /** The network's value is the operation's times this. */
  readonly unit: number;
  /** True where nothing else reads it, nor what it is a mere copy of. */
  readonly exclusive: boolean;
};

export type Scene = {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly types: Types;
  readonly values: ReadonlyMap<string, HostValue>;
  readonly entries: readonly HostEntry[];
};

/** A node's part: a new operation, a ReLU for the last one, or neither. */
export type Step = {
  readonly entry?: HostEntry;
  readonly relu?: true;
  readonly size: MapSize;
  readonly unit: number;
};

/** The step, or why there is none: a phrase. */
export function stepOf(node: Node, scene: Scene): Step | string {
  if (node.op === "add" || node.op === "mul" || node.op === "maximum") {
    return elementwise(node, scene);
  }
  const value = scene.values.get(node.inputs[0] ?? "");
  if (value === undefined) return "it does not read what the chip gives";
  if (value.at !== scene.entries.length - 1) return notTheLast;
  return single(node, value, scene);
}

const notTheLast = "it reads an earlier value than the last one, and a full model is a chain";

function single(node: Node, value: HostValue, scene: Scene): Step | string {
  switch (node.op) {
    case "dropout":
    case "identity":
      return value;
    case "flatten":
    case "reshape":
      return flattened(node, value, scene);
    case "globalAvgPool":
    case "avgPool":
    case "globalMaxPool":
    case "maxPool":
      return pooled(node, value);
    case "linear":
    case "conv":
      return connected(node, value, scene);
    case "relu":
      return activated(node, value, scene);
    case "softmax":
      return normalized(node, value, scene);
    case "scale":
    case "power":
      return scaled(node, value, scene);
    default:
      return "a full model has no such operation for the host";
  }
}

/** Elements keep their order, so only the batch and the rest must stay apart. */
function flattened(node: Node, value: HostValue, { types }: Scene): Step | string {
  const [from, to] = [types.get(node.inputs[0] ?? "")?.shape, types.get(node.id)?.shape];
  const size = to && sizeOfShape(to);
  if (size === undefined || from?.[0] !== to?.[0]) return "it does more than flatten";
  return isFlat(size) || sameSize(size, value.size)
    ? { size, unit: value.unit }
    : "it does more than flatten";
}

type Pool = Node<"globalAvgPool" | "avgPool" | "globalMaxPool" | "maxPool">;

function pooled(node: Pool, { size, unit }: HostValue): Step | string {
  const isAverage = node.op === "globalAvgPool" || node.op === "avgPool";
  const isGlobal = node.op === "globalAvgPool" || node.op === "globalMaxPool";
  const tiled = tiledPool(size, isGlobal ? "global" : node.attrs);
  if (tiled === undefined) return "its windows are not the tiles of the map";
  const { output, share } = tiled;
  if (sameSize(output, size)) return { size, unit };
  const mode = share === "corner" ? "sample" : isAverage ? "average" : "max";
  return { entry: { id: node.id, operation: "POOLING", mode, size: output }, size: output, unit };
}

/** A linear node, or a convolution with a single window; the unit goes into the weights. */
function connected(
  node: Node<"linear"> | Node<"conv">,
  value: HostValue,
  scene: Scene,
): Step | string {
  const weight = floatsOf(scene, node.inputs[1]);
  const bias = node.inputs.length > 2 ? floatsOf(scene, node.inputs[2]) : undefined;
  if (weight === undefined || (node.inputs.length > 2 && bias === undefined)) {
    return "its weights are not float32 constants";
  }
  if (node.op === "conv" && !isWholeMap(node, weight, value.size)) {
    return `it is a convolution that slides over its input of ${formatSize(value.size)}`;
  }
  const [outputs = 1] = weight.shape;
  const inputs = elementCount(weight.shape) / outputs;
  const { unit } = value;
  const values: Omit<FcLayer, "name"> = {
    outputs,
    inputs,
    weight: unit === 1 ? weight.data : multiplied(weight.data, unit),
    bias: bias?.data ?? new Float32Array(outputs),
  };
  if (!allFinite(values.weight) || !allFinite(values.bias)) {
    return "its weights, or these times the unit of the chip's values, are not finite";
  }
  const size = { channels: outputs, height: 1, width: 1 };
  return { entry: { id: node.id, operation: "FC", values, size }, size, unit: 1 };
}

/** Plain loops: a hundred million weights are usual. */
function multiplied(values: Float32Array, factor: number): Float32Array {
  const products = new Float32Array(values.length);
  for (let at = 0; at < values.length; at++) products[at] = (values[at] ?? 0) * factor;
  return products;
}

function allFinite(values: Float32Array): boolean {
  for (let at = 0; at < values.length; at++) if (!Number.isFinite(values[at])) return false;
  return true;
}

/** True where the one window of an ungrouped convolution is the map, which makes its weights rows of CHW. */
function isWholeMap({ attrs }: Node<"conv">, weight: Tensor, size: MapSize): boolean {
  const [, channels, height = 1, width = 1] = weight.shape;
  return (
    attrs.groups === 1 &&
    attrs.pads.every((pad) => pad === 0) &&
    (height === 1 || attrs.dilation[0] === 1) &&
    (width === 1 || attrs.dilation[1] === 1) &&
    sameSize({ channels: channels ?? 0, height, width }, size)
  );
}

function activated(node: Node<"relu">, value: HostValue, { entries }: Scene): Step | string {
  if (node.attrs.slope !== 0) return "a full model has no ReLU with a slope";
  const last = entries[value.at];
  if (last?.operation !== "FC" || last.activation !== undefined) {
    return "a full model has a ReLU only behind a fully connected layer";
  }
  if (!value.exclusive) return "the value before the ReLU is read elsewhere too";
  return { relu: true, size: value.size, unit: value.unit };
}

function normalized(node: Node<"softmax">, value: HostValue, { types }: Scene): Step | string {
  const rank = types.get(node.id)?.shape.length ?? 0;
  if (normalizeAxis(node.attrs.axis, rank) !== 1 || !isFlat(value.size)) {
    return "a full model's softmax goes over all values";
  }
  if (value.unit !== 1) return unfolded(value);
  const { size } = value;
  return { entry: { id: node.id, operation: "SOFTMAX", size }, size, unit: 1 };
}

/** Why a value cannot be taken as it stands. */
export function unfolded({ unit }: HostValue): string {
  return `values must be multiplied by ${unit} before it, and no fully connected layer takes that in`;
}

/** One positive factor for all: poolings let it through, and the next FC takes it in. */
function scaled(
  node: Node<"scale"> | Node<"power">,
  value: HostValue,
  scene: Scene,
): Step | string {
  const factor = node.op === "scale" ? factorOf(node, scene) : powerFactor(node);
  if (factor === undefined) return "it is not a multiplication by one factor";
  const unit = value.unit * factor;
  if (!(unit > 0 && unit < Number.POSITIVE_INFINITY)) return "its factor is not positive";
  return { size: value.size, unit };
}

function factorOf(node: Node<"scale">, scene: Scene): number | undefined {
  const gamma = floatsOf(scene, node.inputs[1]);
  const factor = gamma?.data[0];
  if (factor === undefined || gamma?.data.some((one) => one !== factor) === true) return undefined;
  if (node.inputs.length < 3) return factor;
  return floatsOf(scene, node.inputs[2])?.data.every((one) => one === 0) === true
    ? factor
    : undefined;
}

function powerFactor({ attrs }: Node<"power">): number | undefined {
  return attrs.power === 1 && attrs.shift === 0 ? attrs.scale : undefined;
}

function floatsOf(scene: Scene, id: string | undefined): Tensor<"float32"> | undefined {
  const tensor = constantOf(scene.nodes.get(id ?? ""));
  return tensor?.dtype === "float32" ? tensor : undefined;
}

type Elementwise = Node<"add"> | Node<"mul"> | Node<"maximum">;

const modes = { add: "sum", mul: "product", maximum: "max" } as const;

/** Of the last value and any earlier one. */
function elementwise(node: Elementwise, { values, entries }: Scene): Step | string {
  const [a, b] = node.inputs.map((id) => values.get(id));
  if (a === undefined || b === undefined || node.inputs.length !== 2) {
    return "a full model combines two values that come from the chip";
  }
  if (node.op === "add" && node.attrs.coefficients?.some((one) => one !== 1) === true) {
    return "a full model's sum has no coefficients";
  }
  const last = entries.length - 1;
  if (a.at !== last && b.at !== last) return notTheLast;
  if (!sameSize(a.size, b.size)) return "its two values differ in size";
  if (a.unit !== b.unit) return "its two values differ in unit";
  const reference = a.at === last ? b.at : a.at;
  const { size } = a;
  const unit = node.op === "mul" ? a.unit * b.unit : a.unit;
  return {
    entry: { id: node.id, operation: "ELTWISE", mode: modes[node.op], reference, size },
    size,
    unit,
  };
}
