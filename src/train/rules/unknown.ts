/**
 * Operators that no rule knows how to go back through. They may stand where nothing is learned before them.
 */
import { workError } from "../../error.ts";
import { lowerOpaque, lowerResult } from "../../formats/onnx/lower-opaque.ts";
import { describe } from "../../ir/graph.ts";
import type { TrainRule } from "../tape.ts";

/** Throws where a gradient is wanted through it: parameters before it would stay as they are without a word. */
export const opaque: TrainRule<"opaque"> = (node, tape) => {
  lowerOpaque(node, tape);
  return () => {
    throw workError("has no gradient: what is learned before it cannot be trained", {
      node: describe(node),
      hint: "Freeze the layers before it",
    });
  };
};

export const result: TrainRule<"result"> = (node, tape) => {
  lowerResult(node, tape);
  return (dy) => [dy];
};
