/**
 * From the float network in chip form to the refined one: the chip part in the chip's own units, with QuantConvolution
 * and QuantReLU, between a picture of 5-bit levels (or what the host brings to levels) and a scale that gives the
 * host real values again. Weights stay float; rounding them is the conversion's work (convert.ts).
 */
import { inputError, workError } from "../../../error.ts";
import { quantizeCoefficients } from "../../../fixed/coefficients.ts";
import type { Precision } from "../../../fixed/precision.ts";
import { constantOf, freshId, type Graph, nodeMap, sweep } from "../../../ir/graph.ts";
import { inferTypes, type Types } from "../../../ir/infer.ts";
import type { Node } from "../../../ir/ops.ts";
import type { CoefficientBits, LayeredTarget } from "../../../target/layered-target.ts";
import type { Shape } from "../../../tensor/shape.ts";
import { float32, type Tensor } from "../../../tensor/tensor.ts";
import { levelSource } from "../map/cap-groups.ts";
import type { ChipConvolution, ChipMapping } from "../map/mapping.ts";
import type { Caps } from "./caps.ts";
import { type ConvParameters, editGain } from "./gain.ts";
import { type ActivationGrid, activationGrid, type InputUnits, unitOf } from "./units.ts";

export type RefineOptions = {
  /** Tied caps of all chip activations, real. */
  readonly caps: Caps;
  readonly input: InputUnits;
  /** 1: ten bits in the last layer; 2: everywhere; 0: nowhere. */
  readonly activationBitMode: 0 | 1 | 2;
};

export type Refined = {
  /** The mapping's nodes under their ids, in the chip's units. */
  readonly graph: Graph;
  /** Grid of each chip activation, by id. */
  readonly grids: ReadonlyMap<string, ActivationGrid>;
  /** Real size of 1.0 of each value that leaves the chip, by id. */
  readonly outputUnits: ReadonlyMap<string, number>;
};

/**
 * The refined network. Its chip input holds levels (0..31) as float32. Values that leave the chip keep their ids in the
 * chip's units; host nodes read `ID.real`.
 */
export function refine(
  mapping: ChipMapping,
  target: LayeredTarget,
  options: RefineOptions,
): Refined {
  const { graph, chip } = mapping;
  const [entry = ""] = chip.inputs;
  const nodes = nodeMap(graph);
  const types = inferTypes(graph);
  const grids = gridsOf(mapping, options);
  const source = levelSource(mapping);
  const unitOfValue = (id: string): readonly number[] => {
    const grid = grids.get(source(id));
    return grid === undefined ? options.input.step : [unitOf(grid)];
  };
  const builder: Builder = { out: [], taken: new Set(nodes.keys()) };
  const gains = convolutionGains(mapping, { grids, unitOfValue, source, entry, options });
  const outputUnits = new Map(chip.outputs.map((id) => [id, unitOfValue(id)[0] ?? 1]));
  const byActivation = new Map(chip.convolutions.map((one) => [one.activation, one]));
  const bits = new Map(chip.convolutions.flatMap((one) => bitsOfConvs(one)));
  const onChip = new Set(chip.nodes);
  const real = new Map<string, string>();
  const isRead = (id: string): boolean =>
    graph.nodes.some((node) => !onChip.has(node.id) && node.inputs.includes(id)) ||
    graph.outputs.some((output) => output.id === id);
  for (const node of graph.nodes) {
    const gain = gains.get(node.id);
    const conv = byActivation.get(node.id);
    if (gain !== undefined) {
      builder.out.push(...quantized(node, nodes, gain, target, bits.get(node.id), builder));
    } else if (conv !== undefined) {
      builder.out.push(...activation(conv, grids, builder));
    } else if (onChip.has(node.id)) {
      builder.out.push(node);
    } else {
      builder.out.push({ ...node, inputs: node.inputs.map((id) => real.get(id) ?? id) } as Node);
    }
    const unit = outputUnits.get(node.id);
    if (unit !== undefined && isRead(node.id)) {
      real.set(node.id, realValue(node.id, unit, types, builder));
    }
  }
  const outputs = graph.outputs.map((output) => ({
    ...output,
    id: real.get(output.id) ?? output.id,
  }));
  return { graph: sweep({ ...graph, nodes: builder.out, outputs }), grids, outputUnits };
}

type Builder = { readonly out: Node[]; readonly taken: Set<string> };

function fresh({ taken }: Builder, base: string): string {
  const id = freshId(base, taken);
  taken.add(id);
  return id;
}

function constant(builder: Builder, base: string, tensor: Tensor): string {
  const id = fresh(builder, base);
  builder.out.push({ op: "const", id, inputs: [], attrs: { tensor } });
  return id;
}

function gridsOf(
  { chip }: ChipMapping,
  { caps, activationBitMode }: RefineOptions,
): ReadonlyMap<string, ActivationGrid> {
  const last = chip.convolutions.at(-1)?.activation;
  return new Map(
    chip.convolutions.map(({ activation: id }) => {
      const cap = caps.get(id);
      if (cap === undefined) {
        throw workError("an activation of the chip has no cap", { node: `activation "${id}"` });
      }
      return [id, activationGrid(cap, activationBitMode, id === last)];
    }),
  );
}

/** The convolution and the projection of its shortcut, with the bits of both. */
function bitsOfConvs({
  conv,
  shortcut,
  bits,
}: ChipConvolution): readonly (readonly [string, CoefficientBits])[] {
  const projection = shortcut?.projection;
  return projection === undefined
    ? [[conv, bits]]
    : [
        [conv, bits],
        [projection, bits],
      ];
}

/** What `editGain` needs besides the groups, by the id of the convolution. */
type UnitsOfConv = {
  readonly inputUnits: readonly number[];
  readonly inputOffsets: readonly number[];
  readonly outputUnit: number;
};

type GainContext = {
  readonly grids: ReadonlyMap<string, ActivationGrid>;
  readonly unitOfValue: (id: string) => readonly number[];
  readonly source: (id: string) => string;
  readonly entry: string;
  readonly options: RefineOptions;
};

function convolutionGains(
  { chip }: ChipMapping,
  { grids, unitOfValue, source, entry, options }: GainContext,
): ReadonlyMap<string, UnitsOfConv> {
  const gains = new Map<string, UnitsOfConv>();
  for (const { conv, input, activation: id, shortcut } of chip.convolutions) {
    const grid = grids.get(id);
    const outputUnit = grid === undefined ? 1 : unitOf(grid);
    const unitsFrom = (value: string): UnitsOfConv => ({
      inputUnits: unitOfValue(value),
      inputOffsets: source(value) === entry ? options.input.offset : [0],
      outputUnit,
    });
    gains.set(conv, unitsFrom(input));
    if (shortcut?.projection !== undefined) {
      gains.set(shortcut.projection, unitsFrom(shortcut.start));
    }
  }
  return gains;
}

/** The convolution in the chip's units, as quantConv. */
function quantized(
  node: Node,
  nodes: ReadonlyMap<string, Node>,
  units: UnitsOfConv,
  target: LayeredTarget,
  bits: CoefficientBits | undefined,
  builder: Builder,
): readonly Node[] {
  if (node.op !== "conv" && node.op !== "quantConv") return [node];
  const parameters = parametersOf(node, nodes);
  const mode = target.weightModes.find((one) => one.bits === bits);
  const { groups } = node.attrs;
  const rounded = roundingOf(mode?.precision, parameters.weight.shape, target);
  const edited = editGain(parameters, { ...units, groups, rounded });
  const weight = constant(builder, `${node.id}.chip.weight`, edited.weight);
  const bias = constant(
    builder,
    `${node.id}.chip.bias`,
    float32([edited.bias.length], edited.bias),
  );
  const { stride, pads, dilation } = node.attrs;
  return [
    {
      op: "quantConv",
      id: node.id,
      inputs: [node.inputs[0] ?? "", weight, bias],
      attrs: {
        ...{ stride, pads, dilation, groups },
        precision: mode?.precision ?? "dynamic",
        parameterBits: target.parameterBits,
        shiftEnabled: true,
      },
    },
  ];
}

/** Weights of few bits; those of 8 and 12 stay nearly where they are. */
function roundingOf(
  precision: Precision | undefined,
  [, , kh = 1, kw = 1]: Shape,
  { parameterBits }: LayeredTarget,
): ((weight: Float32Array) => Float32Array) | undefined {
  if (precision === undefined || precision === "dynamic" || precision === "float") return undefined;
  const rule = { precision, parameterBits, shiftEnabled: false };
  return (weight) => quantizeCoefficients({ weight, bias: undefined, taps: kh * kw }, rule).weight;
}

/** Weight and bias (zeros where there is none) of a convolution with constant parameters. */
export function parametersOf(
  node: Node<"conv"> | Node<"quantConv">,
  nodes: ReadonlyMap<string, Node>,
): ConvParameters {
  const weight = constantOf(nodes.get(node.inputs[1] ?? ""));
  const bias = constantOf(nodes.get(node.inputs[2] ?? ""));
  if (weight?.dtype !== "float32" || (bias !== undefined && bias.dtype !== "float32")) {
    throw inputError("a chip's convolution needs constant float32 weights", {
      node: `${node.op} "${node.id}"`,
    });
  }
  return { weight, bias: bias?.data ?? new Float32Array(weight.shape[0] ?? 0) };
}

/** The activation as QuantReLU with the chip's cap, behind the convolution or the sum of its shortcut. */
function activation(
  { conv, activation: id, shortcut }: ChipConvolution,
  grids: ReadonlyMap<string, ActivationGrid>,
  builder: Builder,
): readonly Node[] {
  const grid = grids.get(id);
  const chipCap = grid?.chipCap ?? 31;
  const cap = constant(builder, `${id}.cap`, float32([1], [chipCap]));
  const inputs = [shortcut?.add ?? conv, cap];
  return [
    {
      op: "quantRelu",
      id,
      inputs,
      attrs: { slope: 0, bits: grid?.bits ?? 5, quantized: true },
    },
  ];
}

/** The value as the host wants it: times its unit, as a Scale layer of one factor per channel. */
function realValue(id: string, unit: number, types: Types, builder: Builder): string {
  const channels = types.get(id)?.shape[1] ?? 1;
  const factors = float32([channels], new Float32Array(channels).fill(unit));
  const factor = constant(builder, `${id}.unit`, factors);
  const real = fresh(builder, `${id}.real`);
  builder.out.push({ op: "scale", id: real, inputs: [id, factor], attrs: { axis: 1 } });
  return real;
}
