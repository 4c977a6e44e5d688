/**
 * Reads the integers behind a quantized (QDQ) graph: activations on their grid, weights, biases, and
 * the multiplier that carries an accumulator to the output grid.
 */
import { constantOf } from "../ir/graph.ts";
import { type Grid, gridOf } from "../ir/grid.ts";
import type { Node } from "../ir/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";

type Nodes = ReadonlyMap<string, Node>;

/** An activation as integers: the value that holds them, and their grid. */
export type IntegerValue = { readonly id: string; readonly grid: Grid };

/** The integers that a dequantize node reads; undefined where `id` is no per-tensor one. */
export function integerValue(nodes: Nodes, id: string | undefined): IntegerValue | undefined {
  const node = nodes.get(id ?? "");
  if (node?.op !== "dequantize") return undefined;
  const [integers, scale, zero] = node.inputs;
  if (integers === undefined || nodes.get(integers)?.op === "const") return undefined;
  const grid = gridOf(constantOf(nodes.get(scale ?? "")), constantOf(nodes.get(zero ?? "")));
  return grid && { id: integers, grid };
}

/** Integer weights and bias of a convolution or fully connected layer. */
export type IntegerOperands = {
  readonly weight: Tensor<"int8">;
  readonly bias: Tensor<"int32">;
  /** Step of the weights per output channel, float32. */
  readonly weightScales: Float32Array;
};

/** The integers of a weighted node; undefined unless they are int8 around 0 with a matching bias. */
export function integerOperands(nodes: Nodes, node: Node, x: Grid): IntegerOperands | undefined {
  const weight = dequantizedConstant(nodes, node.inputs[1]);
  if (weight?.integers.dtype !== "int8" || !weight.centred) return undefined;
  const channels = weight.integers.shape[0] ?? 0;
  const weightScales = spread(weight.scales, channels);
  const bias = integerBias(nodes, node.inputs[2], weightScales, x);
  return weightScales && bias && { weight: weight.integers, bias, weightScales };
}

function integerBias(
  nodes: Nodes,
  id: string | undefined,
  weightScales: Float32Array | undefined,
  x: Grid,
): Tensor<"int32"> | undefined {
  if (weightScales === undefined) return undefined;
  const channels = weightScales.length;
  if (id === undefined)
    return { dtype: "int32", shape: [channels], data: new Int32Array(channels) };
  const bias = dequantizedConstant(nodes, id);
  const scales = bias && spread(bias.scales, channels);
  // The bias is added to the accumulator, so it must lie on the accumulator's own grid.
  const onGrid = scales?.every(
    (scale, at) => scale === Math.fround(x.scale * (weightScales[at] ?? 0)),
  );
  return bias?.integers.dtype === "int32" && bias.centred && onGrid ? bias.integers : undefined;
}

type DequantizedConstant = {
  readonly integers: Tensor;
  readonly scales: Float32Array;
  /** True where every zero point is 0. */
  readonly centred: boolean;
};

function dequantizedConstant(
  nodes: Nodes,
  id: string | undefined,
): DequantizedConstant | undefined {
  const node = nodes.get(id ?? "");
  if (node?.op !== "dequantize") return undefined;
  const [integers, scale, zero] = node.inputs.map((input) => constantOf(nodes.get(input)));
  const alongOutputs = node.attrs.axis === 0 || scale?.data.length === 1;
  if (integers === undefined || scale?.dtype !== "float32" || !alongOutputs) return undefined;
  const centred = zero === undefined || Array.from(zero.data, Number).every((point) => point === 0);
  return { integers, scales: scale.data, centred };
}

/** One scale per channel; undefined where neither one nor `channels` are given. */
function spread(scales: Float32Array, channels: number): Float32Array | undefined {
  if (scales.length === channels) return scales;
  return scales.length === 1 ? new Float32Array(channels).fill(scales[0] ?? 0) : undefined;
}

/** `fround(fround(sx * sw) / sy)` per channel: ONNX Runtime's own multiplier, bit for bit. */
export function requantizeMultipliers(x: Grid, weightScales: Float32Array, y: Grid): Float32Array {
  return weightScales.map((scale) => Math.fround(Math.fround(x.scale * scale) / y.scale));
}

/** `fround(sx * sw)` per channel: one step of the accumulator as a real value. */
export function accumulatorScales(x: Grid, weightScales: Float32Array): Float32Array {
  return weightScales.map((scale) => Math.fround(x.scale * scale));
}
