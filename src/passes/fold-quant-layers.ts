/**
 * The layers of the GTI chips' training dialect as plain ones: a convolution with rounded coefficients gets
 * the rounded ones as its weights, a ReLU that is not quantized is a ReLU. A quantized one stays: it has an ONNX form.
 * No canonical pass: what the layers say about the chip is lost.
 */
import { quantizeCoefficients } from "../fixed/coefficients.ts";
import { constantOf, describe, type Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { type Context, rewrite } from "../ir/rewrite.ts";
import type { OnWarning } from "../notice.ts";
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { createNamer, type Namer, replaceParameters } from "./new-constants.ts";
import { renameNodes } from "./rename.ts";

const silent: OnWarning = () => {};

/**
 * The graph without `quantConv` whose weights are constants and without `quantRelu` that does not quantize; the
 * same object where there are none. It computes the same, up to the sign of zeros. Warns of layers whose kernels round to 0.
 */
export function foldQuantLayers(graph: Graph, onWarning: OnWarning = silent): Graph {
  if (!graph.nodes.some(({ op }) => op === "quantConv" || op === "quantRelu")) return graph;
  const namer = createNamer(graph);
  const folded = rewrite(graph, [
    (node, context) => {
      if (node.op === "quantConv") return foldConv(node, context, namer, onWarning);
      if (node.op !== "quantRelu" || node.attrs.quantized) return undefined;
      const { slope } = node.attrs;
      return [{ op: "relu", id: node.id, inputs: node.inputs.slice(0, 1), attrs: { slope } }];
    },
  ]);
  return renameNodes(folded, namer.wishes);
}

function foldConv(
  node: Node<"quantConv">,
  context: Context,
  namer: Namer,
  onWarning: OnWarning,
): readonly Node[] | undefined {
  const { id, inputs } = node;
  const { stride, pads, dilation, groups, precision } = node.attrs;
  const conv: Node<"conv"> = {
    op: "conv",
    id,
    inputs,
    attrs: { stride, pads, dilation, groups },
  };
  if (precision === "float") return [conv];
  const [weight, bias] = [1, 2].map((at) => constantOf(context.get(inputs[at])));
  if (weight?.dtype !== "float32") return undefined;
  if (inputs.length > 2 && bias?.dtype !== "float32") return undefined;
  const parameters = rounded(node, weight, bias?.dtype === "float32" ? bias : undefined, onWarning);
  return replaceParameters(conv, parameters, { id, source: inputs[0] ?? "" }, namer);
}

function rounded(
  node: Node<"quantConv">,
  { shape, data }: Tensor<"float32">,
  bias: Tensor<"float32"> | undefined,
  onWarning: OnWarning,
): { readonly weight: Tensor<"float32">; readonly bias: Tensor<"float32"> | undefined } {
  const where = describe(node);
  const [, , kh, kw] = asNchw(shape, where);
  const taps = kh * kw;
  const made = quantizeCoefficients(
    { weight: data, bias: bias?.data, taps, node: where },
    node.attrs,
  );
  if (made.allZero) onWarning({ id: "zero-weights", message: "all weights are 0", where });
  if (made.vanished > 0) {
    const message = `${made.vanished} of ${data.length / taps} kernels round to 0`;
    onWarning({ id: "vanished-kernels", message, where });
  }
  return {
    weight: float32(shape, made.weight),
    bias: made.bias && float32([made.bias.length], made.bias),
  };
}
