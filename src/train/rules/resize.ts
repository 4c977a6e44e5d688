/**
 * The gradient of resizing. Both modes are separable and linear, `y = R * x * C^T`; so `dx = R^T * dy * C`.
 */
import { workError } from "../../error.ts";
import { ints } from "../../formats/onnx/attribute.ts";
import { lowerResize } from "../../formats/onnx/lower-resize.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { float32 } from "../../tensor/tensor.ts";
import type { Tape, TrainRule } from "../tape.ts";

/** Elements of a matrix of weights. */
const maxMatrix = 2 ** 24;

export const resize: TrainRule<"resize"> = (node, tape) => {
  lowerResize(node, tape);
  return (dy) => [wholeFactor(node, tape) ? blockSums(node, tape, dy) : products(node, tape, dy)];
};

/** Whether every pixel was copied into a block of `factor` pixels. */
function wholeFactor(node: Node<"resize">, tape: Tape): boolean {
  const factor = blockOf(node, tape);
  return node.attrs.mode === "nearest" && factor.every(Number.isInteger);
}

function blockOf(node: Node<"resize">, tape: Tape): readonly number[] {
  const from = tape.shapeOf(node.inputs[0] ?? "").slice(2);
  const to = tape.shapeOf(node.id).slice(2);
  return node.attrs.factor !== undefined && node.attrs.size === undefined
    ? node.attrs.factor
    : to.map((dim, axis) => dim / (from[axis] ?? 1));
}

function blockSums(node: Node<"resize">, tape: Tape, dy: string): string {
  const block = blockOf(node, tape);
  const count = block.reduce((product, dim) => product * dim, 1);
  const mean = tape.emit("AveragePool", [dy], { kernel_shape: ints(block), strides: ints(block) });
  return tape.mul(mean, tape.number(count));
}

function products(node: Node<"resize">, tape: Tape, dy: string): string {
  const [, , fromRows = 0, fromColumns = 0] = tape.shapeOf(node.inputs[0] ?? "");
  const [, , toRows = 0, toColumns = 0] = tape.shapeOf(node.id);
  if (Math.max(fromRows * toRows, fromColumns * toColumns) > maxMatrix) {
    throw workError("is too large to be trained through", {
      node: describe(node),
      got: `${fromRows}x${fromColumns} to ${toRows}x${toColumns}`,
    });
  }
  const columns = samplingMatrix(node, 1, fromColumns, toColumns);
  const rows = transposed(samplingMatrix(node, 0, fromRows, toRows), toRows, fromRows);
  const narrow = tape.emit("MatMul", [
    dy,
    tape.initializer(float32([toColumns, fromColumns], columns), "columns"),
  ]);
  return tape.emit("MatMul", [tape.initializer(float32([fromRows, toRows], rows), "rows"), narrow]);
}

/** Row i holds what output place i takes of every input place: [to, from]. The table of operators says how. */
function samplingMatrix(node: Node<"resize">, axis: 0 | 1, from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let row = 0; row < to; row += 1) {
    const place = Math.min(Math.max(placeOf(node, axis, row, from, to), 0), from - 1);
    const near = Math.floor(place);
    const part = node.attrs.mode === "nearest" ? 0 : place - near;
    const far = Math.min(near + 1, from - 1);
    matrix[row * from + near] = 1 - part;
    if (part > 0) matrix[row * from + far] = part;
  }
  return matrix;
}

/** The place in the input from which output place `at` is taken. */
function placeOf(
  { attrs }: Node<"resize">,
  axis: 0 | 1,
  at: number,
  from: number,
  to: number,
): number {
  const { mode, alignCorners, factor, size } = attrs;
  const byFactor = size === undefined && factor !== undefined;
  if (mode === "nearest") return byFactor ? at / factor[axis] : (at * from) / to;
  if (alignCorners) return to === 1 ? 0 : (at * (from - 1)) / (to - 1);
  return (at + 0.5) * (byFactor ? 1 / factor[axis] : from / to) - 0.5;
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(matrix, (_, at) => {
    const [column, row] = [Math.floor(at / rows), at % rows];
    return matrix[row * columns + column] ?? 0;
  });
}
