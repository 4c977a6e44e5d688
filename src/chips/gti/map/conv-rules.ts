/**
 * What a chip asks of one convolution and its activation, whatever stands around them.
 */
import type { LayeredTarget } from "../../../target/layered-target.ts";
import { formatShape } from "../../../tensor/shape.ts";
import type { SublayerKind } from "../layout.ts";
import type { Problem } from "./problem.ts";
import type { ConvNode, ConvUnit } from "./units.ts";
import { shapeOf, type View } from "./view.ts";

/** Sizes that the rules look at. */
export type ConvGeometry = {
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly kernel: readonly [number, number];
  /** Rows and columns of the input. */
  readonly map: readonly [number, number];
};

export function geometryOf(conv: ConvNode, view: View): ConvGeometry {
  const [, inputChannels = 0, h = 0, w = 0] = shapeOf(view, conv.inputs[0]);
  const [outputChannels = 0, , kh = 0, kw = 0] = shapeOf(view, conv.inputs[1]);
  return { inputChannels, outputChannels, kernel: [kh, kw], map: [h, w] };
}

/** How the network JSON would call the convolution. */
export function kindOf(conv: ConvNode, view: View): SublayerKind {
  if (geometryOf(conv, view).kernel.every((size) => size === 1)) return "pointwise";
  return conv.attrs.groups > 1 ? "depthwise" : "full";
}

/** Rules that the convolution itself breaks, besides its count of channels. */
export function convProblems(
  unit: ConvUnit,
  view: View,
  target: LayeredTarget,
): readonly Problem[] {
  const { conv } = unit;
  const geometry = geometryOf(conv, view);
  return [
    ...kernelProblems(conv, geometry, target),
    ...slidingProblems(conv, geometry),
    ...groupProblems(conv, geometry, target),
    ...sizeProblems(conv.id, geometry.map, target),
    ...activationProblems(unit, view),
  ];
}

function kernelProblems(
  conv: ConvNode,
  { kernel }: ConvGeometry,
  target: LayeredTarget,
): readonly Problem[] {
  const [kh, kw] = kernel;
  if (kh === kw && (kh === 3 || (kh === 1 && target.pointwise))) return [];
  return [
    {
      rule: "kernel",
      node: conv.id,
      limit: target.pointwise ? "3x3 or 1x1" : "3x3",
      found: `${kh}x${kw}`,
      hint: "Train the layer with 3x3 kernels; two of them see as far as one 5x5",
      waiver: kh === 1 && kw === 1 ? "layered" : "free",
    },
  ];
}

/** Stride, padding and dilation. A larger kernel under a waiver must keep the size of the map too. */
function slidingProblems(conv: ConvNode, { kernel, map }: ConvGeometry): readonly Problem[] {
  const { stride, pads, dilation } = conv.attrs;
  const problems: Problem[] = [];
  const report = (rule: "stride" | "padding" | "dilation", texts: readonly string[]): void => {
    const [limit = "", found = "", hint = ""] = texts;
    problems.push({ rule, node: conv.id, limit, found, hint, waiver: "free" });
  };
  if (stride.some((step) => step !== 1)) {
    report("stride", [
      "1, or 2 on a map of even size with pads of 1 (3x3) or 0 (1x1) and an activation behind",
      `${stride.join("x")} on a map of ${map.join("x")}`,
      "Use stride 1 or 2 on maps of even size",
    ]);
  }
  if (dilation.some((step) => step !== 1)) {
    report("dilation", ["1", dilation.join("x"), "Train the layer without dilation"]);
  }
  const same = ([0, 1, 0, 1] as const).map((axis) => ((kernel[axis] - 1) * dilation[axis]) / 2);
  if (pads.some((pixels, side) => pixels !== same[side])) {
    const wanted = kernel.every((size) => size === 3 || size === 1);
    report("padding", [
      wanted ? `${same.join(",")} pixels (top, left, bottom, right)` : "half of the kernel",
      pads.join(","),
      "Train the layer with the same padding on all sides",
    ]);
  }
  return problems;
}

function groupProblems(
  conv: ConvNode,
  { inputChannels, outputChannels, kernel }: ConvGeometry,
  target: LayeredTarget,
): readonly Problem[] {
  const { groups } = conv.attrs;
  if (groups === 1) return [];
  const isDepthwise = groups === inputChannels && groups === outputChannels;
  if (isDepthwise && target.depthwise && kernel.some((size) => size !== 1)) return [];
  return [
    {
      rule: isDepthwise ? "depthwise" : "groups",
      node: conv.id,
      limit: target.depthwise ? "one group, or a 3x3 kernel for each channel" : "one group",
      found: `${groups} groups of ${inputChannels} channels`,
      hint: isDepthwise && !target.depthwise ? "Choose a chip with depthwise layers" : ungroup,
      waiver: isDepthwise && kernel.every((size) => size === 3) ? "layered" : "free",
    },
  ];
}

const ungroup = "Write the layer with one group, zeros between the groups";

function sizeProblems(
  node: string,
  [rows, columns]: readonly [number, number],
  target: LayeredTarget,
): readonly Problem[] {
  if (rows === columns && target.imageSizes.includes(rows)) return [];
  return [
    {
      rule: "image-size",
      node,
      limit: `square maps of ${target.imageSizes.join(", ")}`,
      found: `${rows}x${columns}`,
      hint: "Give the network pictures of a size that the chip has",
      waiver: rows === columns ? "layered" : "free",
    },
  ];
}

/** A count of output channels that the chip does not compute. With `padChannels` one that can be padded is legal. */
export function channelProblems(
  { conv }: ConvUnit,
  view: View,
  target: LayeredTarget,
  padChannels: boolean,
): readonly Problem[] {
  const { outputChannels: count } = geometryOf(conv, view);
  const legal = legalChannels(count, target);
  if (legal === count || (padChannels && legal !== undefined)) return [];
  return [
    {
      rule: "channels",
      node: conv.id,
      limit: `a power of two from ${target.minChannels.output} to ${target.maxChannels}`,
      found: `${count}`,
      hint:
        legal === undefined
          ? "Train the layer with fewer channels"
          : `Pad the layer with zero kernels to ${legal} channels (padChannels)`,
      waiver: "layered",
    },
  ];
}

/** The smallest count of output channels from `count` on that a chip computes; undefined beyond the largest. */
export function legalChannels(count: number, target: LayeredTarget): number | undefined {
  const power = 2 ** Math.ceil(Math.log2(Math.max(count, target.minChannels.output)));
  return power <= target.maxChannels ? power : undefined;
}

function activationProblems({ conv, activation }: ConvUnit, view: View): readonly Problem[] {
  const problem = { node: activation.id, hint: "Train the network with ReLU or ReLU6" };
  const foreign = foreignActivation(activation);
  if (foreign !== undefined) {
    const limit = "max(x, 0) up to a cap";
    return [{ rule: "activation", ...problem, limit, found: foreign, waiver: "none" }];
  }
  const caps = activation.op === "quantRelu" ? shapeOf(view, activation.inputs[1]) : [];
  if (caps.every((count) => count === 1)) return [];
  return [
    {
      rule: "cap",
      node: activation.id,
      limit: "one cap for all channels",
      found: `caps [${formatShape(caps)}] behind ${conv.id}`,
      hint: "Train with channel_shared: true",
      waiver: "free",
    },
  ];
}

/** What the activation is, where the chip has no such one. */
function foreignActivation(node: ConvUnit["activation"]): string | undefined {
  switch (node.op) {
    case "relu":
    case "quantRelu":
      return node.attrs.slope === 0 ? undefined : `a slope of ${node.attrs.slope} below 0`;
    case "clip":
      return node.attrs.min === 0 && node.attrs.max > 0
        ? undefined
        : `a clip to ${node.attrs.min}..${node.attrs.max}`;
    default:
      return node.op;
  }
}
