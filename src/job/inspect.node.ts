/**
 * `inlay inspect`: what a model's files hold.
 */
import type { Warning } from "../notice.ts";
import { inspectGraph } from "../report/inspect.ts";
import type { InspectReport } from "../report/reports.ts";
import { reportWarnings } from "../report/warnings.ts";
import { loadModel } from "./load-model.node.ts";
import type { InspectJob, JobContext } from "./options.ts";

/** Reads the model and reports on it; runs nothing. */
export async function inspectJob(job: InspectJob, context: JobContext): Promise<InspectReport> {
  const warnings: Warning[] = [];
  const model = await loadModel(job.model, (warning) => {
    warnings.push(warning);
    context.onWarning?.(warning);
  });
  return inspectGraph(model.graph, {
    source: model.files,
    format: model.format,
    warnings: reportWarnings(warnings),
  });
}
