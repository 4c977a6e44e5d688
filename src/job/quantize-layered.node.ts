/**
 * `inlay quantize --target` a chip of major layers: from a float network and pictures to the chip's files, with the
 * accuracy of what was written. Training back what few bits cost is not done here.
 */
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import type { Graph } from "../ir/graph.ts";
import { verify } from "../ir/verify.ts";
import type { OnWarning } from "../notice.ts";
import { copyChannels } from "../passes/copy-channels.ts";
import type { ChipAccuracy, ConvertReport } from "../report/convert.ts";
import { toJson } from "../report/json.ts";
import { classify, countChanged } from "../run/classify.ts";
import { checkPreprocessing } from "../run/preprocess-check.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import { joinBytes } from "../tensor/chunks.ts";
import { violationsOf } from "./check-findings.ts";
import { type ChipFiles, chipFiles } from "./chip/chip-files.ts";
import { parseChipModel } from "./chip/chip-model.ts";
import { modelFileName } from "./chip/model-file-name.ts";
import { refuseViolations } from "./chip/refuse-violations.ts";
import { simulationGraph } from "./chip/simulation-graph.ts";
import { chooseMapping } from "./chip-choices.ts";
import { chooseCopies, evenly, phasesOf } from "./chip-copies.ts";
import { modelPreprocess } from "./chip-model.node.ts";
import {
  type ChipQuantizeOptions,
  defaultCapMethod,
  quantizeForChip,
} from "./chip-quantize.node.ts";
import { convertReport, warnAboutAccumulators } from "./convert-report.ts";
import { evaluateReport, warnAboutLabels } from "./evaluate.node.ts";
import { readLabels } from "./label-file.node.ts";
import { floatNetwork, loadModel, modelName } from "./load-model.node.ts";
import type { ChipOptions, JobContext, QuantizeJob } from "./options.ts";
import { openPictures, type WarningLog, warningLog } from "./pictures.node.ts";
import { checkRounding } from "./weight-rounding.ts";
import { writeOutputs } from "./write-outputs.node.ts";

/** Quantizes, writes `job.out`, and judges what was written where there are labelled pictures. */
export async function quantizeLayered(
  job: QuantizeJob,
  target: LayeredTarget,
  context: JobContext,
): Promise<ConvertReport> {
  const started = new Date().toISOString().slice(0, 19).replace("T", " ");
  const log = warningLog(context);
  const model = await loadModel(job.model, { onWarning: log.add, inputShape: context.inputShape });
  const float = verify(floatNetwork(model), "canonical");
  const labels = await readLabels(job.labels, float, log.add);
  const asked = job.chip ?? { waive: [] };
  const copies = chooseCopies(float, target, asked, job.channelCopies ?? 1);
  const wide = copyChannels(float, copies);
  const chip = copies.size === 0 ? asked : evenly(asked);
  const { mapping, chips, activation, waived } = mapped(wide, target, chip, log.add);
  checkRounding(job.rounding, mapping.chip.convolutions, job.options.biasCorrection);
  const dataset = await openPictures(job.calibrate, context, log.add);
  const evaluated = job.evaluate && (await openPictures(job.evaluate, context, log.add));
  const runtime = await nodeRuntime(context);
  const network = { imported: model.graph, float };
  await checkPreprocessing(network, dataset, job.preprocess, runtime, log.add);
  const phases = phasesOf(wide, copies);
  const options = { ...chipQuantizeOptions(job, context), ...activation, phases };
  const program = await quantizeForChip(mapping, target, options, {
    ...{ dataset, preprocess: job.preprocess, runtime },
    ...{ onProgress: context.onProgress, onWarning: log.add },
  });
  const accumulatorBits = job.accumulatorBits ?? target.accumulatorBits;
  warnAboutAccumulators(program, accumulatorBits, log.add);
  const name = modelName(model);
  const modelFile = modelFileName(name);
  const made = chipFiles(program, {
    ...{ name, modelFile, preprocess: job.preprocess, waived, layout: mapping.layout, chips },
    ...{ labels, debug: job.debug === true, caffe: true, started },
    commands: [context.command.join(" ")],
    onWarning: log.add,
  });
  const bench = { runtime, context, log };
  const judged = evaluated && (await accuracyOf(float, made, modelFile, evaluated, job, bench));
  const about = { model: name, source: model.files, out: job.out, modelFile, waived };
  const report: ConvertReport = {
    ...convertReport(program, made, {
      ...about,
      copies,
      files: [...made.files.keys(), reportName],
      image: "inlay",
      editGain: false,
      labels: labels?.length ?? null,
      accumulatorBits,
      warnings: log.all(),
    }),
    calibration: {
      method: options.method,
      images: job.calibrate.path,
      samples: dataset.samples.length,
    },
    accuracy: judged ?? null,
  };
  const files = new Map([...made.files, [reportName, toJson(report)]]);
  await writeOutputs(job.out, files, { force: true });
  return report;
}

const reportName = "report.json";

type Mapped = {
  readonly mapping: ChipMapping;
  readonly chips: number;
  readonly activation: { readonly activationBits: 5 | 10; readonly lastTenBits: boolean };
  readonly waived: readonly string[];
};

/** The network on the chip. An input error tells every rule that it breaks. */
function mapped(
  float: Graph,
  target: LayeredTarget,
  chip: ChipOptions,
  onWarning: OnWarning,
): Mapped {
  const { mapping, choices } = chooseMapping(float, target, chip, undefined, onWarning);
  const { activationBits, lastTenBits, chips } = choices;
  const rules = { waive: new Set(chip.waive), chips };
  const waived = refuseViolations(violationsOf(mapping, mapping.layout, target, rules), onWarning);
  return { mapping, chips, activation: { activationBits, lastTenBits }, waived };
}

/** What the job says, and what few bits need where it says nothing. */
function chipQuantizeOptions(job: QuantizeJob, { seed }: JobContext): ChipQuantizeOptions {
  return {
    method: job.capMethod ?? defaultCapMethod,
    percent: job.capPercent ?? 99.9,
    equalize: job.equalize ?? true,
    biasCorrection: job.options.biasCorrection,
    clipWeights: true,
    rounding: job.rounding,
    seed,
    shiftMax: job.shiftMax,
  };
}

type Bench = {
  readonly runtime: Runtime;
  readonly context: JobContext;
  readonly log: WarningLog;
};

/** Float against the model's bytes, read back and simulated. */
async function accuracyOf(
  float: Graph,
  made: ChipFiles,
  modelFile: string,
  dataset: Dataset,
  job: QuantizeJob,
  { runtime, context, log }: Bench,
): Promise<ChipAccuracy | null> {
  const options = { onProgress: context.onProgress, onWarning: log.add };
  const first = await classify(float, dataset, job.preprocess, runtime, {
    ...options,
    label: "evaluate float",
  });
  warnAboutLabels(first, job.evaluate?.path ?? "", log);
  const model = parseChipModel({ name: modelFile, bytes: joinBytes(made.model) }, log.add);
  const second = await classify(
    simulationGraph(model),
    dataset,
    modelPreprocess(model, undefined),
    runtime,
    { ...options, label: "evaluate simulation" },
  );
  const about = { model: "", images: job.evaluate?.path ?? "", preprocess: job.preprocess };
  const [before, after] = [first, second].map(
    (one, at) => evaluateReport(one, about, at === 1, context, log).top1,
  );
  if (!before || !after) return null;
  return {
    images: about.images,
    samples: first.predictions.length,
    float: before,
    simulated: after,
    changedImages: countChanged(first.predictions, second.predictions),
  };
}
