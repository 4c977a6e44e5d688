/**
 * Quantization-aware training as text: a line for each step, and what came out.
 */
import type { FinetuneReport, FinetuneStage } from "./finetune.ts";
import { formatNumber, harmless } from "./format.ts";
import { type Column, type Style, textTable } from "./table.ts";
import { accuracyText, changeText, section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });
const columns: readonly Column[] = [
  { title: "step" },
  right("iterations"),
  right("rate"),
  right("before"),
  right("best"),
  right("at"),
  right("seconds"),
];

export function finetuneText(report: FinetuneReport, style: Style): string {
  const { model, target, train, test, batch, stages } = report;
  const about = `target ${harmless(target)}, ${train.samples} pictures to train, ${test.samples} to test, batches of ${batch}`;
  return [
    `${style("strong", harmless(model))}  ${style("dim", about)}\n\n`,
    textTable(columns, stages.map(stageRow), style),
    section("Accuracy (top-1, test pictures)", accuracyLines(report, style), style),
    section("Result", resultLines(report, style), style),
    warningsText(report.warnings, style),
  ].join("");
}

function stageRow({ name, iterations, rate, tests, best, seconds }: FinetuneStage): string[] {
  const share = (test: FinetuneStage["best"] | undefined): string =>
    test ? `${((100 * test.correct) / Math.max(1, test.samples)).toFixed(2)} %` : "-";
  return [
    name,
    String(iterations),
    formatNumber(rate),
    share(tests.find(({ iteration }) => iteration === 0)),
    share(best),
    best === null ? "-" : String(best.iteration),
    seconds.toFixed(0),
  ];
}

function accuracyLines({ accuracy, convert }: FinetuneReport, style: Style): readonly string[] {
  if (accuracy === null) return [];
  const { float, trained, simulated, samples, differing } = accuracy;
  const mark = convert?.deployable === false ? style("bad", "  not deployable") : "";
  return [
    `float      ${accuracyText(float, samples)}`,
    `trained    ${accuracyText(trained, samples)}`,
    `simulated  ${style("strong", accuracyText(simulated, samples))}${mark}`,
    `simulated against trained: ${changeText(trained, simulated, differing, samples)}`,
    `simulated against float: ${(simulated.percent - float.percent).toFixed(2)} points`,
  ];
}

function resultLines(
  { convert, bitMatch, stopped }: FinetuneReport,
  style: Style,
): readonly string[] {
  if (stopped) return [style("warn", "stopped: the same command goes on")];
  const lines =
    convert === null ? [] : [`${harmless(convert.out)}: ${harmless(convert.modelFile)}`];
  if (bitMatch === null) return lines;
  const { matches, pictures } = bitMatch;
  const ratio = ((100 * matches) / Math.max(1, pictures)).toFixed(2);
  return [...lines, `bit match: ${matches} of ${pictures} pictures (${ratio} %)`];
}
