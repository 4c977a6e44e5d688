/**
 * The end of fine-tuning: what was trained as the chip's files, judged by their simulation.
 */
import { join } from "node:path";
import type { Label } from "../../chips/gti/files/labels.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { Runtime } from "../../engine/runtime.ts";
import { accuracyOf } from "../../report/accuracy.ts";
import type { ConvertReport } from "../../report/convert.ts";
import type { FinetuneAccuracy, FinetuneReport } from "../../report/finetune.ts";
import { toJson } from "../../report/json.ts";
import { type Classified, classify, countChanged, countHits } from "../../run/classify.ts";
import { joinBytes } from "../../tensor/chunks.ts";
import { bitMatchJob } from "../bit-match.node.ts";
import { type ChipFiles, chipFiles } from "../chip/chip-files.ts";
import { parseChipModel } from "../chip/chip-model.ts";
import { modelFileName } from "../chip/model-file-name.ts";
import { simulationGraph } from "../chip/simulation-graph.ts";
import { modelPreprocess } from "../chip-model.node.ts";
import { entryOf, programOf } from "../chip-quantize.node.ts";
import { convertReport, warnAboutAccumulators } from "../convert-report.ts";
import type { JobContext } from "../options.ts";
import type { WarningLog } from "../pictures.node.ts";
import { writeOutputs } from "../write-outputs.node.ts";
import type { FinetuneJob } from "./fine-tune.ts";
import { rawPixels } from "./stage-networks.ts";
import type { Trained } from "./trained.ts";

export type DeliverScene = {
  readonly job: FinetuneJob;
  readonly context: JobContext;
  readonly log: WarningLog;
  readonly runtime: Runtime;
  readonly test: Dataset;
  readonly name: string;
  readonly source: readonly string[];
  readonly labels: readonly Label[] | undefined;
  readonly started: string;
};

export type Delivered = Pick<FinetuneReport, "accuracy" | "bitMatch" | "convert">;

const reportName = "convert.json";

/** Writes the model's folder, reads it back and judges it on the test pictures. */
export async function deliver(trained: Trained, scene: DeliverScene): Promise<Delivered> {
  const { job, context, log, name } = scene;
  const { mapping, target, waived } = trained;
  const chips = job.chip.chips ?? 1;
  const program = programFrom(trained, log);
  warnAboutAccumulators(program, target.accumulatorBits, log.add);
  const modelFile = modelFileName(name);
  const made = chipFiles(program, {
    ...{ name, modelFile, preprocess: job.preprocess, waived, layout: mapping.layout, chips },
    ...{ labels: scene.labels, debug: false, caffe: true, started: scene.started },
    commands: [context.command.join(" ")],
    onWarning: log.add,
  });
  const accuracy = await judge(trained, made, modelFile, scene);
  const convert: ConvertReport = convertReport(program, made, {
    ...{ model: name, source: scene.source, out: job.out, modelFile, waived, image: "inlay" },
    files: [...made.files.keys(), reportName],
    ...{ editGain: false, labels: scene.labels?.length ?? null, warnings: [] },
    accumulatorBits: target.accumulatorBits,
  });
  await writeOutputs(job.out, new Map([...made.files, [reportName, toJson(convert)]]), {
    force: true,
  });
  const match = await bitMatchJob({ model: join(job.out, modelFile), images: job.test }, context);
  return {
    accuracy,
    convert,
    bitMatch: { pictures: match.pictures.length, matches: match.matches },
  };
}

/** The fused network as integers: its weights lie on the grids that training rounded them to. */
function programFrom({ mapping, refined, target }: Trained, log: WarningLog): ChipProgram {
  const caps = new Map([...refined.grids].map(([id, { cap }]) => [id, cap]));
  const entry = entryOf(mapping, target, caps);
  return programOf(mapping, refined, target, entry, { onWarning: log.add });
}

/** The float network, the fused one as trained, and the model's bytes, simulated. */
async function judge(
  { float, fused }: Trained,
  made: ChipFiles,
  modelFile: string,
  { job, context, log, runtime, test }: DeliverScene,
): Promise<FinetuneAccuracy> {
  const options = (label: string) => ({
    ...{ label, onProgress: context.onProgress, onWarning: log.add },
  });
  const model = parseChipModel({ name: modelFile, bytes: joinBytes(made.model) }, log.add);
  const raw = rawPixels(job.preprocess);
  const first = await classify(float, test, job.preprocess, runtime, options("float"));
  const second = await classify(fused, test, raw, runtime, options("trained"));
  const third = await classify(
    simulationGraph(model),
    test,
    modelPreprocess(model, undefined),
    runtime,
    options("simulation"),
  );
  const share = ({ predictions }: Classified) => {
    const { labelled, top1 } = countHits(predictions);
    return accuracyOf(top1, labelled);
  };
  return {
    samples: first.predictions.length,
    ...{ float: share(first), trained: share(second), simulated: share(third) },
    differing: countChanged(second.predictions, third.predictions),
  };
}
