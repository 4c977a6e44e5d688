/**
 * The layers of the GTI chips' training dialect: a convolution with rounded coefficients, and a ReLU on a
 * grid of levels. fixed/ defines the rounding of each number.
 */
import { cappedRelu, slopedRelu } from "../../fixed/capped-relu.ts";
import { quantizeCoefficients } from "../../fixed/coefficients.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { conv } from "./convolution.ts";
import { doubles, input, type Kernel, reals, realTensor } from "./kernel.ts";

/** A float convolution with the coefficients that the rule makes of weight and bias. */
export const quantConv: Kernel<"quantConv"> = (node, inputs, run) => {
  const { stride, pads, dilation, groups, precision } = node.attrs;
  const attrs = { stride, pads, dilation, groups };
  const operands = precision === "float" ? inputs : rounded(node, inputs);
  return conv({ op: "conv", id: node.id, inputs: node.inputs, attrs }, operands, run);
};

/** x as it is, weight and bias rounded. */
function rounded(node: Node<"quantConv">, inputs: readonly Tensor[]): readonly Tensor[] {
  const { shape } = input(node, inputs, 1);
  const [, , kh, kw] = asNchw(shape, describe(node));
  const given = {
    weight: new Float32Array(reals(node, inputs, 1)),
    bias: inputs.length > 2 ? new Float32Array(reals(node, inputs, 2)) : undefined,
    taps: kh * kw,
    node: describe(node),
  };
  const { weight, bias } = quantizeCoefficients(given, node.attrs);
  const made = [float32(shape, weight), ...(bias ? [float32([bias.length], bias)] : [])];
  return [input(node, inputs, 0), ...made];
}

/** Float32 arithmetic whatever the run's precision: the levels are defined by it. A cap [c] stands along axis 1. */
export const quantRelu: Kernel<"quantRelu"> = (node, inputs, run) => {
  const { slope, bits, quantized } = node.attrs;
  const x = reals(node, inputs, 0);
  const values = doubles(run.shape);
  if (!quantized) {
    for (let at = 0; at < x.length; at += 1) values[at] = slopedRelu(x[at]!, slope);
    return realTensor(run, values);
  }
  const caps = reals(node, inputs, 1);
  const channels = caps.length === 1 ? 1 : (run.shape[1] ?? 1);
  reals(node, inputs, 1, channels);
  const inner = run.shape.slice(2).reduce((a, b) => a * b, 1);
  for (let at = 0; at < x.length; at += 1) {
    values[at] = cappedRelu(x[at]!, caps[Math.floor(at / inner) % channels]!, bits);
  }
  return realTensor(run, values);
};
