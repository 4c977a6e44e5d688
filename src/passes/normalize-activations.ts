/**
 * One form for every rectifier: `relu` where the range is 0..infinity, else `clip`; one node where
 * several stood in a row.
 */
import { constantOf, type Graph } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { type Context, type Rule, rewrite } from "../ir/rewrite.ts";
import { sameShape } from "../tensor/shape.ts";

/** The range that a rectifier lets through. */
type Range = { readonly min: number; readonly max: number };

/** The graph with relu, clip, maximum and prelu in normal form. */
export function normalizeActivations(graph: Graph): Graph {
  const types = inferTypes(graph);
  return rewrite(graph, [toRectifier(types), reluOfClip, mergeRectifiers]);
}

const rectifier = (id: string, input: string, range: Range): Node =>
  range.min === 0 && range.max === Infinity
    ? { op: "relu", id, inputs: [input], attrs: { slope: 0 } }
    : { op: "clip", id, inputs: [input], attrs: range };

function rangeOf(node: Node | undefined): Range | undefined {
  if (node?.op === "clip" && node.attrs.min <= node.attrs.max) return node.attrs;
  return node?.op === "relu" && node.attrs.slope === 0 ? { min: 0, max: Infinity } : undefined;
}

/** maximum(x, c) -> clip(x, c, infinity); prelu with one slope for all channels -> relu. */
function toRectifier(types: Types): Rule {
  return (node, context) => {
    if (node.op === "prelu") {
      const slope = uniformConstant(node.inputs[1], context);
      const [x = ""] = node.inputs;
      return slope === undefined
        ? undefined
        : [{ op: "relu", id: node.id, inputs: [x], attrs: { slope } }];
    }
    if (node.op !== "maximum" || node.inputs.length !== 2) return undefined;
    for (const [x = "", limit] of [node.inputs, node.inputs.toReversed()]) {
      const min = uniformConstant(limit, context);
      if (min !== undefined && keepsShape(x, node.id, types)) {
        return [rectifier(node.id, x, { min, max: Infinity })];
      }
    }
    return undefined;
  };
}

/** clip(x, 0, infinity) -> relu(x). */
const reluOfClip: Rule = (node) => {
  const [x = ""] = node.inputs;
  const isRelu = node.op === "clip" && node.attrs.min === 0 && node.attrs.max === Infinity;
  return isRelu ? [rectifier(node.id, x, node.attrs)] : undefined;
};

/** clip(clip(x)) -> clip(x): the outer range applied to the ends of the inner one. */
const mergeRectifiers: Rule = (node, context) => {
  const inner = context.get(node.inputs[0]);
  const [outerRange, innerRange] = [rangeOf(node), rangeOf(inner)];
  if (inner === undefined || outerRange === undefined || innerRange === undefined) return undefined;
  const limit = (end: number): number =>
    Math.min(Math.max(end, outerRange.min), outerRange.max) + 0;
  const range = { min: limit(innerRange.min), max: limit(innerRange.max) };
  if (range.min === innerRange.min && range.max === innerRange.max) return inner.id;
  const [x = ""] = inner.inputs;
  return context.uses(inner.id) === 1 ? [rectifier(node.id, x, range)] : undefined;
};

/** The value that all elements of a float32 constant share. */
function uniformConstant(id: string | undefined, context: Context): number | undefined {
  const value = constantOf(context.get(id));
  if (value?.dtype !== "float32") return undefined;
  const [first] = value.data;
  return value.data.every((element) => element === first) ? first : undefined;
}

function keepsShape(input: string, output: string, types: Types): boolean {
  const [before, after] = [types.get(input), types.get(output)];
  return before !== undefined && after !== undefined && sameShape(before.shape, after.shape);
}
