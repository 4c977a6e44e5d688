/**
 * Reports of the commands that stand for the GTI kit's training scripts, as plain JSON. `mdk-schema.ts` says the same as
 * JSON Schema.
 */
/** As `ReportWarning`. */
type MdkWarning = {
  readonly id: string;
  readonly message: string;
  readonly where: string | null;
};

/** `inlay calibrate-quant-relu`: a cap for each QuantReLU. */
export type CalibrateQuantReluReport = {
  readonly schema: "inlay.calibrate-quant-relu/1";
  readonly prototxt: string;
  readonly caffemodel: string;
  /** The database or list of the data layer. */
  readonly images: string;
  /** Pictures that the network saw: batches times the data layer's batch size. */
  readonly samples: number;
  readonly batches: number;
  /** 0..1. */
  readonly percentile: number;
  readonly likeMdk: boolean;
  readonly layers: readonly CapRow[];
  /** Written files, the log at the end. */
  readonly files: readonly string[];
  readonly warnings: readonly MdkWarning[];
};

export type CapRow = {
  /** The QuantReLU. */
  readonly layer: string;
  /** Layer whose output was watched. */
  readonly watched: string;
  /** Values that were sorted, and the one at the percentile. */
  readonly count: number;
  readonly value: number;
  /** What was written: the value, or the largest one of those that shortcuts join. */
  readonly cap: number;
};

/** `inlay refine-network`: the network in the chip's units. */
export type RefineNetworkReport = {
  readonly schema: "inlay.refine-network/1";
  readonly prototxt: string;
  readonly caffemodel: string;
  /** Real size of one input level, and the means in levels that were merged. */
  readonly inputScale: number;
  readonly imageMeans: readonly number[];
  readonly actBits: number;
  readonly lastLayer10bit: boolean;
  readonly likeMdk: boolean;
  readonly steps: readonly RefineStep[];
  readonly layers: readonly RefineLayer[];
  /** What the host multiplies the chip's output by. */
  readonly scaleFactor: number;
  readonly removedLayers: readonly string[];
  /** Scale layers in front of the host's layers. */
  readonly addedLayers: readonly string[];
  readonly files: readonly string[];
  readonly warnings: readonly MdkWarning[];
};

export type RefineStep = {
  readonly name: "merge-batch-norm" | "merge-input-mean" | "edit-gain";
  /** False where there was nothing to do. */
  readonly done: boolean;
  /** Largest difference that the step made on the first batch, relative to the layer's largest value; null: not compared. */
  readonly error: number | null;
  /** Where the difference is. */
  readonly layer: string | null;
  readonly allowed: number;
};

export type RefineLayer = {
  readonly convolution: string;
  readonly activation: string;
  /** The cap before. */
  readonly alpha: number;
  readonly gainWeights: number;
  readonly gainBias: number;
  /** Largest magnitudes afterwards. */
  readonly maxWeight: number;
  readonly maxBias: number;
  /** The cap on the chip. */
  readonly chipCap: number;
};
