/**
 * Any report as text for the terminal: a pure string, coloured only by the style that is passed in.
 */
import { datasetLmdbText, datasetShowText } from "./dataset-text.ts";
import type { JobReport, Report } from "./reports.ts";
import { plainStyle, type Style } from "./table.ts";
import { bitMatchText } from "./text-bit-match.ts";
import { checkText } from "./text-check.ts";
import { convertText, predictText } from "./text-convert.ts";
import { demoText } from "./text-demo.ts";
import { finetuneText } from "./text-finetune.ts";
import { inspectText } from "./text-inspect.ts";
import { calibrateQuantReluText, refineNetworkText } from "./text-mdk.ts";
import { quantizeText } from "./text-quantize.ts";
import { calibrateText, compareText, evaluateText, runText } from "./text-results.ts";
import { testText, trainText } from "./text-train.ts";

/** The report as lines of text, a newline at the end. Names from files come out without escapes. */
export function renderText(report: Report, style: Style = plainStyle): string {
  switch (report.schema) {
    case "inlay.inspect/1":
      return inspectText(report, style);
    case "inlay.check/1":
      return checkText(report, style);
    case "inlay.evaluate/1":
      return evaluateText(report, style);
    case "inlay.calibrate/1":
      return calibrateText(report, style);
    case "inlay.quantize/1":
      return quantizeText(report, style);
    case "inlay.compare/1":
      return compareText(report, style);
    case "inlay.run/1":
      return runText(report, style);
    case "inlay.convert/1":
      return convertText(report, style);
    case "inlay.predict/1":
      return predictText(report, style);
    case "inlay.bit-match/1":
      return bitMatchText(report, style);
    case "inlay.calibrate-quant-relu/1":
      return calibrateQuantReluText(report, style);
    case "inlay.refine-network/1":
      return refineNetworkText(report, style);
    case "inlay.train/1":
      return trainText(report, style);
    case "inlay.test/1":
      return testText(report, style);
    case "inlay.dataset-show/1":
      return datasetShowText(report, style);
    case "inlay.dataset-lmdb/1":
      return datasetLmdbText(report, style);
    case "inlay.finetune/1":
      return finetuneText(report, style);
    case "inlay.demo/1":
      return demoText(report, style);
    case "inlay.report/1":
      return jobText(report, style);
  }
}

/** The parts of a job that were run, one below the other. */
function jobText(report: JobReport, style: Style): string {
  const { inspect, calibrate, quantize, evaluate, compare } = report;
  return [inspect, calibrate, quantize, evaluate.float, evaluate.quantized, compare]
    .filter((part) => part !== null)
    .map((part) => renderText(part, style))
    .join("\n");
}
