/**
 * Opaque nodes go back as they came: same operator, same encoded attributes.
 */
import type { Node } from "../../ir/ops.ts";
import type { Builder } from "./builder.ts";

/** Values are named after the `result` nodes; an output that nobody reads has no name. */
export function lowerOpaque(node: Node<"opaque">, builder: Builder): void {
  const names = builder.outputsOf(node.id);
  const count = [...names.keys()].reduce((most, index) => Math.max(most, index + 1), 0);
  const output = Array.from({ length: count }, (_, index) => names.get(index) ?? "");
  builder.emitNode({
    name: node.id,
    domain: node.attrs.domain === "" ? undefined : node.attrs.domain,
    op_type: node.attrs.opType,
    input: node.inputs,
    output,
    attribute: node.attrs.attributes,
  });
}

/** Nothing to do for the first reader of an output; a second one is a copy. */
export function lowerResult(node: Node<"result">, builder: Builder): void {
  const first = builder.outputsOf(node.inputs[0] ?? "").get(node.attrs.index);
  if (first === undefined || first === node.id) return;
  builder.emit("Identity", [first], {}, node.id);
}
