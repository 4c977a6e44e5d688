/**
 * What every job takes: the model's files, the pictures, and how to run. Plain data, so that flags
 * and recipes both end here.
 */
import type { Preprocess } from "../data/preprocess.ts";
import type { Device } from "../engine/runtime.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import type { QuantizeOptions } from "../quantize/options.ts";
import type { Shape } from "../tensor/shape.ts";

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

export type EvaluateJob = {
  readonly model: ModelPaths;
  readonly images: ImageOptions;
  /** Absent: that of the quantized folder's manifest, or none. */
  readonly preprocess?: Preprocess | undefined;
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
};

export type CompareJob = {
  /** A folder that `quantize` wrote. */
  readonly out: string;
  readonly images: ImageOptions;
  readonly preprocess?: Preprocess | undefined;
  readonly thresholdDb: number;
};
