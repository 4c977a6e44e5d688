/**
 * log.txt and conversion.log: what a conversion did, for people. Both are told everything, the time included.
 * The shift of a layer is the one used, not the one that its weights alone would get.
 */
import { InlayError, usageError } from "../../../error.ts";
import { largestMagnitude } from "../../../fixed/layer-shift.ts";
import type { CoefficientBits } from "../../../target/layered-target.ts";
import type { Layout, MajorLayer } from "../layout.ts";
import { type Addresses, registerWords } from "./registers.ts";

/** One convolution. Maxima are of magnitudes, as stored. */
export type LogLayer = {
  readonly name: string;
  readonly coefficientBits: CoefficientBits;
  /** Bits of a stored magnitude, and of a bias; signs included. */
  readonly parameterBits: number;
  readonly biasBits: number;
  readonly shift: number;
  readonly maxWeight: number;
  readonly maxBias: number;
  /** Of the activation behind it, before caps were equalized. */
  readonly cap: number | undefined;
};

export type ConversionLog = {
  readonly chipType: number;
  /** When the work began: `2024-05-01 12:00:00`, in UTC. */
  readonly started: string;
  /** The command line, or several. */
  readonly commands: readonly string[];
  readonly layout: Layout;
  /** In network order, one for each sublayer. */
  readonly layers: readonly LogLayer[];
  /** Of each major layer, where known. */
  readonly addresses: readonly Addresses[] | undefined;
};

/** A bias that costs the weights this many bits, or has itself fewer than that, is worth a warning. */
const lostBits = 3;

/**
 * `the bias takes ... bits from the weights`, `... vanishes` or undefined. Both share one shift. The bias drowns the
 * weights where it alone keeps the shift down (one more, and it would not fit) and the largest weight, whole
 * numbers on the grid, has lost 3 bits or more. The weights drown the bias where the largest bias is below 4
 * steps of the grid, so that all of them have 2 bits and a sign at most.
 *
 * 12-bit magnitudes, 12-bit bias, shift 7: weights up to 1 (128 steps; three doublings fit in 2047) and a bias of 15
 * (1920 steps; twice that does not fit in 2047): the bias drowns the weights.
 */
export function drowned(layer: LogLayer): string | undefined {
  const [weight, bias] = [layer.maxWeight, layer.maxBias].map((max) => max * 2 ** layer.shift);
  if (weight === undefined || bias === undefined || bias === 0) return undefined;
  const unused = largestMagnitude(layer.parameterBits) / Math.max(weight, 1);
  if (unused >= 2 ** lostBits && 2 * bias > largestMagnitude(layer.biasBits)) {
    return `the bias takes ${Math.floor(Math.log2(unused))} of ${layer.parameterBits} bits from the weights; keep it within +-max|W| while training`;
  }
  return bias < 2 ** (lostBits - 1)
    ? `the largest bias has ${formatNumber(bias)} steps of the grid: biases nearly vanish beside the weights`
    : undefined;
}

/** log.txt. Lines end in a newline; a hyphen stands for what is not known. */
export function logText(log: ConversionLog): string {
  const shifts = shiftsByMajor(log);
  return lines([
    `starting the conversion for GTI${log.chipType} at ${log.started} UTC`,
    ...log.commands,
    "",
    ...log.layers.map(layerLine),
    "",
    ...columns(addressTable(log)),
    "",
    ...columns(networkTable(log, shifts)),
    "",
    ...registerLines(log, shifts),
  ]);
}

/** `layer 1 conv1_1: weights of 12 bits, 3-bit slicing, shift 8`. */
function layerLine(layer: LogLayer, index: number): string {
  const { name, parameterBits, coefficientBits, shift } = layer;
  return `layer ${index + 1} ${name}: weights of ${parameterBits} bits, ${coefficientBits}-bit slicing, shift ${shift}`;
}

function shiftsByMajor({ layout, layers }: ConversionLog): number[][] {
  let at = 0;
  const shifts = layout.majors.map(({ sublayers }) =>
    sublayers.map(({ conv }) => {
      const layer = layers[at];
      at += 1;
      if (layer?.name === conv) return layer.shift;
      throw usageError("the layers are not those of the layout", {
        expected: conv,
        got: layer?.name ?? "none",
      });
    }),
  );
  if (at === layers.length) return shifts;
  throw usageError("the layout has fewer layers", { expected: `${at}`, got: `${layers.length}` });
}

function addressTable({ layout, addresses }: ConversionLog): string[][] {
  return [
    ["imageSize", "inputChannel", "outputChannel", "inputAddress", "outputAddress"],
    ...layout.majors.map((major, index) => [
      ...[major.imageSize, major.inputChannels, major.outputChannels].map(String),
      ...addressCells(addresses?.[index]),
    ]),
  ];
}

function addressCells(addresses: Addresses | undefined): string[] {
  return [`${addresses?.input ?? "-"}`, `${addresses?.output ?? "-"}`];
}

function networkTable(
  { chipType, layout, addresses }: ConversionLog,
  shifts: readonly (readonly number[])[],
): string[][] {
  const lengths = filterLines(chipType, layout);
  return [
    [
      ...["Layer", "ImgSize", "inpChnl", "outChnl", "subLayer", "ShiftSz", "inDatSAddr"],
      ...["outDatEAddr", "CoefBit", "Pooling", "Learn", "fltLen"],
    ],
    ...layout.majors.map((major, index) => [
      ...[index + 1, major.imageSize, major.inputChannels, major.outputChannels].map(String),
      `${major.sublayers.length}`,
      (shifts[index] ?? []).join(","),
      ...addressCells(addresses?.[index]),
      `${major.coefficientBits}`,
      major.pooling === undefined ? "0" : "1",
      major.learning ? "1" : "0",
      `${lengths[index] ?? "-"}`,
    ]),
  ];
}

/** What the 5801's filter streams were seen to do: kernels that share the space of one at full precision. */
const streamedChip = 5801;
const streams = 4;
const compression: Partial<Record<CoefficientBits, number>> = { 1: 4, 3: 2 };

/**
 * Lines of each of the four filter streams up to the end of each major layer: `sum(in * out / 4) / compression`,
 * inputs rounded up to 4. Undefined from the first layer on for which the rule is not known: another chip,
 * other bits than 1 and 3, kernels other than 3x3 over all channels.
 */
export function filterLines(chipType: number, { majors }: Layout): (number | undefined)[] {
  let total: number | undefined = chipType === streamedChip ? 0 : undefined;
  return majors.map((major) => {
    const own = linesOfMajor(major);
    total = total === undefined || own === undefined ? undefined : total + own;
    return total;
  });
}

function linesOfMajor({ coefficientBits, sublayers }: MajorLayer): number | undefined {
  const share = compression[coefficientBits];
  if (share === undefined || sublayers.some(({ kind }) => kind !== "full")) return undefined;
  const kernels = sublayers.reduce(
    (sum, { inputChannels, outputChannels }) =>
      sum + Math.ceil(inputChannels / streams) * outputChannels,
    0,
  );
  return kernels / share;
}

/** A log must not fail: a number that its field cannot hold is told in the words' place. */
function registerLines(
  { layout, addresses }: ConversionLog,
  shifts: readonly (readonly number[])[],
): string[] {
  return layout.majors.map((major, index) => {
    return `registers ${index + 1}: ${registersText(major, shifts[index] ?? [], addresses?.[index])}`;
  });
}

function registersText(
  major: MajorLayer,
  shifts: readonly number[],
  addresses: Addresses | undefined,
): string {
  try {
    const { words, unknown } = registerWords(major, shifts, addresses);
    const hex = words.map((word) => `0x${word.toString(16).padStart(8, "0")}`).join(" ");
    return unknown.length === 0 ? hex : `${hex} (not known: ${unknown.join("; ")})`;
  } catch (error) {
    if (error instanceof InlayError) return `none: ${error.message}`;
    throw error;
  }
}

export type GainLog = {
  readonly layers: readonly LogLayer[];
  /** What the host multiplies the chip's output by: the last cap / its levels. */
  readonly scaleFactor: number;
};

/** conversion.log: caps, the scale factor, and the largest weight and bias of every layer. */
export function conversionLogText({ layers, scaleFactor }: GainLog): string {
  return lines([
    "relu alphas",
    ...layers.map(({ name, cap }) => `${name} ${cap === undefined ? "-" : formatNumber(cap)}`),
    `scale factor ${formatNumber(scaleFactor)}`,
    "",
    ...columns([
      ["layer", "shift", "max|W|", "max|B|"],
      ...layers.map((layer) => [
        layer.name,
        ...[layer.shift, layer.maxWeight, layer.maxBias].map(formatNumber),
      ]),
    ]),
    ...layers.flatMap((layer) => {
      const text = drowned(layer);
      return text === undefined ? [] : [`warning: ${layer.name}: ${text}`];
    }),
  ]);
}

/** Six significant digits, without zeros at the end. */
function formatNumber(value: number): string {
  return `${Number(value.toPrecision(6))}`;
}

function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join("");
}

/** Rows with cells of one width per column. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
