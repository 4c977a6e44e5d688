/**
 * `inlay inspect`: what a model's files hold.
 */
import { inspectGraph } from "../report/inspect.ts";
import type { InspectReport } from "../report/reports.ts";
import { loadModel } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { InspectJob, JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";

/** Reads the model and reports on it; runs nothing. */
export function inspectJob(job: InspectJob, context: JobContext): Promise<InspectReport> {
  return located(job.model, () => inspectModel(job, context));
}

async function inspectModel(job: InspectJob, context: JobContext): Promise<InspectReport> {
  const log = warningLog(context);
  const model = await loadModel(job.model, {
    onWarning: log.add,
    inputShape: context.inputShape,
  });
  return inspectGraph(model.graph, {
    source: model.files,
    format: model.format,
    warnings: log.all(),
  });
}
