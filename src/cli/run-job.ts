/**
 * Runs one job of the library for a command: context in, report out. Progress and warnings go to
 * stderr, the result alone to stdout.
 */
import type { JobContext, Report, ReportWarning } from "../index.ts";
import type { CommonFlags } from "./common-flags.ts";
import { exitCodes } from "./failure.ts";
import type { Io } from "./io.ts";
import { type Library, loadLibrary } from "./library.ts";
import { createNotices } from "./notices.ts";
import { styleFor } from "./text.ts";

export type Shell = {
  readonly io: Io;
  readonly argv: readonly string[];
  /** Receives the exit code of the command that ran. */
  readonly finish: (code: number) => void;
  /** Says that the work ends by itself when `io.signal` asks for it, however long that takes. */
  readonly waitForEnd: () => void;
};

export type Job = (library: Library, context: JobContext) => Promise<Report>;

/** `epilogue` follows the text of the report, never its JSON. */
export async function runJob(
  shell: Shell,
  flags: CommonFlags,
  job: Job,
  epilogue: () => string = () => "",
): Promise<void> {
  const { io } = shell;
  const library = await loadLibrary();
  const notices = createNotices(io, flags.quiet === true);
  try {
    const report = await job(library, contextOf(shell, flags, notices));
    notices.finish();
    if (flags.json) io.stdout(library.toJson(report));
    else {
      for (const warning of warningsOf(report)) notices.onWarning(warning);
      io.stdout(library.renderText(withoutWarnings(report), styleFor(io, "stdout")) + epilogue());
    }
    shell.finish(hasFailed(report) ? exitCodes.failed : exitCodes.ok);
  } finally {
    notices.finish();
  }
}

/**
 * As `runJob`, for a job that looks at `io.signal` itself and ends with what it has: a first Ctrl-C then ends it in order,
 * with the report, and code 130.
 */
export async function runJobToEnd(shell: Shell, flags: CommonFlags, job: Job): Promise<void> {
  const { signal } = shell.io;
  shell.waitForEnd();
  await runJob(shell, flags, async (library, context) => {
    const { onProgress } = context;
    return await job(library, {
      ...context,
      onProgress: (progress) => {
        if (!signal.aborted) onProgress?.(progress);
      },
    });
  });
  if (signal.aborted) shell.finish(exitCodes.interrupted);
}

function contextOf(
  shell: Shell,
  flags: CommonFlags,
  notices: Pick<JobContext, "onProgress" | "onWarning">,
): JobContext {
  return {
    device: flags.device,
    threads: flags.threads,
    seed: flags.seed,
    ...(flags.inputShape && { inputShape: flags.inputShape }),
    command: ["inlay", ...shell.argv],
    onProgress: notices.onProgress,
    onWarning: notices.onWarning,
  };
}

function warningsOf(report: Report): readonly ReportWarning[] {
  if (report.schema !== "inlay.report/1") return report.warnings;
  const { inspect, calibrate, quantize, evaluate, compare } = report;
  return [inspect, calibrate, quantize, evaluate.float, evaluate.quantized, compare].flatMap(
    (part) => part?.warnings ?? [],
  );
}

/** The report without what stderr has told already. */
function withoutWarnings(report: Report): Report {
  if (report.schema !== "inlay.report/1") return { ...report, warnings: [] };
  const { inspect, calibrate, quantize, evaluate, compare } = report;
  return {
    ...report,
    inspect: inspect && { ...inspect, warnings: [] },
    calibrate: calibrate && { ...calibrate, warnings: [] },
    quantize: quantize && { ...quantize, warnings: [] },
    evaluate: {
      float: evaluate.float && { ...evaluate.float, warnings: [] },
      quantized: evaluate.quantized && { ...evaluate.quantized, warnings: [] },
    },
    compare: compare && { ...compare, warnings: [] },
  };
}

function hasFailed(report: Report): boolean {
  if (report.schema === "inlay.check/1") return report.verdict === "does not fit";
  if (report.schema === "inlay.bit-match/1") return !report.isEqual;
  if (report.schema === "inlay.convert/1") return report.bitMatch?.isEqual === false;
  return report.schema === "inlay.run/1" && report.steps.some(({ status }) => status === "failed");
}
