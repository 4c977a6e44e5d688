/**
 * From a refined network to what the chip holds: integers and a shift per layer, as the converter rounds them, and the
 * integer graph that is the chip's definition. The bytes of files are written in files/.
 */
import {
  biasBitsOf,
  coefficientIntegers,
  type ReslicedCoefficients,
  resliceCoefficients,
} from "../../../fixed/coefficients.ts";
import { largestMagnitude } from "../../../fixed/layer-shift.ts";
import { describe, type Graph, nodeMap } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import type { OnWarning } from "../../../notice.ts";
import type { CoefficientBits, LayeredTarget } from "../../../target/layered-target.ts";
import { asNchw, type Nchw } from "../../../tensor/shape.ts";
import type { ChipMapping } from "../map/mapping.ts";
import type { ConvParameters } from "./gain.ts";
import { parametersOf } from "./refine.ts";

export type ConvertOptions = {
  /** Largest shift; the target's own unless given. */
  readonly shiftMax?: number | undefined;
  /** As the vendor's converter: a bias too large for its bits is left so. */
  readonly likeMdk?: boolean | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/** A convolution as the chip holds it. Values are in the chip's units, on the grid `2^-shift`. */
export type ProgramLayer = {
  /** Id of the convolution. */
  readonly name: string;
  readonly coefficientBits: CoefficientBits;
  readonly parameterBits: number;
  readonly biasBits: number;
  /** [out, in / groups, kh, kw]. */
  readonly shape: Nchw;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly shift: number;
  /** Of the float values, before rounding. */
  readonly maxWeight: number;
  readonly maxBias: number;
};

/** Every convolution of the chip part by its id, projections of shortcuts among them. */
export function convertLayers(
  mapping: ChipMapping,
  target: LayeredTarget,
  options: ConvertOptions = {},
): ReadonlyMap<string, ProgramLayer> {
  const nodes = nodeMap(mapping.graph);
  const layers = new Map<string, ProgramLayer>();
  for (const { conv, shortcut, bits } of mapping.chip.convolutions) {
    const main = convertLayer(nodes.get(conv), nodes, bits, target, options);
    layers.set(conv, main);
    if (shortcut?.projection === undefined) continue;
    // The projection's sum is added to the convolution's: its grid must not be the finer one.
    const limited = { ...options, shiftMax: main.shift };
    const node = nodes.get(shortcut.projection);
    layers.set(shortcut.projection, convertLayer(node, nodes, bits, target, limited));
  }
  return layers;
}

function convertLayer(
  node: Node | undefined,
  nodes: ReadonlyMap<string, Node>,
  bits: CoefficientBits,
  target: LayeredTarget,
  options: ConvertOptions,
): ProgramLayer {
  if (node?.op !== "conv" && node?.op !== "quantConv") {
    throw new Error(`no convolution: ${node?.id ?? "nothing"}`);
  }
  const parameters = parametersOf(node, nodes);
  return roundParameters(
    { name: node.id, node: describe(node), ...parameters },
    bits,
    target,
    options,
  );
}

/** A convolution's parameters in the chip's units, and how errors name it. */
type NamedParameters = ConvParameters & { readonly name: string; readonly node: string };

/** One layer as the chip holds it. */
export function roundParameters(
  { name, node, weight, bias }: NamedParameters,
  bits: CoefficientBits,
  target: LayeredTarget,
  options: ConvertOptions,
): ProgramLayer {
  const shape = asNchw(weight.shape, node);
  const layer = { weight: weight.data, bias, taps: shape[2] * shape[3], node };
  const mode = target.weightModes.find((one) => one.bits === bits);
  const { parameterBits } = target;
  const shiftMax = options.shiftMax ?? target.shiftMax;
  const rule = { bits, parameterBits, shiftMax, biasBits: mode?.biasBits };
  const free = resliceCoefficients(layer, rule);
  const biasBits =
    mode?.biasBits ??
    biasBitsOf(
      mode?.precision === "float" ? "dynamic" : (mode?.precision ?? "dynamic"),
      parameterBits,
    );
  const room = largestMagnitude(biasBits);
  const guarded = Math.max(0, Math.floor(Math.log2(room / Math.max(free.maxBias ?? 0, 1e-6))));
  const overflows = (free.maxBias ?? 0) * 2 ** free.shift > room;
  const kept =
    overflows && options.likeMdk !== true
      ? resliceCoefficients(layer, { ...rule, shiftMax: guarded })
      : free;
  if (overflows) warnBias(node, kept, biasBits, free.shift, options);
  warnLost(node, kept, parameterBits, options.onWarning);
  return {
    name,
    coefficientBits: bits,
    parameterBits,
    biasBits,
    shape,
    weight: kept.weight,
    bias: kept.bias ?? new Float32Array(shape[0]),
    shift: kept.shift ?? 0,
    maxWeight: kept.maxWeight,
    maxBias: kept.maxBias ?? 0,
  };
}

function warnBias(
  where: string,
  kept: ReslicedCoefficients,
  biasBits: number,
  wanted: number,
  { onWarning, likeMdk }: ConvertOptions,
): void {
  const message =
    likeMdk === true
      ? `the largest bias does not fit ${biasBits} bits at shift ${wanted}`
      : `shift ${kept.shift} instead of ${wanted}, so that the largest bias fits ${biasBits} bits`;
  onWarning?.({ id: "bias-overflow", message, where });
}

/** What rounding took away whole. */
function warnLost(
  where: string,
  { allZero, vanished, maxWeight, shift, weightShift }: ReslicedCoefficients,
  parameterBits: number,
  onWarning: OnWarning | undefined,
): void {
  if (allZero) {
    onWarning?.({
      id: "zero-weights",
      message: "all weights are zero: only the bias is left",
      where,
    });
  } else if (vanished > 0) {
    const held = (shift ?? 0) < weightShift;
    const remedy = held ? "; a smaller bias would leave room for a larger shift" : "";
    const message = `${vanished} kernels round to zero at shift ${shift}${remedy}`;
    onWarning?.({ id: "vanished-kernels", message, where });
  }
  if (maxWeight * 2 ** (shift ?? 0) > largestMagnitude(parameterBits) + 0.5) {
    const message = `weights up to ${maxWeight.toPrecision(4)} do not fit ${parameterBits} bits at shift ${shift}`;
    onWarning?.({ id: "weight-overflow", message, where });
  }
}

/** Integers of a layer: weights `[out, ...]` and biases, each times `2^shift`. */
export function layerIntegers(layer: ProgramLayer): {
  readonly weight: Int32Array;
  readonly bias: Int32Array;
} {
  return {
    weight: coefficientIntegers(layer.weight, layer.shift),
    bias: coefficientIntegers(layer.bias, layer.shift),
  };
}

/** The network with the layers' rounded values in place of its float ones. */
export function withLayers(graph: Graph, layers: ReadonlyMap<string, ProgramLayer>): Graph {
  const byConstant = new Map<string, Float32Array>();
  for (const node of graph.nodes) {
    const layer = layers.get(node.id);
    if (layer === undefined) continue;
    byConstant.set(node.inputs[1] ?? "", layer.weight);
    byConstant.set(node.inputs[2] ?? "", layer.bias);
  }
  const nodes = graph.nodes.map((node): Node => {
    const data = byConstant.get(node.id);
    if (node.op !== "const" || data === undefined) return node;
    const { shape } = node.attrs.tensor;
    return { ...node, attrs: { tensor: { dtype: "float32", shape, data } } };
  });
  return { ...graph, nodes };
}
