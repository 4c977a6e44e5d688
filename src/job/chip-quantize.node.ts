/**
 * A float network quantized for a layered chip after training: divided, equalized, its caps calibrated, brought to the
 * chip's units, rounded, its biases corrected. Gives the refined network and the integer graph; files are written
 * by chip-output.node.ts.
 */

import { capGroups } from "../chips/gti/map/cap-groups.ts";
import { mapToChip } from "../chips/gti/map/map-to-chip.ts";
import type { ChipMapping, MapOptions } from "../chips/gti/map/mapping.ts";
import { tieCaps } from "../chips/gti/program/caps.ts";
import { clipWeights } from "../chips/gti/program/clip-weights.ts";
import { convertLayers, type ProgramLayer, withLayers } from "../chips/gti/program/convert.ts";
import { equalize } from "../chips/gti/program/equalize.ts";
import { type ChipEntry, integerGraph } from "../chips/gti/program/integer-graph.ts";
import { type Refined, refine } from "../chips/gti/program/refine.ts";
import { type InputUnits, pictureUnits } from "../chips/gti/program/units.ts";
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { isMeanImage, type Preprocess, perChannel } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { usageError, workError } from "../error.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { calibrate, channelMeans } from "../quantize/calibrate.ts";
import { channelPeaks } from "../quantize/channel-peaks.ts";
import { correctBiases } from "../quantize/correct-biases.ts";
import { chooseRange, type RangeMethod } from "../quantize/observers/choose-range.ts";
import type { RangeFormat } from "../quantize/observers/statistics.ts";
import { pictureSize } from "../run/prepare.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import { float32, type Tensor, toNumbers } from "../tensor/tensor.ts";

export type ChipQuantizeOptions = {
  readonly map: MapOptions;
  readonly method: RangeMethod;
  /** Per cent of the values that a cap by percentile keeps. */
  readonly percent: number;
  readonly equalize: boolean;
  readonly biasCorrection: boolean;
  readonly clipWeights: boolean;
  readonly shiftMax?: number | undefined;
  readonly likeMdk?: boolean | undefined;
};

export type ChipQuantized = {
  readonly mapping: ChipMapping;
  /** The refined network with corrected biases, weights still float. */
  readonly refined: Refined;
  readonly layers: ReadonlyMap<string, ProgramLayer>;
  /** The chip part in integers. */
  readonly integer: Graph;
  readonly entry: ChipEntry;
};

type Scene = {
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/** Pictures that biases are corrected with: more change little. */
const correctionPictures = 50;
const peakPictures = 100;

export async function quantizeForChip(
  float: Graph,
  target: LayeredTarget,
  options: ChipQuantizeOptions,
  scene: Scene,
): Promise<ChipQuantized> {
  const mapped = mapToChip(float, target, options.map);
  const mapping = options.equalize ? await equalized(mapped, scene) : mapped;
  const entry = entryOf(mapping, target);
  const caps = await calibratedCaps(mapping, options, scene);
  const input = inputUnits(mapping, target, entry, scene.preprocess);
  const activationBitMode = bitMode(options.map);
  const plain = refine(mapping, target, { caps, input, activationBitMode });
  const clipped = options.clipWeights ? withClippedWeights(mapping, plain, target, options) : plain;
  const convert = { ...options, onWarning: scene.onWarning };
  const layers = convertLayers({ ...mapping, graph: clipped.graph }, target, convert);
  const refinedMapping = { ...mapping, graph: clipped.graph };
  const integer = integerGraph(refinedMapping, layers, clipped.grids, entry);
  if (!options.biasCorrection) {
    return { mapping: refinedMapping, refined: clipped, layers, integer, entry };
  }
  const corrected = await withCorrectedBiases(mapping, clipped, integer, scene);
  const graph = takeBiases(clipped.graph, refinedMapping, corrected, layers);
  const refined = { ...clipped, graph };
  // The shift of masked schemes depends on the bias: all is rounded anew from the corrected network.
  const again = convertLayers({ ...mapping, graph }, target, options);
  return {
    mapping: { ...mapping, graph },
    refined,
    layers: again,
    integer: integerGraph({ ...mapping, graph }, again, refined.grids, entry),
    entry,
  };
}

function bitMode({ activationBits, lastTenBits }: MapOptions): 0 | 1 | 2 {
  if (activationBits === 10) return 2;
  return lastTenBits === true ? 1 : 0;
}

function some(dataset: Dataset, count: number): Dataset {
  const { samples } = dataset;
  const total = Math.min(samples.length, count);
  const chosen = Array.from(
    { length: total },
    (_, at) => samples[Math.floor((at * samples.length) / total)],
  );
  return { ...dataset, samples: chosen.filter((sample) => sample !== undefined) };
}

async function equalized(
  mapping: ChipMapping,
  { dataset, preprocess, runtime, onProgress, onWarning }: Scene,
): Promise<ChipMapping> {
  const ids = mapping.chip.convolutions.map(({ activation }) => activation);
  const few = some(dataset, peakPictures);
  const options = { share: 0.99, onProgress, onWarning };
  const peaks = await channelPeaks(mapping.graph, ids, few, preprocess, runtime, options);
  const narrow = mapping.chip.convolutions.some(({ bits }) => bits === 8);
  const { graph } = equalize(mapping, peaks, {
    rule: narrow ? "balance" : "levels",
    most: narrow ? 1000 : 8,
  });
  return { ...mapping, graph };
}

/** A cap for every activation of the chip: the range that the method chooses for 5 bits, tied where it must be. */
async function calibratedCaps(
  mapping: ChipMapping,
  { method, percent, map }: ChipQuantizeOptions,
  { dataset, preprocess, runtime, onProgress, onWarning }: Scene,
): Promise<ReadonlyMap<string, number>> {
  const ids = mapping.chip.convolutions.map(({ activation }) => activation);
  const [entry = ""] = mapping.chip.inputs;
  const host = nodeMap(mapping.graph).get(entry)?.op === "input" ? [] : [entry];
  const wanted = new Map([...ids, ...host].map((id) => [id, { range: true, mean: false }]));
  const found = await calibrate(mapping.graph, wanted, dataset, preprocess, runtime, {
    method,
    onProgress,
    onWarning,
  });
  const bits = map.activationBits ?? 5;
  const format: RangeFormat = { number: levelFormat(bits) };
  const caps = new Map(
    [...found.values].map(([id, { statistics }]) => [
      id,
      chooseRange(method, statistics, format, { percent }).max,
    ]),
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

function entryOf({ graph, chip }: ChipMapping, { inputBits }: LayeredTarget): ChipEntry {
  const [entry = ""] = chip.inputs;
  if (nodeMap(graph).get(entry)?.op === "input") return { kind: "picture", ...inputBits };
  return { kind: "host", step: 1, qMax: 2 ** inputBits.to - 1 };
}

/** What the chip's input levels stand for in the float network. */
function inputUnits(
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

/** Weights of 8- and 12-bit layers limited where that rounds the others better. */
function withClippedWeights(
  mapping: ChipMapping,
  refined: Refined,
  target: LayeredTarget,
  { shiftMax }: ChipQuantizeOptions,
): Refined {
  const nodes = nodeMap(refined.graph);
  const limited = new Map<string, Float32Array>();
  for (const { conv, bits } of mapping.chip.convolutions) {
    const id = nodes.get(conv)?.inputs[1] ?? "";
    const weight = constantOf(nodes.get(id));
    if (bits < 8 || weight?.dtype !== "float32") continue;
    const most = shiftMax ?? target.shiftMax;
    const { weight: data, clipped } = clipWeights(weight.data, target.parameterBits, most);
    if (clipped > 0) limited.set(id, data);
  }
  const replaced = refined.graph.nodes.map((node): Node => {
    const data = limited.get(node.id);
    if (node.op !== "const" || data === undefined) return node;
    return { ...node, attrs: { tensor: float32(node.attrs.tensor.shape, data) } };
  });
  return { ...refined, graph: { ...refined.graph, nodes: replaced } };
}

/** The integer graph with biases corrected on a few of the pictures. */
async function withCorrectedBiases(
  mapping: ChipMapping,
  { grids }: Refined,
  integer: Graph,
  { dataset, preprocess, runtime, onProgress, onWarning }: Scene,
): Promise<Graph> {
  const few = some(dataset, correctionPictures);
  const sums = new Map(
    mapping.chip.convolutions.map(({ conv, activation, shortcut }) => [
      activation,
      shortcut?.add ?? conv,
    ]),
  );
  const observed = new Map([...sums.values()].map((id) => [id, { range: false, mean: true }]));
  const found = await calibrate(mapping.graph, observed, few, preprocess, runtime, {
    method: "minmax",
    onProgress,
    onWarning,
  });
  const wanted = new Map<string, Float64Array>();
  for (const [activation, sum] of sums) {
    const grid = grids.get(activation);
    const value = found.values.get(sum);
    const means = value && channelMeans(value, found.samples);
    if (grid === undefined || means === undefined) continue;
    const step = grid.cap / (2 ** grid.bits - 1);
    wanted.set(
      activation,
      means.map((mean) => mean / step),
    );
  }
  const entries = await entryValues(mapping.graph, few, preprocess);
  return correctBiases(integer, entries, wanted, runtime, { onProgress });
}

/** Pixels [1, c, h, w] of each picture, as the chip gets them. */
async function entryValues(
  graph: Graph,
  dataset: Dataset,
  preprocess: Preprocess,
): Promise<readonly Tensor[]> {
  const size = pictureSize(graph);
  const entries: Tensor[] = [];
  for await (const { images } of batches(dataset, preprocess, size, { batch: 1, readAhead: 1 })) {
    const { height, width, channels } = size;
    const area = height * width;
    const planes = new Uint8Array(images.data.length);
    for (let at = 0; at < planes.length; at += 1) {
      planes[at] = images.data[(at % area) * channels + Math.floor(at / area)] ?? 0;
    }
    entries.push({ dtype: "uint8", shape: [1, channels, height, width], data: planes });
  }
  if (entries.length === 0) throw workError("there is no picture to correct biases with");
  return entries;
}

/** The refined network with the biases of the corrected integer graph. */
function takeBiases(
  graph: Graph,
  mapping: ChipMapping,
  corrected: Graph,
  layers: ReadonlyMap<string, ProgramLayer>,
): Graph {
  const nodes = nodeMap(corrected);
  const biases = new Map<string, ProgramLayer>();
  for (const { conv, activation } of mapping.chip.convolutions) {
    const layer = layers.get(conv);
    const integers = constantOf(nodes.get(nodes.get(activation)?.inputs[2] ?? ""));
    if (layer === undefined || integers === undefined) continue;
    const bias = Float32Array.from(toNumbers(integers), (value) => value / 2 ** layer.shift);
    biases.set(conv, { ...layer, bias });
  }
  return withBiases(graph, biases);
}

function withBiases(graph: Graph, layers: ReadonlyMap<string, ProgramLayer>): Graph {
  const kept = nodeMap(graph);
  const same = new Map(
    [...layers].map(([id, layer]) => {
      const weight = constantOf(kept.get(kept.get(id)?.inputs[1] ?? ""));
      return [id, weight?.dtype === "float32" ? { ...layer, weight: weight.data } : layer];
    }),
  );
  return withLayers(graph, same);
}
