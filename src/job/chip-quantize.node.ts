/**
 * A float network quantized for a layered chip after training: its caps calibrated, its channels equalized, brought to
 * the chip's units, corrected layer by layer, rounded. Files are made of the program in chip/chip-files.ts.
 */

import { capGroups } from "../chips/gti/map/cap-groups.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { tieCaps } from "../chips/gti/program/caps.ts";
import { clipWeights } from "../chips/gti/program/clip-weights.ts";
import {
  type ConvertOptions,
  convertLayers,
  layerIntegers,
  roundParameters,
} from "../chips/gti/program/convert.ts";
import { equalize } from "../chips/gti/program/equalize.ts";
import type { ConvParameters } from "../chips/gti/program/gain.ts";
import { type ChipEntry, integerGraph } from "../chips/gti/program/integer-graph.ts";
import type { ChipProgram } from "../chips/gti/program/program.ts";
import { parametersOf, type Refined, refine } from "../chips/gti/program/refine.ts";
import {
  type InputUnits,
  largestLevel,
  levelsPerUnit,
  pictureUnits,
} from "../chips/gti/program/units.ts";
import type { Dataset } from "../data/dataset.ts";
import { isMeanImage, type Preprocess, perChannel } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { usageError } from "../error.ts";
import { largestMagnitude } from "../fixed/layer-shift.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { calibrate } from "../quantize/calibrate.ts";
import { channelPeaks, type Peaks } from "../quantize/channel-peaks.ts";
import { channelRanges } from "../quantize/channel-ranges.ts";
import {
  type Correction,
  layerCorrections,
  type RoundedLayer,
} from "../quantize/correct-layers.ts";
import { chooseRange, type RangeMethod } from "../quantize/observers/choose-range.ts";
import type { RangeFormat } from "../quantize/observers/statistics.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import { elementCount } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { withCorrectedHost } from "./chip-host.node.ts";
import { withConstants, withParameters } from "./chip-parameters.ts";
import { picturePlanes, someOf } from "./chip-pictures.node.ts";
import { roundingOf, type WeightRounding } from "./weight-rounding.ts";

export type ChipQuantizeOptions = {
  /** 5 unless given. */
  readonly activationBits?: 5 | 10;
  readonly lastTenBits?: boolean;
  readonly method: RangeMethod;
  /** Per cent of the values that a cap by percentile keeps. */
  readonly percent: number;
  readonly equalize: boolean;
  readonly biasCorrection: boolean;
  readonly clipWeights: boolean;
  /** The layer's own choice unless given. */
  readonly rounding?: WeightRounding | undefined;
  readonly seed: number;
  /** Offset in levels of each channel of convolutions whose channels were copied, by id. */
  readonly phases?: ReadonlyMap<string, Float64Array> | undefined;
  readonly shiftMax?: number | undefined;
  readonly likeMdk?: boolean | undefined;
};

type Scene = {
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/** How caps are chosen where nobody says: the least squared error, but for activations that have a bound. */
export const defaultCapMethod: RangeMethod = "mse";

/** Pictures that layers are corrected with, if their levels fit this many bytes. */
const correctionPictures = 128;
const correctionBytes = 2 ** 29;
const peakPictures = 100;

/** The program of a mapped float network. `scene.dataset` are the pictures that teach the caps. */
export async function quantizeForChip(
  mapped: ChipMapping,
  target: LayeredTarget,
  options: ChipQuantizeOptions,
  scene: Scene,
): Promise<ChipProgram> {
  // Before channels are scaled: that uses the range that the caps leave, and must not widen it.
  const caps = await calibratedCaps(mapped, options, scene);
  const mapping = options.equalize ? await equalized(mapped, caps, options, scene) : mapped;
  const entry = entryOf(mapping, target, caps);
  const input = inputUnits(mapping, target, entry, scene.preprocess);
  const start = refine(mapping, target, { caps, input, activationBitMode: bitMode(options) });
  const phased = withPhases(mapping, start, options.phases ?? new Map());
  const refined = options.clipWeights
    ? withClippedWeights(mapping, phased, target, options)
    : phased;
  const told = { ...options, onWarning: scene.onWarning };
  if (!options.biasCorrection || entry.kind !== "picture") {
    return programOf(mapping, refined, target, entry, told);
  }
  // What rounding loses here is not told: it is rounded once more when it is corrected.
  const program = programOf(mapping, refined, target, entry, options);
  const graph = await correctedGraph(mapping, phased, program, options, scene);
  const corrected = programOf(mapping, { ...refined, graph }, target, entry, told);
  return withCorrectedHost(corrected, { ...scene, float: mapping.graph });
}

export function programOf(
  mapping: ChipMapping,
  { graph, grids }: Refined,
  target: LayeredTarget,
  entry: ChipEntry,
  options: ConvertOptions,
): ChipProgram {
  const refined = { ...mapping, graph };
  const layers = convertLayers(refined, target, options);
  const integer = integerGraph(refined, layers, grids, entry);
  return { target, mapping: refined, layers, grids, entry, integer };
}

export function bitMode({
  activationBits,
  lastTenBits,
}: Pick<ChipQuantizeOptions, "activationBits" | "lastTenBits">): 0 | 1 | 2 {
  if (activationBits === 10) return 2;
  return lastTenBits === true ? 1 : 0;
}

async function equalized(
  mapping: ChipMapping,
  caps: ReadonlyMap<string, number>,
  options: ChipQuantizeOptions,
  scene: Scene,
): Promise<ChipMapping> {
  const { dataset, preprocess, runtime, onProgress, onWarning } = scene;
  const ids = mapping.chip.convolutions.map(({ activation }) => activation);
  const few = someOf(dataset, peakPictures);
  const { graph } = mapping;
  const peaks = await channelPeaks(graph, ids, few, preprocess, runtime, {
    ...{ share: 0.99, onProgress, onWarning },
  });
  const bits = new Set(mapping.chip.convolutions.map((one) => one.bits));
  if (bits.has(8)) {
    return { ...mapping, graph: equalize(mapping, peaks, { rule: "balance", most: 1000 }).graph };
  }
  // Magnitudes of few bits share their grid with the bias, which grows with the channel; and 10 bits have levels enough.
  const isFine = [...bits].every((one) => one === 12) && options.activationBits !== 10;
  if (!isFine) {
    return { ...mapping, graph: equalize(mapping, peaks, { rule: "levels", most: 8 }).graph };
  }
  const shown = await narrowed(graph, peaks, few, options, scene);
  return { ...mapping, graph: equalize(mapping, shown, { rule: "caps", most: 8, caps }).graph };
}

/** The peaks with the ends of the ranges that 5 bits show best in place of the usual ones. */
async function narrowed(
  graph: Graph,
  peaks: ReadonlyMap<string, Peaks>,
  dataset: Dataset,
  { seed }: ChipQuantizeOptions,
  { preprocess, runtime, onProgress, onWarning }: Scene,
): Promise<ReadonlyMap<string, Peaks>> {
  const usual = new Map([...peaks].map(([id, peak]) => [id, peak.usual]));
  const ranges = await channelRanges(graph, usual, dataset, preprocess, runtime, {
    ...{ steps: 31, seed, onProgress, onWarning },
  });
  return new Map(
    [...peaks].map(([id, peak]) => [id, { ...peak, usual: ranges.get(id) ?? peak.usual }]),
  );
}

/**
 * A cap for every activation of the chip: the range that the method chooses for 5 bits, tied where it must be. Values are
 * measured in `graph`, which has the mapping's ids.
 */
export async function calibratedCaps(
  mapping: ChipMapping,
  {
    method,
    percent,
    activationBits,
  }: Pick<ChipQuantizeOptions, "method" | "percent" | "activationBits">,
  { dataset, preprocess, runtime, onProgress, onWarning }: Scene,
  graph: Graph = mapping.graph,
): Promise<ReadonlyMap<string, number>> {
  const ids = mapping.chip.convolutions.map(({ activation }) => activation);
  const [entry = ""] = mapping.chip.inputs;
  const host = nodeMap(mapping.graph).get(entry)?.op === "input" ? [] : [entry];
  const wanted = new Map([...ids, ...host].map((id) => [id, { range: true, mean: false }]));
  const found = await calibrate(graph, wanted, dataset, preprocess, runtime, {
    method,
    onProgress,
    onWarning,
  });
  const bits = activationBits ?? 5;
  const format: RangeFormat = { number: levelFormat(bits) };
  const nodes = nodeMap(graph);
  const caps = new Map(
    [...found.values].map(([id, { statistics }]) => {
      // ReLU6 rests on its bound: half of some maps lies there, and nothing below may cut it.
      const own = nodes.get(id)?.op === "clip" && method === defaultCapMethod ? "minmax" : method;
      return [id, chooseRange(own, statistics, format, { percent }).max];
    }),
  );
  return tieCaps(caps, capGroups(mapping));
}

function levelFormat(bits: number): RangeFormat["number"] {
  return {
    name: `level${bits}`,
    bits,
    signed: false,
    qMin: 0,
    qMax: 2 ** bits - 1,
    rounding: "halfUp",
    scaleRule: "free",
    unit: "tensor",
  };
}

/** Pictures, or what the host computes before the chip: then its largest value is the largest level. */
export function entryOf(
  { graph, chip }: ChipMapping,
  { inputBits }: LayeredTarget,
  caps: ReadonlyMap<string, number>,
): ChipEntry {
  const [entry = ""] = chip.inputs;
  if (nodeMap(graph).get(entry)?.op === "input") return { kind: "picture", ...inputBits };
  const qMax = 2 ** inputBits.to - 1;
  return { kind: "host", step: (caps.get(entry) ?? qMax) / qMax, qMax };
}

/** What the chip's input levels stand for in the float network. */
export function inputUnits(
  { graph, chip }: ChipMapping,
  target: LayeredTarget,
  entry: ChipEntry,
  preprocess: Preprocess,
): InputUnits {
  if (entry.kind === "host") return { step: [entry.step], offset: [0] };
  const [id = ""] = chip.inputs;
  const input = nodesOf(graph, "input").find((node) => node.id === id);
  const channels = input?.attrs.shape[1] ?? 3;
  const { mean, scale, std } = preprocess;
  if (isMeanImage(mean)) {
    throw usageError(
      "a chip subtracts no mean image: its first layer can only hold a mean per channel",
      {
        got: `--mean ${mean.file}`,
        hint: "Give the mean per channel; the difference is small where the image is nearly flat",
      },
    );
  }
  return pictureUnits(target.inputBits, {
    mean: perChannel("--mean", mean, channels),
    scale,
    std: perChannel("--std", std, channels),
  });
}

/** The refined network with the phases on top of the biases of their layers. */
function withPhases(
  mapping: ChipMapping,
  refined: Refined,
  phases: ReadonlyMap<string, Float64Array>,
): Refined {
  if (phases.size === 0) return refined;
  const { graph, grids } = refined;
  const nodes = nodeMap(graph);
  const moved = mapping.chip.convolutions.flatMap(({ conv, activation }) => {
    const [own, node, grid] = [phases.get(conv), nodes.get(conv), grids.get(activation)];
    if (own === undefined || node?.op !== "quantConv" || grid === undefined) return [];
    const { weight, bias } = parametersOf(node, nodes);
    const levels = levelsPerUnit(grid);
    const offset = bias.map((b, channel) => b + (own[channel] ?? 0) / levels);
    return [[conv, { weight, bias: offset }] as const];
  });
  return { ...refined, graph: withParameters(graph, new Map(moved)) };
}

/** Weights of 8- and 12-bit layers limited where that rounds the others better. */
function withClippedWeights(
  mapping: ChipMapping,
  refined: Refined,
  target: LayeredTarget,
  options: ChipQuantizeOptions,
): Refined {
  const nodes = nodeMap(refined.graph);
  const limited = mapping.chip.convolutions.flatMap(({ conv, bits }): [string, Tensor][] => {
    const id = nodes.get(conv)?.inputs[1] ?? "";
    const weight = constantOf(nodes.get(id));
    if (bits < 8 || weight?.dtype !== "float32") return [];
    return [[id, clipped(weight, target, options)]];
  });
  return { ...refined, graph: withConstants(refined.graph, new Map(limited)) };
}

function clipped(
  weight: Tensor<"float32">,
  { parameterBits, shiftMax }: LayeredTarget,
  options: ChipQuantizeOptions,
): Tensor<"float32"> {
  const most = options.shiftMax ?? shiftMax;
  return float32(weight.shape, clipWeights(weight.data, parameterBits, most).weight);
}

/** The refined network with each layer's channels corrected on a few of the pictures. */
async function correctedGraph(
  mapping: ChipMapping,
  { graph, grids }: Refined,
  { target, integer }: ChipProgram,
  options: ChipQuantizeOptions,
  { dataset, preprocess, runtime, onProgress }: Scene,
): Promise<Graph> {
  const room = Math.floor(correctionBytes / largestValue(integer));
  const few = someOf(dataset, Math.max(1, Math.min(correctionPictures, room)));
  const nodes = nodeMap(graph);
  const corrected = mapping.chip.convolutions.map(({ conv, activation, shortcut, bits }) => {
    const [grid, node] = [grids.get(activation), nodes.get(conv)];
    if (grid === undefined || node?.op !== "quantConv") throw new Error(`no layer "${conv}"`);
    const levels = levelsPerUnit(grid);
    const own = parametersOf(node, nodes);
    const scaled = (correction: Correction): ConvParameters =>
      correctedParameters(own, correction, levels);
    // A factor must not bring back what was clipped: the shift would follow it.
    const isClipped = options.clipWeights && bits >= 8;
    const kept = ({ weight, bias }: ConvParameters): ConvParameters => ({
      weight: isClipped ? clipped(weight, target, options) : weight,
      bias,
    });
    const round = (correction: Correction): RoundedLayer => {
      const whole = scaled(correction);
      const named = { ...kept(whole), name: conv, node: `quantConv "${conv}"` };
      const rounded = roundParameters(named, bits, target, options);
      const { weight, bias } = layerIntegers(rounded);
      return {
        weight: { dtype: "int32", shape: rounded.shape, data: weight },
        bias: { dtype: "int32", shape: [bias.length], data: bias },
        shift: rounded.shift - Math.log2(levels),
        exact: Float64Array.from(whole.weight.data, (w) => w * 2 ** rounded.shift),
      };
    };
    const isCompensated = roundingOf(options.rounding, bits) === "compensated";
    const largest = isCompensated ? largestMagnitude(target.parameterBits) : undefined;
    const step = grid.cap / largestLevel(grid);
    const phases = options.phases?.get(conv);
    const layer = { id: activation, sum: shortcut?.add ?? conv, step, phases, round, largest };
    return { conv, layer, final: (correction: Correction) => kept(scaled(correction)) };
  });
  const entries = await picturePlanes(mapping.graph, few, preprocess);
  const { seed } = options;
  const scene = { float: mapping.graph, dataset: few, preprocess, runtime, seed, onProgress };
  const layers = corrected.map(({ layer }) => layer);
  const found = await layerCorrections(integer, layers, entries, scene);
  const parameters = corrected.flatMap(({ conv, layer, final }): [string, ConvParameters][] => {
    const correction = found.get(layer.id);
    return correction === undefined ? [] : [[conv, final(correction)]];
  });
  return withParameters(graph, new Map(parameters));
}

/** Elements of the largest value of a graph. */
function largestValue(graph: Graph): number {
  const types = inferTypes(graph);
  const values = graph.nodes.filter(({ op }) => op !== "const");
  return values.reduce(
    (most, { id }) => Math.max(most, elementCount(types.get(id)?.shape ?? [])),
    1,
  );
}

/** Each channel's weights and bias times its factor, and its offset (in levels) added to the bias. */
function correctedParameters(
  { weight, bias }: ConvParameters,
  { factors, offsets, weight: rounded }: Correction,
  levels: number,
): ConvParameters {
  const moved = bias.map((b, at) => b * (factors[at] ?? 1) + (offsets[at] ?? 0) / levels);
  if (rounded !== undefined) {
    const step = 2 ** -rounded.shift / levels;
    const data = Float32Array.from(rounded.levels, (level) => level * step);
    return { weight: float32(weight.shape, data), bias: moved };
  }
  const perChannel = weight.data.length / Math.max(1, bias.length);
  const data = weight.data.map((w, at) => w * (factors[Math.floor(at / perChannel)] ?? 1));
  return { weight: float32(weight.shape, data), bias: moved };
}
