/**
 * Training and testing as text, below the log.
 */
import { formatName, formatNumber, formatSeconds, harmless } from "./format.ts";
import { type Style, textTable } from "./table.ts";
import { accuracyText, section, warningsText } from "./text-sections.ts";
import type { TestReport, TrainOutput, TrainReport } from "./train.ts";

/** Files that are listed; of more the last ones. */
const shownFiles = 6;

export function trainText(report: TrainReport, style: Style): string {
  const { began, iterations, maxIterations, stopped, seed, device } = report;
  const about = `iterations ${began} to ${iterations} of ${maxIterations}${stopped ? ", stopped" : ""}`;
  const facts: readonly (readonly [string, string | null])[] = [
    ["loss", report.loss === null ? null : formatNumber(report.loss)],
    ["best test", bestText(report, style)],
    ["time", timeText(report)],
    ["images", harmless(report.images)],
    ["began with", report.from.length === 0 ? "fillers" : report.from.map(harmless).join(", ")],
    ["seed, device", `${seed}, ${harmless(device)}`],
  ];
  return [
    `${style("strong", harmless(report.network || report.solver))}  ${style("dim", about)}\n`,
    factLines(facts),
    section("Written", fileLines(report.files), style),
    warningsText(report.warnings, style),
  ].join("");
}

export function testText(report: TestReport, style: Style): string {
  const about = `${report.iterations} batches, ${report.samples} images${report.stopped ? ", stopped" : ""}`;
  const accuracies = report.accuracies.map(({ name, total, ...accuracy }) => [
    formatName(name),
    accuracyText(accuracy, total),
  ]);
  const rows = report.outputs.map((output) => [formatName(output.name), outputText(output)]);
  const columns = [{ title: "output" }, { title: "mean over the batches" }];
  return [
    `${style("strong", harmless(report.model))}  ${style("dim", about)}\n\n`,
    rows.length === 0 ? "" : textTable(columns, rows, style),
    accuracies.length === 0 ? "" : "\n",
    ...accuracies.map(([name = "", text = ""]) => `${name}  ${style("strong", text)}\n`),
    `\ntime ${formatSeconds(report.seconds)}\n`,
    warningsText(report.warnings, style),
  ].join("");
}

function factLines(facts: readonly (readonly [string, string | null])[]): string {
  return facts
    .flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(15)}${value}\n`]))
    .join("");
}

function bestText({ best, tests }: TrainReport, style: Style): string | null {
  if (best === null) return null;
  const { name, value, iteration } = best;
  const count = tests.filter(({ net }) => net === 0).length;
  const text = `${formatName(name)} ${formatNumber(value)}`;
  return `${style("strong", text)} at iteration ${iteration}, of ${count} ${count === 1 ? "test" : "tests"}`;
}

function timeText({ seconds, secondsPerIteration }: TrainReport): string {
  const each =
    secondsPerIteration === null ? "" : `, ${formatSeconds(secondsPerIteration)} per iteration`;
  return `${formatSeconds(seconds)}${each}`;
}

export function outputText({ value, weight }: TrainOutput): string {
  const text = value === null ? "not finite" : formatNumber(value);
  return weight === null || weight === 1 ? text : `${text} (weight ${formatNumber(weight)})`;
}

function fileLines(files: readonly string[]): readonly string[] {
  const more = files.length - shownFiles;
  const shown = files.slice(-shownFiles).map(harmless);
  return more > 0 ? [`${more} more, and`, ...shown] : shown;
}
