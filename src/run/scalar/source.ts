/**
 * Nodes that bring values in, and those that this interpreter leaves to others.
 */
import { usageError, workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import type { Kernel } from "./kernel.ts";

/** The fed tensor; its batch may differ from the declared one, nothing else. */
export const graphInput: Kernel<"input"> = (node, _inputs, run) => {
  const fed = run.feeds.get(node.id);
  if (fed === undefined) {
    throw usageError("no tensor is fed to the input", { node: describe(node) });
  }
  const { dtype, shape } = node.attrs;
  const isFloat = dtype === "float32" && fed.dtype === "float64" && run.precision === "float64";
  const fits = fed.dtype === dtype || isFloat;
  if (!fits || !sameShape(fed.shape.slice(1), shape.slice(1))) {
    throw usageError("the fed tensor does not fit the input", {
      node: describe(node),
      expected: `${dtype} ${formatShape(shape)}`,
      got: `${fed.dtype} ${formatShape(fed.shape)}`,
    });
  }
  return widened(fed, run.precision);
};

export const constant: Kernel<"const"> = (node) => node.attrs.tensor;

/** Float32 as float64 where the run keeps doubles. */
function widened(value: Tensor, precision: "float32" | "float64"): Tensor {
  return value.dtype === "float32" && precision === "float64"
    ? tensor("float64", value.shape, new Float64Array(value.data))
    : value;
}

/** An operator that only ONNX Runtime can run. */
export function unknownOperator(node: Node<"opaque"> | Node<"result">): never {
  throw workError("the scalar interpreter does not know this operator", {
    node: describe(node),
    hint: "Only ONNX Runtime runs it; compare from the nodes behind it on",
  });
}
