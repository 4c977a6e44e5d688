/**
 * Gain editing of a training network: convolutions scaled so that every QuantReLU has the chip's cap, and the
 * quantization of both switched on.
 */
import { applyGain, chipTops, type Gain, gainOf, type Scaling } from "../../chips/gti/mdk/gains.ts";
import { inputError } from "../../error.ts";
import { maxMagnitude } from "../../fixed/layer-shift.ts";
import type { LayerParameter } from "../../formats/caffe/schema/schema.ts";
import { caffeSchema } from "../../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../../notice.ts";
import { create } from "../../protobuf/create.ts";
import { capOf, withCap } from "./caps.ts";
import { type Kernel, kernelEdit, kernelOf } from "./convolution-blobs.ts";
import { type QuantConv, type Structure, structureOf } from "./structure.ts";
import { type Edit, edited, labelOf, type TrainNet, testLayers } from "./train-net.ts";

export type GainOptions = {
  /** Real size of one of the 31 input levels. */
  readonly inputScale: number;
  readonly actBits: 5 | 10;
  /**
   * Ten bits, in steps of 1/32, for the last activation of a network of 5 bits. Its gains count from 31.96875; from 31
   * where a shortcut ends in it, whose two sides have one unit.
   */
  readonly lastLayer10bit: boolean;
  /**
   * The kit: each convolution reads the activation before it in the file, gains of a 10-bit last layer count from 31,
   * bits in the prototxt stay but for the last layer's.
   */
  readonly likeMdk: boolean;
  readonly onWarning: OnWarning;
};

/** One row of the log. */
export type GainRow = {
  readonly convolution: string;
  readonly activation: string;
  /** The cap before. */
  readonly alpha: number;
  readonly gain: Gain;
  /** Largest magnitudes afterwards. */
  readonly maxWeight: number;
  readonly maxBias: number;
  /** The cap on the chip. */
  readonly chipCap: number;
  /** Real size of 1.0 of the activation: `alpha` over the number that it became. */
  readonly unit: number;
};

export type EditedGains = {
  readonly trainNet: TrainNet;
  readonly rows: readonly GainRow[];
};

/**
 * The network in the chip's units. Throws where there are not as many QuantReLU as QuantConvolution, a cap is not
 * above 0, or caps that a shortcut or a concatenation joins differ (like the kit: a warning).
 */
export function editGains(trainNet: TrainNet, options: GainOptions): EditedGains {
  const structure = structureOf(testLayers(trainNet));
  checkCounts(structure, trainNet.files.prototxt);
  checkShared(structure);
  const alphas = structure.relus.map((relu) => capOf(trainNet, relu));
  checkJoined(structure, alphas, trainNet.files.prototxt, options);
  const pairs = structure.convs.map((conv, at) =>
    pairOf(conv, at, { trainNet, structure, alphas, options }),
  );
  const edits = new Map<LayerParameter, Edit>();
  for (const { kernel, gain, relu, chipCap, actBits } of pairs) {
    const weight = applyGain(kernel.weight, gain.weight);
    const bias = applyGain(kernel.bias, gain.bias);
    edits.set(kernel.layer, withShift(kernelEdit(kernel, { weight, bias })));
    edits.set(relu, withCap(trainNet, relu, chipCap, actBits));
  }
  return { trainNet: edited(trainNet, edits), rows: pairs.map((pair) => rowOf(pair, edits)) };
}

function checkCounts({ convs, relus }: Structure, where: string): void {
  if (convs.length === relus.length && convs.length > 0) return;
  const bare = convs.filter(({ relu }) => relu === undefined).map(({ layer }) => layer.name);
  throw inputError("the network must have as many QuantReLU as QuantConvolution layers", {
    where,
    expected: "one QuantReLU behind each QuantConvolution",
    got: `${convs.length} QuantConvolution, ${relus.length} QuantReLU`,
    hint: bare.length > 0 ? `No QuantReLU follows ${bare.slice(0, 10).join(", ")}` : undefined,
  });
}

/** One weight cannot have two gains. */
function checkShared({ convs }: Structure): void {
  const owners = new Set<string>();
  for (const { layer } of convs) {
    for (const { name = "" } of layer.param) {
      if (name === "") continue;
      if (owners.has(name)) {
        throw inputError("the convolution shares its parameters with another", {
          node: labelOf(layer),
          got: `param "${name}"`,
          hint: "Give each its own: on the chip they have different gains",
        });
      }
      owners.add(name);
    }
  }
}

/** Values that meet in a sum or a concatenation must have one unit, and so one cap. */
function checkJoined(
  { relus, shortcuts, convs, hostReaders }: Structure,
  alphas: readonly number[],
  where: string,
  { likeMdk, onWarning }: GainOptions,
): void {
  const joins = [
    ...shortcuts.map(({ from, to }) => [from, to]),
    ...[...convs.map(({ input }) => input), ...hostReaders]
      .map(({ caps }) => caps)
      .filter((caps) => caps.length > 1),
  ];
  const unequal = joins.filter((caps) => caps.some((at) => alphas[at] !== alphas[caps[0] ?? 0]));
  if (unequal.length === 0) return;
  const named = unequal.slice(0, 5).map((caps) => {
    const members = caps.map(
      (at) => `${relus[at]?.name} (cap ${Number(alphas[at]?.toPrecision(6))})`,
    );
    return members.join(" and ");
  });
  const what = "caps that a shortcut or a concatenation joins must be equal, else units mix";
  if (likeMdk) {
    onWarning({ id: "shortcut-caps", message: `${what}: ${named.join("; ")}`, where });
    return;
  }
  throw inputError(what, {
    where,
    got: named.join("; "),
    hint: "inlay calibrate-quant-relu gives those of shortcuts one cap",
  });
}

type Pair = {
  readonly kernel: Kernel;
  readonly relu: LayerParameter;
  readonly gain: Gain;
  readonly output: Scaling;
  readonly chipCap: number;
  /** Bits to set; undefined leaves them. */
  readonly actBits: number | undefined;
};

type Context = {
  readonly trainNet: TrainNet;
  readonly structure: Structure;
  readonly alphas: readonly number[];
  readonly options: GainOptions;
};

function pairOf(conv: QuantConv, at: number, context: Context): Pair {
  const { trainNet, structure, alphas, options } = context;
  const to = options.likeMdk ? at : (conv.relu ?? at);
  const relu = structure.relus[to];
  const alpha = alphas[to];
  if (relu === undefined || alpha === undefined) {
    throw inputError("no QuantReLU follows the convolution", { node: labelOf(conv.layer) });
  }
  const isTenLast = options.lastLayer10bit && to === structure.relus.length - 1;
  const isJoined = structure.shortcuts.some((shortcut) => shortcut.to === to);
  const output = { range: alpha, top: topOf(isTenLast && !isJoined, options) };
  const bits = isTenLast ? 10 : options.likeMdk ? undefined : options.actBits;
  return {
    kernel: kernelOf(trainNet, conv.layer),
    relu,
    gain: gainOf(inputOf(conv, at, context), output),
    output,
    chipCap: isTenLast ? chipTops.tenLast : output.top,
    actBits: bits,
  };
}

/** The number that gains take the cap to. */
function topOf(isTenLast: boolean, { actBits, likeMdk }: GainOptions): number {
  if (actBits === 10) return chipTops.ten;
  return isTenLast && !likeMdk ? chipTops.tenLast : chipTops.five;
}

/** What the convolution reads. */
function inputOf(conv: QuantConv, at: number, { alphas, options }: Context): Scaling {
  const picture = { range: 31 * options.inputScale, top: chipTops.five };
  const top = topOf(false, options);
  const { data, caps, convs } = conv.input;
  if (options.likeMdk) return at === 0 ? picture : { range: alphas[at - 1] ?? 0, top };
  const [first] = caps;
  if (data && first === undefined && convs.length === 0) return picture;
  if (!data && first !== undefined && convs.length === 0) return { range: alphas[first] ?? 0, top };
  throw inputError("the convolution must read pictures, or values that a QuantReLU caps", {
    node: labelOf(conv.layer),
    got: data ? "both" : "values without a cap",
  });
}

function withShift({ layer, blobs }: Edit): Edit {
  const before =
    layer.quant_convolution_param ?? create(caffeSchema, "QuantConvolutionParameter", {});
  const quant_convolution_param = { ...before, shift_enable: true };
  return { layer: { ...layer, quant_convolution_param }, ...(blobs && { blobs }) };
}

function rowOf(
  { kernel, relu, gain, output, chipCap }: Pair,
  edits: ReadonlyMap<LayerParameter, Edit>,
): GainRow {
  const [weight, bias] = edits.get(kernel.layer)?.blobs ?? [];
  return {
    convolution: kernel.layer.name ?? "",
    activation: relu.name ?? "",
    alpha: output.range,
    gain,
    maxWeight: weight === undefined ? 0 : maxMagnitude(weight.data),
    maxBias: bias === undefined ? 0 : maxMagnitude(bias.data),
    chipCap,
    unit: output.range / output.top,
  };
}
