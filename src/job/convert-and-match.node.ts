/**
 * `inlay convert --evaluate=PICTURES`: converts, and compares what was written with the network that it was made from.
 */
import { join } from "node:path";
import type { ConvertReport } from "../report/convert.ts";
import { bitMatchJob } from "./bit-match.node.ts";
import { convertJob } from "./convert.node.ts";
import type { ConvertJob, ImageOptions, JobContext } from "./options.ts";
import { openPictures } from "./pictures.node.ts";
import { refuseExisting } from "./write-outputs.node.ts";

/** Folder for the dumps, in that of the conversion. */
const dumpFolder = "evaluate_output";
/** Grey levels in a level of 5 bits: as they are, and as the vendor's script counts them. */
const greyPerLevel = { exact: 8, likeMdk: 255 / 31 };

/** The conversion's report with that of the comparison in it. Pictures that cannot be opened stop it before anything is written. */
export async function convertAndMatchJob(
  job: ConvertJob,
  images: ImageOptions,
  context: JobContext,
): Promise<ConvertReport> {
  const writeDumps = join(job.out, dumpFolder);
  await openPictures(images, context, () => undefined);
  if (!job.force) await refuseExisting(writeDumps, ["evaluate_log.txt"]);
  const report = await convertJob(job, context);
  const { warnings, ...bitMatch } = await bitMatchJob(
    {
      ...{ model: job.out, images, reference: job.model, writeDumps },
      force: job.force,
      inputStep: inputStepOf(job),
    },
    context,
  );
  const twice = {
    id: "rounded-twice",
    message: "gains were edited after rounding: levels may differ from the network's by one",
    where: null,
  };
  return {
    ...report,
    bitMatch: { ...bitMatch, warnings: [] },
    warnings: [...report.warnings, ...(job.editGain ? [twice] : []), ...warnings],
  };
}

/** Before its gains are edited a network takes pictures of 0..255 times its input scale. */
function inputStepOf({ editGain, inputScale = 1, likeMdk }: ConvertJob): number {
  if (!editGain) return 1;
  return inputScale * (likeMdk ? greyPerLevel.likeMdk : greyPerLevel.exact);
}
