/**
 * What every job takes: the model's files, the pictures, and how to run. Plain data, so that flags
 * and recipes both end here.
 */
import type { Preprocess } from "../data/preprocess.ts";
import type { Device } from "../engine/runtime.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import type { QuantizeOptions } from "../quantize/options.ts";
import type { CoefficientBits, RuleName } from "../target/layered-target.ts";
import type { Shape } from "../tensor/shape.ts";
import type { WeightRounding } from "./weight-rounding.ts";

/** `[deploy.prototxt, net.caffemodel]` in any order, `[net.onnx]`, or `[out/]` of a quantization. */
export type ModelPaths = readonly string[];

export type ImageOptions = {
  /** List file, folder, folder of class folders, IDX, CIFAR or LMDB. */
  readonly path: string;
  readonly root?: string | undefined;
  /** File with a class name per line. */
  readonly labels?: string | undefined;
  /** Share of the first part, 0..1. */
  readonly split?: number | undefined;
  readonly part?: "first" | "second" | undefined;
  readonly limit?: number | undefined;
};

export type JobContext = {
  readonly device: Device;
  /** 0: ONNX Runtime's own choice. */
  readonly threads: number;
  readonly seed: number;
  /** Shape of the network's input [n, c, h, w], where its file does not tell, or over what it tells. */
  readonly inputShape?: Shape | undefined;
  /** The command as typed, for manifests and reports. */
  readonly command: readonly string[];
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

export type CalibrationMethod = "minmax" | "movingAverage" | "percentile" | "entropy" | "mse";

export type InspectJob = { readonly model: ModelPaths };

/** What the user asks of a chip of major layers. */
export type ChipOptions = {
  /**
   * Bits of the weights: for all layers, or one for each major layer or each convolution. Absent: as the network JSON
   * says, or else the most that fit the weight memory.
   */
  readonly bits?: CoefficientBits | readonly CoefficientBits[] | undefined;
  /** Of all layers; 5 unless given. */
  readonly activationBits?: 5 | 10 | undefined;
  /** Only the last layer gives 10 bits. */
  readonly lastTenBits?: boolean | undefined;
  /** Chips in a row; one unless given. */
  readonly chips?: number | undefined;
  /** Rules that may be broken; what breaks one cannot be deployed. */
  readonly waive: readonly RuleName[];
};

export type CheckJob = {
  readonly model: ModelPaths;
  /** Name of a layered target. */
  readonly target: string;
  readonly chip: ChipOptions;
  /** A network JSON to compare with; what it says counts where `chip` says nothing. */
  readonly network?: string | undefined;
};

/** What becomes of a sum that an accumulator of `bits` bits cannot hold. */
export type AccumulatorOptions = {
  readonly bits: number;
  readonly overflow: "saturate" | "wrap";
};

/** A network of the vendor's kit, refined: deploy.prototxt and net.caffemodel. */
export type ConvertJob = {
  readonly model: ModelPaths;
  /** The network JSON. */
  readonly network?: string | undefined;
  /** Name of a layered target, where no network JSON tells the chip. */
  readonly target?: string | undefined;
  /** A full-model JSON; made from the network where absent. */
  readonly fullModel?: string | undefined;
  /** `ID NAME` a line. */
  readonly labels?: string | undefined;
  /** What the JSON leaves open. */
  readonly chip: ChipOptions;
  /** Largest shift; the chip's own unless given. */
  readonly shiftMax?: number | undefined;
  /** For gain editing: the network was trained on pictures of 0..255 times this; 1 unless given. */
  readonly inputScale?: number | undefined;
  /** Brings caps to the chip's, for networks that were never refined. */
  readonly editGain: boolean;
  /** As the vendor's converter, where it is odd. */
  readonly likeMdk: boolean;
  /** Intermediate files too. */
  readonly debug: boolean;
  /** Bits that are asked about; 32 unless given. */
  readonly accumulatorBits?: number | undefined;
  /** The vendor's own library, for the image that a device takes. */
  readonly vendorLibrary?: string | undefined;
  readonly out: string;
  /** Writes over files that are there. */
  readonly force: boolean;
};

export type RunModelJob = {
  /** A `.model` file, or the folder of one. */
  readonly model: string;
  readonly images: ImageOptions;
  /** Exact sums unless given. */
  readonly accumulator?: AccumulatorOptions | undefined;
};

export type EvaluateJob = {
  readonly model: ModelPaths;
  readonly images: ImageOptions;
  /** Absent: that of the quantized folder's manifest, or none. */
  readonly preprocess?: Preprocess | undefined;
  /** Of a chip's simulation; exact sums unless given. */
  readonly accumulator?: AccumulatorOptions | undefined;
};

/** A converted network, bit by bit against the network that it came from. */
export type BitMatchJob = {
  /** A `.model` file, or the folder of one. */
  readonly model: string;
  /** Pictures for the last values, or one picture for all layers. */
  readonly images: ImageOptions;
  /** How pictures are prepared; the model's own way unless given. */
  readonly preprocess?: Preprocess | undefined;
  /** deploy.prototxt and net.caffemodel; those in the model's folder unless given. */
  readonly reference?: ModelPaths | undefined;
  /** A board's dumps of the one picture, in place of the simulation. */
  readonly dumps?: string | undefined;
  /** Folder for the dumps of both sides, and a log. */
  readonly writeDumps?: string | undefined;
  /** Writes over files that are there. */
  readonly force?: boolean | undefined;
  /** Of the simulation; exact sums unless given. */
  readonly accumulator?: AccumulatorOptions | undefined;
  /** What the reference takes for an input level: 1, as a refined network does, unless given. */
  readonly inputStep?: number | undefined;
};

export type CalibrateJob = {
  readonly model: ModelPaths;
  readonly images: ImageOptions;
  readonly preprocess: Preprocess;
  readonly method: CalibrationMethod;
  /** Histograms of every pixel instead of a sample: two to three times slower. */
  readonly everyPixel?: boolean | undefined;
};

export type QuantizeJob = {
  readonly model: ModelPaths;
  /** Name of a target; "int8" so far. */
  readonly target: string;
  readonly calibrate: ImageOptions;
  /** Labelled pictures: accuracy float against quantized goes into the report. */
  readonly evaluate?: ImageOptions | undefined;
  readonly preprocess: Preprocess;
  readonly method: CalibrationMethod;
  /** As in CalibrateJob. */
  readonly everyPixel?: boolean | undefined;
  readonly options: QuantizeOptions;
  readonly out: string;
  /** For a chip of major layers, as are the following. */
  readonly chip?: ChipOptions | undefined;
  /** `ID NAME` a line. */
  readonly labels?: string | undefined;
  /** How caps are chosen; by the squared error unless given, where an activation has no bound of its own. */
  readonly capMethod?: Exclude<CalibrationMethod, "movingAverage"> | undefined;
  /** Per cent of the values that a cap by percentile keeps; 99.9 unless given. */
  readonly capPercent?: number | undefined;
  /** Scales channels so that all use the few levels; true unless given. */
  readonly equalize?: boolean | undefined;
  /** Copies of channels at most, where the chip has room: 1, 2, 4 or 8; 1 unless given. */
  readonly channelCopies?: number | undefined;
  /** How weights of 8 or 12 bits are rounded; so that they make good each other's errors unless given, where they have 8. */
  readonly rounding?: WeightRounding | undefined;
  readonly shiftMax?: number | undefined;
  readonly accumulatorBits?: number | undefined;
  /** Intermediate files too. */
  readonly debug?: boolean | undefined;
};

export type CompareJob = {
  /** A folder that `quantize` wrote. */
  readonly out: string;
  readonly images: ImageOptions;
  readonly preprocess?: Preprocess | undefined;
  readonly thresholdDb: number;
};
