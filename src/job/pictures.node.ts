/**
 * Opens the pictures that a job names, and collects the warnings of a job.
 */
import type { Dataset } from "../data/dataset.ts";
import { openDataset } from "../data/open.node.ts";
import type { OnWarning, Warning } from "../notice.ts";
import type { ReportWarning } from "../report/reports.ts";
import { reportWarnings } from "../report/warnings.ts";
import type { ImageOptions, JobContext } from "./options.ts";

export async function openPictures(
  images: ImageOptions,
  context: JobContext,
  onWarning: OnWarning,
): Promise<Dataset> {
  const { path, root, labels, split, part, limit } = images;
  return openDataset(path, {
    ...(root !== undefined && { root }),
    ...(labels !== undefined && { labels }),
    ...(limit !== undefined && { limit }),
    ...(split !== undefined && { split: { fraction: split, part: part ?? "first" } }),
    seed: context.seed,
    onWarning,
  });
}

/** Collects warnings for the report while passing them on. */
export type WarningLog = { readonly add: OnWarning; readonly all: () => readonly ReportWarning[] };

export function warningLog(context: JobContext): WarningLog {
  const warnings: Warning[] = [];
  return {
    add: (warning) => {
      warnings.push(warning);
      context.onWarning?.(warning);
    },
    all: () => reportWarnings(warnings),
  };
}
