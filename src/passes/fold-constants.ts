/**
 * Operators whose inputs are all constants become constants, where that is cheap. Dequantized
 * weights stay as they are: their integers are what a chip holds.
 */
import { constantOf, type Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { rewrite } from "../ir/rewrite.ts";
import { elementCount, normalizeAxis, type Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  broadcastFloats,
  concatTensors,
  sliceTensor,
  transposeTensor,
} from "./constant-arithmetic.ts";

/** A broadcast may make more elements than it is given, up to this many. */
const largestGrowth = 2 ** 22;

/** The graph with structural and elementwise operators on constants evaluated. */
export function foldConstants(graph: Graph): Graph {
  const types = inferTypes(graph);
  return rewrite(graph, [
    (node, context) => {
      const shape = types.get(node.id)?.shape;
      if (shape === undefined || node.op === "const" || node.inputs.length === 0) return undefined;
      const values = node.inputs.map((id) => constantOf(context.get(id)));
      const known = values.filter((value) => value !== undefined);
      if (known.length < values.length || !isCheap(shape, known)) return undefined;
      const value = evaluate(node, known, shape);
      return value && [{ op: "const", id: node.id, inputs: [], attrs: { tensor: value } }];
    },
  ]);
}

function isCheap(shape: Shape, inputs: readonly Tensor[]): boolean {
  const given = inputs.reduce((sum, input) => sum + input.data.length, 0);
  return elementCount(shape) <= Math.max(given, largestGrowth);
}

function evaluate(node: Node, inputs: readonly Tensor[], shape: Shape): Tensor | undefined {
  const [first] = inputs;
  if (first === undefined) return undefined;
  switch (node.op) {
    case "identity":
    case "reshape":
    case "flatten":
      return { ...first, shape };
    case "transpose":
      return transposeTensor(first, node.attrs.perm);
    case "concat":
      return inputs.every((input) => input.dtype === first.dtype)
        ? concatTensors(inputs, normalizeAxis(node.attrs.axis, shape.length), shape)
        : undefined;
    case "slice": {
      const { axis, start, end } = node.attrs;
      return sliceTensor(first, normalizeAxis(axis, shape.length), start, end);
    }
    default:
      return evaluateArithmetic(node, inputs);
  }
}

const arithmetic: Partial<Readonly<Record<Node["op"], (a: number, b: number) => number>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

/** Two float32 constants; the operators' rounding: each result once, to float32. */
function evaluateArithmetic(node: Node, inputs: readonly Tensor[]): Tensor | undefined {
  const [a, b] = inputs;
  const compute = arithmetic[node.op];
  if (compute === undefined || inputs.length !== 2) return undefined;
  if (node.op === "add" && node.attrs.coefficients !== undefined) return undefined;
  if (a?.dtype !== "float32" || b?.dtype !== "float32") return undefined;
  return broadcastFloats(a, b, compute);
}
