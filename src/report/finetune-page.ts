/**
 * Fine-tuning as one HTML file: accuracy and loss over the iterations of all steps, one curve a step, and what came out.
 */
import type { FinetuneReport, FinetuneStage } from "./finetune.ts";
import { formatNumber, formatSeconds } from "./format.ts";
import { type Line, lineChart } from "./html/chart-lines.ts";
import { type DataColumn, dataTable } from "./html/data-table.ts";
import { type Fact, factCards, linePage, warningSection } from "./html/line-page.ts";
import { html, type Markup } from "./html/markup.ts";

/** The page. The same report gives the same bytes. */
export function renderFinetuneHtml(report: FinetuneReport): string {
  const { model, target, train, test, batch, stopped } = report;
  const state = stopped ? " · stopped" : "";
  return linePage({
    title: model,
    kind: "fine-tuning",
    subtitle: `${target} · ${train.samples} pictures to train, ${test.samples} to test, batches of ${batch}${state}`,
    body: html`${factCards(factsOf(report))}
${warningSection(report.warnings)}${curves(report.stages)}${stageSection(report.stages)}`,
  });
}

function factsOf({ accuracy, bitMatch, convert, stages, seed }: FinetuneReport): readonly Fact[] {
  const percent = (share: { readonly percent: number; readonly interval: readonly number[] }) => [
    `${share.percent.toFixed(2)} %`,
    `95 % interval ${share.interval.map((end) => end.toFixed(2)).join(" to ")}`,
  ];
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const shares =
    accuracy === null
      ? []
      : [
          ["Float", ...percent(accuracy.float)],
          ["Trained, fused", ...percent(accuracy.trained)],
          [
            convert?.deployable === false ? "Simulated (not deployable)" : "Simulated",
            ...percent(accuracy.simulated),
          ],
        ];
  const match =
    bitMatch === null
      ? []
      : [["Bit match", `${bitMatch.matches} of ${bitMatch.pictures}`, "pictures"]];
  return [...shares, ...match, ["Time", formatSeconds(seconds), `seed ${seed}`]];
}

/** Each step begins where the one before ended. */
function curves(stages: readonly FinetuneStage[]): Markup | null {
  const total = stages.reduce((sum, { iterations }) => sum + iterations, 0);
  const lines = (value: (test: FinetuneStage["tests"][number]) => number | null): Line[] => {
    let before = 0;
    return stages.flatMap(({ name, tests, iterations }) => {
      const first = before;
      before += iterations;
      const points = tests.flatMap((test): (readonly [number, number])[] => {
        const found = value(test);
        return found === null ? [] : [[first + test.iteration, found]];
      });
      return points.length === 0 ? [] : [{ name, points }];
    });
  };
  const charts = [
    ["Accuracy on the test pictures, per cent", lines(shareOf)] as const,
    ["Training loss", lines(({ loss }) => loss)] as const,
  ].flatMap(([title, drawn]) =>
    drawn.length === 0 ? [] : [lineChart({ title, lines: drawn, span: [0, Math.max(1, total)] })],
  );
  return charts.length === 0
    ? null
    : html`<section><h2>Over the iterations</h2>${charts}</section>`;
}

const shareOf = ({ correct, samples }: FinetuneStage["tests"][number]): number =>
  (100 * correct) / Math.max(1, samples);

function stageSection(stages: readonly FinetuneStage[]): Markup | null {
  const rows = stages.flatMap((stage) => stage.tests.map((test) => ({ stage, test })));
  if (rows.length === 0) return null;
  const number = (
    title: string,
    value: (row: (typeof rows)[number]) => number | null,
    text: (value: number) => string = String,
  ): DataColumn<(typeof rows)[number]> => ({
    title,
    kind: "number",
    cell: (row) => {
      const found = value(row);
      return { text: found === null ? "-" : text(found), value: found };
    },
  });
  const columns: readonly DataColumn<(typeof rows)[number]>[] = [
    { title: "step", kind: "text", cell: ({ stage: { name } }) => ({ text: name, value: name }) },
    number("iteration", ({ test }) => test.iteration),
    number("right", ({ test }) => test.correct),
    number(
      "per cent",
      ({ test }) => shareOf(test),
      (share) => share.toFixed(2),
    ),
    number("training loss", ({ test }) => test.loss, formatNumber),
  ];
  return html`<section><h2>Tests</h2>${dataTable({ caption: "Tests", columns, rows })}</section>`;
}
