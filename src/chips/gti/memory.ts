/**
 * The chip's memories, summed over a layout: slots of the weight memory and volumes of the activation memory.
 * It counts; what is too much is said by check-layout.ts.
 */
import type { LayeredTarget, Limit } from "../../target/layered-target.ts";
import {
  convolvedSize,
  type Layout,
  type MajorLayer,
  outputSize,
  type Sublayer,
} from "./layout.ts";

/** One line of the table: a sublayer, its share and the sum up to it. */
type MemoryRow = {
  /** Both counted from 1. */
  readonly major: number;
  readonly sublayer: number;
  readonly conv: string;
  readonly kind: Sublayer["kind"];
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Kernels that share one slot. */
  readonly ratio: number;
  readonly slots: number;
  /** Slots of this and all sublayers before it. */
  readonly cumulative: number;
  /** Activations that it reads and writes, padded channels included. */
  readonly volume: number;
};

export type MemoryTable = {
  readonly rows: readonly MemoryRow[];
  readonly slots: number;
  /** Slots must stay *below* this. */
  readonly weightSlots: Limit;
  readonly largestVolume: number;
  /** Volumes may reach this; undefined where it is not known. */
  readonly activationVolume: Limit | undefined;
};

/** The table of a whole layout, as one chip would hold it. */
export function memoryTable(layout: Layout, target: LayeredTarget): MemoryTable {
  let cumulative = 0;
  const rows = layout.majors.flatMap((major, at) =>
    major.sublayers.map((sublayer, index): MemoryRow => {
      const slots = slotsOf(sublayer, major, target);
      cumulative += slots;
      return {
        major: at + 1,
        sublayer: index + 1,
        conv: sublayer.conv,
        kind: sublayer.kind,
        inputChannels: sublayer.inputChannels,
        outputChannels: sublayer.outputChannels,
        ratio: ratioOf(sublayer, major, target),
        slots,
        cumulative,
        volume: volumeOf(major, index, target) * (layout.activationBitMode === 2 ? 2 : 1),
      };
    }),
  );
  return {
    rows,
    slots: cumulative,
    weightSlots: target.weightSlots,
    largestVolume: rows.reduce((most, { volume }) => Math.max(most, volume), 0),
    activationVolume: target.activationVolume,
  };
}

/** Slots of several major layers together. */
export function slotsOfMajors(majors: readonly MajorLayer[], target: LayeredTarget): number {
  return majors.reduce(
    (sum, major) => major.sublayers.reduce((part, one) => part + slotsOf(one, major, target), sum),
    0,
  );
}

/**
 * Slots of one sublayer, rounded up: kernels divided by those that share a slot. A full convolution has a kernel
 * per pair of padded channels (3 -> 64 at 3 bits on the 2801: 16 * 64 / 2 = 512), a depthwise one a kernel per
 * channel. Nine 1x1 kernels share a slot whatever their bits: a magnitude is all they are, so a mask saves
 * nothing.
 */
function slotsOf(sublayer: Sublayer, major: MajorLayer, target: LayeredTarget): number {
  const [input, output] = paddedChannels(sublayer, major, target);
  const kernels = sublayer.kind === "depthwise" ? output : input * output;
  return Math.ceil(kernels / ratioOf(sublayer, major, target));
}

/** Bits that the chip lacks count at full precision. */
function ratioOf({ kind }: Sublayer, major: MajorLayer, target: LayeredTarget): number {
  if (kind === "pointwise") return target.pointwisePerSlot;
  const mode = target.weightModes.find(({ bits }) => bits === major.coefficientBits);
  return mode?.kernelsPerSlot ?? 1;
}

/** Behind an upsampling the chip gives channels by sixteens. */
const upsampledOutputs = 16;

/** Channels as the chip holds them: multiples of the target's smallest counts. */
function paddedChannels(
  { inputChannels, outputChannels }: Sublayer,
  { upsampling }: MajorLayer,
  { minChannels }: LayeredTarget,
): readonly [input: number, output: number] {
  const unit = upsampling === undefined ? minChannels.output : upsampledOutputs;
  return [roundUp(inputChannels, minChannels.input), roundUp(outputChannels, unit)];
}

function roundUp(count: number, unit: number): number {
  return Math.ceil(count / unit) * unit;
}

/**
 * Activations of sublayer `index` (from 0): what it reads, before an upsampling, and what it writes, after a
 * pooling.
 */
function volumeOf(major: MajorLayer, index: number, target: LayeredTarget): number {
  const sublayer = major.sublayers[index];
  if (sublayer === undefined) return 0;
  const [input, output] = paddedChannels(sublayer, major, target);
  const from = index === 0 ? major.imageSize : convolvedSize(major);
  const to = index === major.sublayers.length - 1 ? outputSize(major) : convolvedSize(major);
  return input * from ** 2 + output * to ** 2;
}
