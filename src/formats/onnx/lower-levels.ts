/**
 * Levels of a chip as ONNX nodes: how they are made of pictures and of a host's values, and zeros put between them.
 * They are computed in float32; integers go in and come out as they are typed.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, elementCount } from "../../tensor/shape.ts";
import { type DType, float32 } from "../../tensor/tensor.ts";
import { int, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";
import { emitChain, type Link } from "./chain.ts";
import { elementCode } from "./element-types.ts";

/** Elements of the kernels that put zeros between pixels. */
const maxTaps = 2 ** 24;

function castTo(dtype: DType): Link {
  return { op: "Cast", attributes: { to: int(elementCode(dtype)) } };
}

/** Floor, which is truncation for pictures, before the rounding shift: `x * 2^-k + 0.5` alone could round up. */
export function lowerReduceBits(node: Node<"reduceBits">, builder: Builder): void {
  const { from, to } = node.attrs;
  const { dtype } = builder.typeOf(node.inputs[0] ?? "");
  const typed = dtype !== "float32";
  const scalar = (value: number, base: string): string =>
    builder.scalar(value, `${node.id}/${base}`);
  const links: (Link | undefined)[] = [
    typed ? castTo("float32") : { op: "Floor" },
    ...(from > to ? shifted(from - to, scalar) : []),
    { op: "Min", inputs: [scalar(2 ** to - 1, "top")] },
    typed ? castTo(dtype) : undefined,
  ];
  emitChain(builder, node.inputs[0] ?? "", links, node.id);
}

/** `(x + 2^(places - 1)) >> places`. */
function shifted(places: number, scalar: (value: number, base: string) => string): readonly Link[] {
  return [
    { op: "Add", inputs: [scalar(2 ** (places - 1), "half")] },
    { op: "Mul", inputs: [scalar(2 ** -places, "step")] },
    { op: "Floor" },
  ];
}

export function lowerToLevels(node: Node<"toLevels">, builder: Builder): void {
  const { step, qMax } = node.attrs;
  const scalar = (value: number, base: string): string =>
    builder.scalar(value, `${node.id}/${base}`);
  const links: readonly Link[] = [
    { op: "Div", inputs: [scalar(step, "step")] },
    { op: "Add", inputs: [scalar(0.5, "half")] },
    { op: "Floor" },
    { op: "Max", inputs: [scalar(0, "min")] },
    { op: "Min", inputs: [scalar(qMax, "max")] },
    castTo(builder.typeOf(node.id).dtype),
  ];
  emitChain(builder, node.inputs[0] ?? "", links, node.id);
}

/** A transposed convolution per channel whose kernel, as large as its stride, is a single 1. */
export function lowerZeroInsert(node: Node<"zeroInsert">, builder: Builder): void {
  const [input = ""] = node.inputs;
  const { dtype, shape } = builder.typeOf(input);
  const [, channels] = asNchw(shape, describe(node));
  const { factor } = node.attrs;
  const size = [channels, 1, ...factor];
  if (elementCount(size) > maxTaps) {
    throw workError("the factor is too large", { node: describe(node), got: factor.join("x") });
  }
  const taps = new Float32Array(elementCount(size));
  for (let at = 0; at < taps.length; at += factor[0] * factor[1]) taps[at] = 1;
  const kernel = builder.initializer(float32(size, taps), `${node.id}/kernel`);
  const attributes = { kernel_shape: ints(factor), strides: ints(factor), group: int(channels) };
  const typed = dtype !== "float32";
  const links = [
    typed ? castTo("float32") : undefined,
    { op: "ConvTranspose", inputs: [kernel], attributes },
    typed ? castTo(dtype) : undefined,
  ];
  emitChain(builder, input, links, node.id);
}
