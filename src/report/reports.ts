/**
 * The reports: plain JSON values, exactly what `--json` prints and `report.json` holds. Numbers are
 * numbers; null stands for "not known" or "does not apply". Shares are percent (0..100), memory is
 * bytes, time is seconds. `schema.ts` says the same as JSON Schema.
 */
import type { BitMatchReport } from "./bit-match.ts";
import type { CheckReport } from "./check.ts";
import type { ConvertReport } from "./convert.ts";
import type { DatasetLmdbReport, DatasetShowReport } from "./dataset.ts";
import type { FinetuneReport } from "./finetune.ts";
import type { JsonRecord } from "./json.ts";
import type { CalibrateQuantReluReport, RefineNetworkReport } from "./mdk.ts";
import type { PredictReport } from "./predict.ts";
import type { TestReport, TrainReport } from "./train.ts";

/** A warning as `notice.ts` has it, without absent fields. */
export type ReportWarning = {
  /** Stable, for filters: "preprocessing-range". */
  readonly id: string;
  readonly message: string;
  readonly where: string | null;
};

/** How many of a set are right. */
export type Accuracy = {
  readonly count: number;
  readonly percent: number;
  /** 95 % Wilson score interval of the percentage. */
  readonly interval: readonly [lo: number, hi: number];
};

/** Something in the network that its user should know. */
export type Finding = {
  /** Stable, for filters: "not-finite", "dead-output", "sparse". */
  readonly kind: string;
  /** The node's id; null where the network as a whole is meant. */
  readonly node: string | null;
  readonly message: string;
};

/** A graph input or output. */
export type Port = {
  readonly name: string;
  readonly dtype: string | null;
  readonly shape: readonly number[] | null;
};

export type InspectLayer = {
  readonly name: string;
  readonly op: string;
  /** Ids of the values that the layer computes from; constants are left out. */
  readonly inputs: readonly string[];
  readonly outputShape: readonly number[] | null;
  /** Elements of the layer's constants. */
  readonly parameters: number;
  /** Multiply-accumulates for the batch that the graph declares; null where the shape is unknown. */
  readonly macs: number | null;
  readonly weightBytes: number;
  readonly activationBytes: number | null;
};

/** `inlay inspect`: the network as it was read, per layer. */
export type InspectReport = {
  readonly schema: "inlay.inspect/1";
  /** The network's own name. */
  readonly model: string;
  /** The files that it was read from. */
  readonly source: readonly string[];
  readonly format: "caffe" | "onnx" | null;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly layers: readonly InspectLayer[];
  readonly totals: {
    readonly layers: number;
    readonly parameters: number;
    readonly macs: number;
    readonly weightBytes: number;
    /** Largest sum of live activations, walking the layers in order. */
    readonly peakActivationBytes: number;
  };
  /** Operators that only run in float, through ONNX Runtime. */
  readonly opaque: readonly {
    readonly opType: string;
    readonly domain: string;
    readonly nodes: readonly string[];
  }[];
  readonly unusual: readonly Finding[];
  readonly warnings: readonly ReportWarning[];
};

/** `inlay evaluate`: accuracy of one network on one set of images. */
export type EvaluateReport = {
  readonly schema: "inlay.evaluate/1";
  readonly model: string;
  /** The image source, as the user gave it. */
  readonly images: string;
  readonly samples: number;
  /** Samples that carry a label: what the accuracies count against. */
  readonly labelled: number;
  /** Length of the output vector; null where the output is no vector of scores. */
  readonly classes: number | null;
  /** Null where nothing is labelled. */
  readonly top1: Accuracy | null;
  /** Null also where there are five classes or fewer: it would always be 100 %. */
  readonly top5: Accuracy | null;
  readonly secondsPerImage: number | null;
  /** Images whose best class differs from the float network's; null where only one was run. */
  readonly changed: { readonly count: number; readonly percent: number } | null;
  readonly preprocessing: JsonRecord;
  readonly seed: number | null;
  readonly threads: number | null;
  readonly device: string;
  /** True where integers were simulated, false where the float network ran. */
  readonly simulated: boolean;
  /** Of a network converted for a chip: false where rules of it were waived; null for all others. */
  readonly deployable: boolean | null;
  readonly warnings: readonly ReportWarning[];
};

/** One row of the calibration table. */
export type RangeRow = {
  /** Name in the optimized (fused) network. */
  readonly layer: string;
  /** Name in the network as it was read. */
  readonly networkLayer: string;
  readonly tensor: "input" | "weights" | "bias" | "activations";
  /** Extremes that were seen. */
  readonly min: number;
  readonly max: number;
  /** The range that the method chose, lo <= hi; null where none was chosen (a bias, say). */
  readonly lo: number | null;
  readonly hi: number | null;
};

/** `inlay calibrate`: the range table alone. */
export type CalibrateReport = {
  readonly schema: "inlay.calibrate/1";
  readonly model: string;
  /** "minmax", "movingAverage", "percentile", "entropy", "mse", ... */
  readonly method: string;
  readonly images: string;
  readonly samples: number;
  readonly ranges: readonly RangeRow[];
  readonly preprocessing: JsonRecord;
  readonly seed: number | null;
  readonly secondsPerImage: number | null;
  readonly warnings: readonly ReportWarning[];
};

export type QuantizeLayer = {
  readonly name: string;
  readonly op: string;
  readonly weightBits: number | null;
  /** Smallest and largest of `count` scales (1: per tensor); null where there are no weights. */
  readonly weightScale: {
    readonly min: number;
    readonly max: number;
    readonly count: number;
  } | null;
  readonly inputScale: number | null;
  readonly inputZeroPoint: number | null;
  /** Null where the layer gives real values (the last one). */
  readonly outputScale: number | null;
  readonly outputZeroPoint: number | null;
  /** Signed bits that the largest possible accumulator needs, from the real weights. */
  readonly accumulatorBits: number | null;
  /** How float32 arithmetic holds the layer exactly; null where it needs no proof. */
  readonly exact: "one plane" | "planes" | null;
  readonly weightSqnrDb: number | null;
  readonly outputSqnrDb: number | null;
};

/** `inlay quantize`: what was written, and how good it is. */
export type QuantizeReport = {
  readonly schema: "inlay.quantize/1";
  readonly model: string;
  /** Folder that was written. */
  readonly out: string;
  /** Names of the files in it. */
  readonly files: readonly string[];
  readonly target: string;
  readonly options: JsonRecord;
  readonly layers: readonly QuantizeLayer[];
  readonly size: { readonly floatBytes: number; readonly quantizedBytes: number };
  /** Top-1, where labelled images were given. */
  readonly accuracy: {
    readonly images: string;
    readonly samples: number;
    readonly float: Accuracy;
    readonly quantized: Accuracy;
    /** Images whose best class changed. */
    readonly changedImages: number;
  } | null;
  /** What stays in float, and why. */
  readonly floatLayers: readonly {
    readonly name: string;
    readonly op: string;
    readonly reason: string;
  }[];
  readonly warnings: readonly ReportWarning[];
};

/** One layer, quantized against float, over all samples; the weights against their float values. */
export type CompareLayer = {
  readonly name: string;
  readonly op: string;
  readonly cosine: number | null;
  /** Signal to quantization noise; 200 stands for "no error". */
  readonly sqnrDb: number | null;
  readonly maxAbsError: number | null;
  /** Values beyond the representable range. */
  readonly saturatedPercent: number | null;
  /** Values other than zero that became zero. */
  readonly underflowPercent: number | null;
  readonly weightCosine: number | null;
  readonly weightSqnrDb: number | null;
  readonly weightMaxAbsError: number | null;
  readonly weightSaturatedPercent: number | null;
  readonly weightUnderflowPercent: number | null;
};

/** `inlay compare`: float against quantized, layer by layer. */
export type CompareReport = {
  readonly schema: "inlay.compare/1";
  readonly model: string;
  readonly images: string;
  readonly samples: number;
  /** In network order. */
  readonly layers: readonly CompareLayer[];
  /** Names of the layers, lowest SQNR first. */
  readonly worst: readonly string[];
  /** The first layer in network order whose SQNR is below the threshold. */
  readonly firstBelow: { readonly thresholdDb: number; readonly name: string } | null;
  readonly thresholdDb: number;
  readonly warnings: readonly ReportWarning[];
};

/** `inlay run`: the steps of a recipe. */
export type RunReport = {
  readonly schema: "inlay.run/1";
  readonly recipe: string;
  readonly steps: readonly {
    readonly name: string;
    /** `skipped`: its inputs have not changed since it was done. */
    readonly status: "done" | "skipped" | "failed";
    readonly seconds: number;
    /** What went wrong, or what is worth a word. */
    readonly note: string | null;
  }[];
  readonly seconds: number;
  readonly warnings: readonly ReportWarning[];
};

/** Values of one tensor, counted in bins of equal width over min..max. */
export type Histogram = {
  readonly layer: string;
  readonly tensor: "input" | "weights" | "activations";
  readonly min: number;
  readonly max: number;
  readonly counts: readonly number[];
  /** What the number format can represent; null where the tensor stays in float. */
  readonly range: { readonly lo: number; readonly hi: number } | null;
};

/** All that is needed to do it again. */
export type Reproduction = {
  /** The command line, as words. */
  readonly command: readonly string[];
  readonly seed: number | null;
  readonly threads: number | null;
  readonly device: string | null;
  /** Program or library name to version. */
  readonly versions: Readonly<Record<string, string>>;
  readonly preprocessing: JsonRecord;
  /** SHA-256 of every input file. */
  readonly hashes: readonly { readonly file: string; readonly sha256: string }[];
};

/** The whole job: `report.json` and the source of `report.html`. Parts that were not run are null. */
export type JobReport = {
  readonly schema: "inlay.report/1";
  readonly title: string;
  readonly inspect: InspectReport | null;
  readonly calibrate: CalibrateReport | null;
  readonly quantize: QuantizeReport | null;
  readonly evaluate: {
    readonly float: EvaluateReport | null;
    readonly quantized: EvaluateReport | null;
  };
  readonly compare: CompareReport | null;
  readonly histograms: readonly Histogram[];
  readonly reproduction: Reproduction | null;
};

/** `inlay demo`: one small network trained on the spot, and what became of it on each of its ways. */
export type DemoReport = {
  readonly schema: "inlay.demo/1";
  /** Folder that everything went to. */
  readonly out: string;
  /** Trained from random weights in four steps, for a chip of few bits. */
  readonly finetune: FinetuneReport;
  /** The float network of the first step, quantized for the same chip and bits without more training. */
  readonly untuned: ConvertReport;
  /** The same float network as 8-bit integers. */
  readonly int8: JobReport;
  readonly seconds: number;
  readonly warnings: readonly ReportWarning[];
};

export type Report =
  | InspectReport
  | CheckReport
  | EvaluateReport
  | CalibrateReport
  | QuantizeReport
  | CompareReport
  | RunReport
  | ConvertReport
  | PredictReport
  | BitMatchReport
  | CalibrateQuantReluReport
  | RefineNetworkReport
  | TrainReport
  | TestReport
  | DatasetShowReport
  | DatasetLmdbReport
  | FinetuneReport
  | DemoReport
  | JobReport;

export type SchemaId = Report["schema"];
