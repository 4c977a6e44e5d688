/**
 * The layers of the GTI chips' training dialect in ONNX: the ReLU on a grid of levels, in the reference's own
 * intermediate types. The convolution has no form of its own.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { float32, type Tensor, tensor, toNumbers } from "../../tensor/tensor.ts";
import { float, int } from "./attribute.ts";
import type { Builder } from "./builder.ts";
import { emitChain, type Link } from "./chain.ts";
import { elementCode } from "./element-types.ts";
import { withTrailingOnes } from "./lower-activation.ts";

/** Throws: with its rounded coefficients it is an ordinary convolution. */
export function needsFold(node: Node<"quantConv">): never {
  throw workError("a convolution with rounded coefficients is not lowered to ONNX", {
    node: describe(node),
    hint: "Run foldQuantLayers on the graph first",
  });
}

/** Added before a floor this rounds a float32 that is not negative half up: 0.5 itself takes 0.49999997 to 1. */
const belowHalf = 0.5 - 2 ** -25;

/** Bit for bit what the scalar kernel gives, save the sign of zeros. A cap [c] stands along axis 1. */
export function lowerQuantRelu(node: Node<"quantRelu">, builder: Builder): void {
  const [input = "", cap = ""] = node.inputs;
  const { slope, bits, quantized } = node.attrs;
  if (!quantized) {
    if (slope === 0) builder.emit("Relu", [input], {}, node.id);
    else builder.emit("LeakyRelu", [input], { alpha: float(slope) }, node.id);
    return;
  }
  const levels = 2 ** bits - 1;
  const single = builder.typeOf(cap).shape.reduce((product, dim) => product * dim, 1) === 1;
  const trailing = single ? 0 : builder.typeOf(input).shape.length - 2;
  const column = withTrailingOnes(cap, trailing, builder);
  const links: readonly Link[] = [
    { op: "Relu" },
    { op: "Min", inputs: [column] },
    { op: "Mul", inputs: [builder.scalar(levels, `${node.id}/levels`)] },
    { op: "Div", inputs: [column] },
    { op: "Add", inputs: [builder.scalar(belowHalf, `${node.id}/half`)] },
    { op: "Floor" },
  ];
  const steps = singleSteps(builder.constant(cap), trailing, levels);
  const last =
    steps === undefined
      ? inDouble(column, levels, node, builder)
      : [{ op: "Mul", inputs: [builder.initializer(steps, `${node.id}/step`)] }];
  emitChain(builder, input, [...links, ...last], node.id);
}

/** How many products are tried before the doubles are taken unseen. */
const maxTried = 2 ** 20;

/**
 * The steps `cap / levels` as float32, with trailing ones, if one float32 product then gives every level
 * exactly; as a refined network's cap 31 of 31 levels does.
 */
function singleSteps(
  cap: Tensor | undefined,
  trailing: number,
  levels: number,
): Tensor<"float32"> | undefined {
  if (cap === undefined || cap.data.length * levels > maxTried) return undefined;
  const caps = toNumbers(cap);
  const steps = caps.map((one) => Math.fround(one / levels));
  for (const [at, step] of steps.entries()) {
    for (let level = 1; level <= levels; level += 1) {
      const exact = Math.fround((level * (caps[at] ?? 0)) / levels);
      if (Math.fround(level * step) !== exact) return undefined;
    }
  }
  const ones = Array.from({ length: trailing }, () => 1);
  return float32([...cap.shape, ...ones], steps);
}

/** `level * cap / levels` in doubles, rounded once. */
function inDouble(
  cap: string,
  levels: number,
  node: Node<"quantRelu">,
  builder: Builder,
): readonly Link[] {
  const double = { to: int(elementCode("float64")) };
  const wide = tensor("float64", [], Float64Array.of(levels));
  return [
    { op: "Cast", attributes: double },
    { op: "Mul", inputs: [builder.emit("Cast", [cap], double)] },
    { op: "Div", inputs: [builder.initializer(wide, `${node.id}/levels`)] },
    { op: "Cast", attributes: { to: int(elementCode("float32")) } },
  ];
}
