/**
 * Matrix products with weights as fully connected layers, and batch normalization.
 */
import type { Node } from "../../ir/ops.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { floatOf, hasOneOutput, intOf, type OnnxNode } from "./onnx-node.ts";
import {
  floatShape,
  floatsAt,
  freshName,
  makeConstant,
  outputOf,
  type Reading,
  type ReadRules,
  spend,
} from "./reading.ts";

/** The transpose of a matrix [rows, columns]. */
export function transposed(values: Float32Array, rows: number, columns: number): Tensor<"float32"> {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      turned[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return float32([columns, rows], turned);
}

/** The weights [out, in] of a layer: as they are, or turned (constants at once). */
function weightNodes(
  id: string,
  turn: boolean,
  output: string,
  reading: Reading,
): { readonly nodes: readonly Node[]; readonly id: string } | undefined {
  const shape = floatShape(reading, id);
  if (shape?.length !== 2 || shape.includes(0)) return undefined;
  if (!turn) return { nodes: [], id };
  const values = floatsAt(reading, id);
  const [rows = 0, columns = 0] = shape;
  if (values !== undefined) {
    if (!spend(reading, values.length)) return undefined;
    const node = makeConstant(reading, `${output}.weight`, transposed(values, rows, columns));
    return { nodes: [node], id: node.id };
  }
  const turned = freshName(reading, `${output}.weight`);
  const node: Node = { op: "transpose", id: turned, inputs: [id], attrs: { perm: [1, 0] } };
  return { nodes: [node], id: turned };
}

/** `x * B + C`, with C as the bias where it is one number per output. */
function readGemm(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", weight = "", bias = ""] = node.inputs;
  const plain =
    floatOf(node, "alpha", 1) === 1 &&
    (bias === "" || floatOf(node, "beta", 1) === 1) &&
    intOf(node, "transA", 0) === 0;
  if (!plain || floatShape(reading, input)?.length !== 2) return undefined;
  const id = outputOf(node);
  const weights = weightNodes(weight, intOf(node, "transB", 0) === 0, id, reading);
  if (weights === undefined) return undefined;
  const { nodes } = weights;
  if (bias === "") {
    return [...nodes, { op: "linear", id, inputs: [input, weights.id], attrs: {} }];
  }
  const outputs = floatShape(reading, weight)?.[intOf(node, "transB", 0) === 0 ? 1 : 0];
  const row = biasRow(bias, outputs ?? 0, id, reading);
  if (row !== undefined) {
    const inputs = [input, weights.id, row.id];
    return [...nodes, ...row.nodes, { op: "linear", id, inputs, attrs: {} }];
  }
  if (floatShape(reading, bias) === undefined) return undefined;
  const product = freshName(reading, `${id}.product`);
  return [
    ...nodes,
    { op: "linear", id: product, inputs: [input, weights.id], attrs: {} },
    { op: "add", id, inputs: [product, bias], attrs: {} },
  ];
}

/** The bias [outputs] behind Gemm's C; undefined where C varies per row of the input. */
function biasRow(
  id: string,
  outputs: number,
  output: string,
  reading: Reading,
): { readonly nodes: readonly Node[]; readonly id: string } | undefined {
  const shape = floatShape(reading, id);
  if (shape?.length === 1 && shape[0] === outputs) return { nodes: [], id };
  const values = floatsAt(reading, id);
  if (values === undefined) return undefined;
  const isRow = values.length === outputs && shape?.at(-1) === outputs;
  if ((!isRow && values.length !== 1) || !spend(reading, outputs)) return undefined;
  const row = isRow ? values : new Float32Array(outputs).fill(values[0] ?? 0);
  const node = makeConstant(reading, `${output}.bias`, float32([outputs], row));
  return { nodes: [node], id: node.id };
}

function readMatMul(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", weight = ""] = node.inputs;
  const constant = floatsAt(reading, weight) !== undefined;
  if (!constant || floatShape(reading, input)?.length !== 2) return undefined;
  const id = outputOf(node);
  const weights = weightNodes(weight, true, id, reading);
  if (weights === undefined) return undefined;
  return [...weights.nodes, { op: "linear", id, inputs: [input, weights.id], attrs: {} }];
}

function readBatchNorm(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", gamma = "", beta = "", mean = "", variance = ""] = node.inputs;
  const fits =
    hasOneOutput(node) &&
    intOf(node, "training_mode", 0) === 0 &&
    intOf(node, "spatial", 1) === 1 &&
    (floatShape(reading, input)?.length ?? 0) >= 2 &&
    [gamma, beta, mean, variance].every((id) => floatShape(reading, id)?.length === 1);
  if (!fits) return undefined;
  const attrs = { epsilon: floatOf(node, "epsilon", Math.fround(1e-5)) };
  const inputs = [input, mean, variance, gamma, beta];
  return [{ op: "batchNorm", id: outputOf(node), inputs, attrs }];
}

function readLrn(node: OnnxNode, reading: Reading): Node[] | undefined {
  const size = intOf(node, "size", 0);
  if (floatShape(reading, node.inputs[0])?.length !== 4 || size % 2 !== 1) return undefined;
  const attrs = {
    size,
    alpha: floatOf(node, "alpha", Math.fround(1e-4)),
    beta: floatOf(node, "beta", 0.75),
    k: floatOf(node, "bias", 1),
    region: "across" as const,
  };
  return [{ op: "lrn", id: outputOf(node), inputs: node.inputs, attrs }];
}

export const linearReadRules: ReadRules = {
  Gemm: readGemm,
  MatMul: readMatMul,
  BatchNormalization: readBatchNorm,
  LRN: readLrn,
};
