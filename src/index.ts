/**
 * Inlay's public interface: everything that the command line does, as functions. What is not named
 * here is internal.
 */

export { layeredTargetNamed, qdqTargetNamed, targetNamed, targets } from "./chips/registry.ts";
export type { Augmentation } from "./data/augmentation.ts";
export type { Dataset, Sample } from "./data/dataset.ts";
export { openDataset, readMean } from "./data/open.node.ts";
export { checkPreprocess, defaultPreprocess, type Preprocess } from "./data/preprocess.ts";
export { nodeRuntime } from "./engine/runtime.node.ts";
export type { Device, Runtime, RuntimeOptions, Session, Values } from "./engine/runtime.ts";
export {
  type ErrorFields,
  type ErrorKind,
  InlayError,
  inputError,
  usageError,
  workError,
} from "./error.ts";
export { readCaffe } from "./formats/caffe/read.ts";
export { writeCaffe } from "./formats/caffe/write.ts";
export { lowerToOnnx } from "./formats/onnx/lower.ts";
export { readOnnx } from "./formats/onnx/read.ts";
export type { Graph } from "./ir/graph.ts";
export { inferTypes } from "./ir/infer.ts";
export type { Node, Op, Ops } from "./ir/ops.ts";
export { printGraph } from "./ir/print.ts";
export { verify } from "./ir/verify.ts";
export { bitMatchJob } from "./job/bit-match.node.ts";
export { calibrateJob } from "./job/calibrate.node.ts";
export { calibrateQuantReluJob } from "./job/calibrate-quant-relu.node.ts";
export { checkJob } from "./job/check.node.ts";
export { compareJob } from "./job/compare.node.ts";
export { convertJob } from "./job/convert.node.ts";
export { convertAndMatchJob } from "./job/convert-and-match.node.ts";
export { type DatasetLmdbJob, datasetLmdbJob } from "./job/dataset.node.ts";
export { type DatasetShowJob, datasetShowJob } from "./job/dataset-show.node.ts";
export { defaultCalibrationMethod, defaultThresholdDb } from "./job/defaults.ts";
export { type DemoJob, runDemo } from "./job/demo.node.ts";
export { evaluateJob } from "./job/evaluate.node.ts";
export { writeFileAtomic } from "./job/files.node.ts";
export {
  classStages,
  defaultStages,
  type FinetuneJob,
  type StageName,
  stageNames,
} from "./job/finetune/fine-tune.ts";
export { finetuneJob } from "./job/finetune.node.ts";
export { finetuneRecipe } from "./job/finetune-recipe.node.ts";
export { inspectJob } from "./job/inspect.node.ts";
export { loadModel } from "./job/load-model.node.ts";
export type * from "./job/mdk/jobs.ts";
export type * from "./job/options.ts";
export { quantizeChipJob, quantizeJob } from "./job/quantize.node.ts";
export { type RecipeJob, runRecipe } from "./job/recipe.node.ts";
export type { Recipe, RecipeOverrides } from "./job/recipe.ts";
export { refineNetworkJob } from "./job/refine-network.node.ts";
export { runModelJob } from "./job/run-model.node.ts";
export { testJob } from "./job/test.node.ts";
export type * from "./job/train/jobs.ts";
export { trainJob } from "./job/train.node.ts";
export { inlayVersion } from "./job/version.node.ts";
export type { WeightRounding } from "./job/weight-rounding.ts";
export type { OnProgress, OnWarning, Progress, Warning } from "./notice.ts";
export { canonicalize } from "./passes/pipeline.ts";
export { toInteger } from "./passes/to-integer.ts";
export { calibrate } from "./quantize/calibrate.ts";
export { defaultQuantizeOptions, type QuantizeOptions } from "./quantize/options.ts";
export { planQuantization, wantedValues } from "./quantize/plan.ts";
export { quantizeGraph } from "./quantize/quantize-graph.ts";
export type * from "./report/bit-match.ts";
export type * from "./report/check.ts";
export type * from "./report/convert.ts";
export type * from "./report/dataset.ts";
export type * from "./report/finetune.ts";
export { renderHtml } from "./report/html/page.ts";
export { inspectGraph } from "./report/inspect.ts";
export { toJson } from "./report/json.ts";
export type * from "./report/mdk.ts";
export type * from "./report/predict.ts";
export { rangesCsv } from "./report/ranges-csv.ts";
export type * from "./report/reports.ts";
export { reportSchemas } from "./report/schema.ts";
export { plainStyle, type Role, type Style } from "./report/table.ts";
export { renderText } from "./report/text.ts";
export type * from "./report/train.ts";
export { renderTrainHtml } from "./report/train-page.ts";
export { classify } from "./run/classify.ts";
export { compareLayers } from "./run/compare-layers.ts";
export { runScalar } from "./run/scalar/run-scalar.ts";
export { openSession } from "./run/session.ts";
export { simulationOf } from "./run/simulate.ts";
export type { CoefficientBits, LayeredTarget, RuleName } from "./target/layered-target.ts";
export { ruleNamed, ruleNames } from "./target/rules.ts";
export type { Target } from "./target/target.ts";
export type { Shape } from "./tensor/shape.ts";
export type { DType, Tensor } from "./tensor/tensor.ts";
export type { LayerLimits } from "./train/solver/settings.ts";
