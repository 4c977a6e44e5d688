/**
 * Convolution and pooling: ONNX's window attributes, with automatic pads resolved.
 */
import { kernelExtent } from "../../ir/geometry.ts";
import type { Node } from "../../ir/ops.ts";
import type { Pads, Pair } from "../../tensor/shape.ts";
import { hasOneOutput, intOf, intsOf, type OnnxNode, textOf } from "./onnx-node.ts";
import { floatShape, imageShape, outputOf, type Reading, type ReadRules } from "./reading.ts";

function pairOf(values: readonly number[] | undefined, fallback: Pair): Pair | undefined {
  if (values === undefined) return fallback;
  const [h, w, ...rest] = values;
  if (h === undefined || w === undefined || rest.length > 0 || h < 1 || w < 1) return undefined;
  return [h, w];
}

type Window = {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
};

function windowOf(node: OnnxNode, kernel: Pair | undefined): Window | undefined {
  const size = pairOf(intsOf(node, "kernel_shape"), kernel ?? [0, 0]);
  const stride = pairOf(intsOf(node, "strides"), [1, 1]);
  const dilation = pairOf(intsOf(node, "dilations"), [1, 1]);
  if (size === undefined || stride === undefined || dilation === undefined) return undefined;
  if (size[0] < 1 || (kernel !== undefined && size.join() !== kernel.join())) return undefined;
  return { kernel: size, stride, dilation };
}

/** The smaller half of an odd total stands before the image with SAME_UPPER, behind with LOWER. */
function halves(total: number, upper: boolean): Pair {
  const less = Math.floor(total / 2);
  return upper ? [less, total - less] : [total - less, less];
}

/** The pads of a forward window over an image [h, w]; undefined where they cannot be ours. */
function padsOf(node: OnnxNode, image: Pair, window: Window): Pads | undefined {
  const auto = textOf(node, "auto_pad", "NOTSET");
  if (auto === "VALID") return [0, 0, 0, 0];
  if (auto === "NOTSET") return explicitPads(node);
  const along = (axis: 0 | 1): Pair => {
    const output = Math.ceil(image[axis] / window.stride[axis]);
    const extent = kernelExtent(window.kernel[axis], window.dilation[axis]);
    const total = Math.max(0, (output - 1) * window.stride[axis] + extent - image[axis]);
    return halves(total, auto === "SAME_UPPER");
  };
  const [rows, columns] = [along(0), along(1)];
  return [rows[0], columns[0], rows[1], columns[1]];
}

function explicitPads(node: OnnxNode): Pads | undefined {
  const [top = 0, left = 0, bottom = 0, right = 0, ...rest] = intsOf(node, "pads") ?? [];
  const pads: Pads = [top, left, bottom, right];
  return rest.length > 0 || pads.some((pad) => pad < 0) ? undefined : pads;
}

/** Kernel size of the 4-D float weights at input 1. */
function kernelOf(node: OnnxNode, reading: Reading): Pair | undefined {
  const weight = imageShape(reading, node.inputs[1]);
  return weight && [weight[2], weight[3]];
}

function biasFits(node: OnnxNode, reading: Reading): boolean {
  const [, , bias = ""] = node.inputs;
  return bias === "" || floatShape(reading, bias)?.length === 1;
}

const present = (inputs: readonly string[]): string[] => inputs.filter((id) => id !== "");

function readConv(node: OnnxNode, reading: Reading): Node[] | undefined {
  const image = imageShape(reading, node.inputs[0]);
  const kernel = kernelOf(node, reading);
  const window = kernel && windowOf(node, kernel);
  if (image === undefined || window === undefined || !biasFits(node, reading)) return undefined;
  const pads = padsOf(node, [image[2], image[3]], window);
  if (pads === undefined) return undefined;
  const { stride, dilation } = window;
  const attrs = { stride, pads, dilation, groups: intOf(node, "group", 1) };
  return [{ op: "conv", id: outputOf(node), inputs: present(node.inputs), attrs }];
}

/**
 * Pads of a transposed convolution: as given, or what makes the wanted output size,
 * `total = stride * (in - 1) + outputPad + extent - wanted`.
 */
function transposedPads(
  node: OnnxNode,
  image: Pair,
  window: Window,
  outputPads: Pair,
): Pads | undefined {
  const auto = textOf(node, "auto_pad", "NOTSET");
  const sizes = intsOf(node, "output_shape")?.slice(-2);
  if (sizes === undefined && auto === "VALID") return [0, 0, 0, 0];
  if (sizes === undefined && auto === "NOTSET") return explicitPads(node);
  const along = (axis: 0 | 1): Pair => {
    const wanted = sizes?.[axis] ?? image[axis] * window.stride[axis];
    const extent = kernelExtent(window.kernel[axis], window.dilation[axis]);
    const full = window.stride[axis] * (image[axis] - 1) + outputPads[axis] + extent;
    return halves(full - wanted, auto === "SAME_UPPER");
  };
  const [rows, columns] = [along(0), along(1)];
  const pads: Pads = [rows[0], columns[0], rows[1], columns[1]];
  return pads.some((pad) => pad < 0) ? undefined : pads;
}

function outputPadsOf(node: OnnxNode): Pair | undefined {
  const [bottom = 0, right = 0, ...rest] = intsOf(node, "output_padding") ?? [];
  return rest.length > 0 || bottom < 0 || right < 0 ? undefined : [bottom, right];
}

function readConvTranspose(node: OnnxNode, reading: Reading): Node[] | undefined {
  const image = imageShape(reading, node.inputs[0]);
  const kernel = kernelOf(node, reading);
  const window = kernel && windowOf(node, kernel);
  const outputPads = outputPadsOf(node);
  if (image === undefined || window === undefined || outputPads === undefined) return undefined;
  const pads = transposedPads(node, [image[2], image[3]], window, outputPads);
  if (pads === undefined || !biasFits(node, reading)) return undefined;
  const { stride, dilation } = window;
  const attrs = { stride, pads, dilation, groups: intOf(node, "group", 1), outputPads };
  return [{ op: "deconv", id: outputOf(node), inputs: present(node.inputs), attrs }];
}

function readPool(node: OnnxNode, reading: Reading): Node[] | undefined {
  const image = imageShape(reading, node.inputs[0]);
  const window = windowOf(node, undefined);
  if (image === undefined || window === undefined || !hasOneOutput(node)) return undefined;
  const pads = padsOf(node, [image[2], image[3]], window);
  // ONNX Runtime forgets the dilation when it resolves automatic pads of poolings.
  const dilated = window.dilation.some((step) => step !== 1);
  const auto = textOf(node, "auto_pad", "NOTSET").startsWith("SAME");
  if (pads === undefined || (dilated && auto)) return undefined;
  const ceil = intOf(node, "ceil_mode", 0) === 1;
  const attrs = { ...window, pads, ceil };
  const [id, inputs] = [outputOf(node), node.inputs.slice(0, 1)];
  if (node.opType === "MaxPool") return [{ op: "maxPool", id, inputs, attrs }];
  const countPad = intOf(node, "count_include_pad", 0) === 1;
  return [{ op: "avgPool", id, inputs, attrs: { ...attrs, countPad } }];
}

function readGlobal(op: "globalAvgPool" | "globalMaxPool") {
  return (node: OnnxNode, reading: Reading): Node[] | undefined => {
    if (imageShape(reading, node.inputs[0]) === undefined) return undefined;
    return [{ op, id: outputOf(node), inputs: node.inputs, attrs: {} }];
  };
}

export const windowReadRules: ReadRules = {
  Conv: readConv,
  ConvTranspose: readConvTranspose,
  MaxPool: readPool,
  AveragePool: readPool,
  GlobalAveragePool: readGlobal("globalAvgPool"),
  GlobalMaxPool: readGlobal("globalMaxPool"),
};
