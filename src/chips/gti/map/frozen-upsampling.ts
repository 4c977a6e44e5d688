/**
 * The chip's upsampling by 2, which Caffe networks write as a frozen depthwise Deconvolution, by its own name.
 */
import { constantOf, type Graph } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import { type Context, type Rule, rewrite } from "../../../ir/rewrite.ts";

/**
 * The graph where a depthwise 2x2 stride-2 `deconv` of weights 1,1,1,1 in every channel is a `resize` (each
 * pixel four times), and of weights 1,0,0,0 a `zeroInsert`.
 */
export function frozenUpsampling(graph: Graph): Graph {
  return rewrite(graph, [upsamplingRule]);
}

const upsamplingRule: Rule = (node, context) => {
  if (node.op !== "deconv" || !isDoubling(node, context)) return undefined;
  const weight = constantOf(context.get(node.inputs[1]));
  if (weight?.dtype !== "float32") return undefined;
  const [x = ""] = node.inputs;
  if (weight.data.every((w) => w === 1)) {
    const attrs = { mode: "nearest", alignCorners: false, factor: [2, 2] } as const;
    return [{ op: "resize", id: node.id, inputs: [x], attrs }];
  }
  const isInsert = weight.data.every((w, index) => w === (index % 4 === 0 ? 1 : 0));
  return isInsert
    ? [{ op: "zeroInsert", id: node.id, inputs: [x], attrs: { factor: [2, 2] } }]
    : undefined;
};

/** True for 2x2 windows side by side, one channel each, and no bias but zeros. */
function isDoubling({ attrs, inputs }: Node<"deconv">, context: Context): boolean {
  const [channels = 0, multiplier = 0, kh = 0, kw = 0] =
    constantOf(context.get(inputs[1]))?.shape ?? [];
  const bias = inputs.length < 3 ? undefined : constantOf(context.get(inputs[2]));
  const noBias =
    inputs.length < 3 || (bias?.dtype === "float32" && bias.data.every((b) => b === 0));
  return (
    noBias &&
    channels > 0 &&
    attrs.groups === channels &&
    multiplier === 1 &&
    [kh, kw, ...attrs.stride].every((pixels) => pixels === 2) &&
    [...attrs.pads, ...attrs.outputPads].every((pixels) => pixels === 0) &&
    attrs.dilation.every((step) => step === 1)
  );
}
