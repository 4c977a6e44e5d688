/**
 * Operators that ONNX does not have: default boxes are constants, others run on the host.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { priorBox } from "../../ir/prior-box.ts";
import { tensorAttribute } from "./attribute.ts";
import type { Builder } from "./builder.ts";

/** SSD's default boxes depend on shapes only. */
export function lowerPriorBox(node: Node<"priorBox">, builder: Builder): void {
  const [feature = "", image = ""] = node.inputs;
  const boxes = priorBox(node.attrs, builder.typeOf(feature).shape, builder.typeOf(image).shape);
  builder.emit("Constant", [], { value: tensorAttribute(boxes) }, node.id);
}

/** Throws: the engine splits the graph at these and runs them itself. */
export function refuseHost(node: Node): never {
  throw workError("has no ONNX form: the engine runs it on the host", {
    node: describe(node),
    hint: "End the exported graph before it",
  });
}
