/**
 * A training run as one HTML file: loss, tests and learning rate over the iterations, and what was written.
 */
import { formatNumber, formatSeconds } from "./format.ts";
import { type Line, lineChart } from "./html/chart-lines.ts";
import { type DataColumn, dataTable } from "./html/data-table.ts";
import { type Fact, factCards, linePage, warningSection } from "./html/line-page.ts";
import { html, type Markup } from "./html/markup.ts";
import { outputText } from "./text-train.ts";
import type { TrainOutput, TrainReport, TrainTest } from "./train.ts";

/** The page. The same report gives the same bytes. */
export function renderTrainHtml(report: TrainReport): string {
  return linePage({
    title: report.network || report.solver,
    kind: "training",
    subtitle: subtitle(report),
    body: html`${factCards(factsOf(report))}
${warningSection(report.warnings)}${curveSection(report)}${testSection(report)}${fileSection(report)}`,
  });
}

function subtitle({ solver, began, iterations, maxIterations, stopped }: TrainReport): string {
  const state = stopped ? "stopped at" : iterations < maxIterations ? "running, at" : "done,";
  const from = began > 0 ? ` · resumed at ${began}` : "";
  return `${solver} · ${state} ${iterations} of ${maxIterations} iterations${from}`;
}

function factsOf({ loss, best, seconds, secondsPerIteration, seed }: TrainReport): readonly Fact[] {
  return [
    ...(best === null
      ? []
      : [[`Best test, ${best.name}`, formatNumber(best.value), `iteration ${best.iteration}`]]),
    ...(loss === null ? [] : [["Loss", formatNumber(loss), "as displayed last"]]),
    [
      "Time",
      formatSeconds(seconds),
      secondsPerIteration === null ? "" : `${formatSeconds(secondsPerIteration)} per iteration`,
    ],
    ["Seed", `${seed}`, "order, augmentation, dropout, new layers"],
  ];
}

function curveSection(report: TrainReport): Markup | null {
  const { curve, tests } = report;
  const losses: Line[] = [
    { name: "training loss", points: pointsOf(curve, ({ loss }) => loss) },
    ...testLines(tests, ({ weight }) => weight !== null),
  ];
  const accuracies = testLines(tests, ({ weight }) => weight === null);
  const rates: Line[] = [{ name: "learning rate", points: pointsOf(curve, ({ rate }) => rate) }];
  const span: readonly [number, number] = [0, Math.max(1, report.iterations)];
  const charts = [
    ["Loss", losses] as const,
    ["Tests", accuracies] as const,
    ["Learning rate", rates] as const,
  ].flatMap(([title, lines]) => {
    const drawn = lines.filter(({ points }) => points.length > 0);
    return drawn.length === 0 ? [] : [lineChart({ title, lines: drawn, span })];
  });
  if (charts.length === 0) return null;
  return html`<section><h2>Over the iterations</h2>${charts}</section>`;
}

function pointsOf<T extends { readonly iteration: number }>(
  points: readonly T[],
  value: (point: T) => number | null,
): readonly (readonly [number, number])[] {
  return points.flatMap((point): readonly (readonly [number, number])[] => {
    const found = value(point);
    return found === null ? [] : [[point.iteration, found]];
  });
}

/** One line for each output of each test network. */
function testLines(
  tests: readonly TrainTest[],
  isWanted: (output: TrainOutput) => boolean,
): readonly Line[] {
  const several = tests.some(({ net }) => net > 0);
  const lines = new Map<string, [number, number][]>();
  for (const { iteration, net, outputs } of tests) {
    for (const output of outputs.filter(isWanted)) {
      const name = `test ${output.name}${several ? ` (net ${net})` : ""}`;
      const points = lines.get(name) ?? [];
      lines.set(name, points);
      // Of an output with many values, the first.
      if (output.value !== null && points.at(-1)?.[0] !== iteration) {
        points.push([iteration, output.value]);
      }
    }
  }
  return [...lines].map(([name, points]) => ({ name, points }));
}

function testSection({ tests }: TrainReport): Markup | null {
  if (tests.length === 0) return null;
  const rows = tests.flatMap(({ iteration, net, outputs }) =>
    outputs.map((output) => ({ iteration, net, output })),
  );
  const columns: readonly DataColumn<(typeof rows)[number]>[] = [
    {
      title: "iteration",
      kind: "number",
      cell: ({ iteration }) => ({ text: `${iteration}`, value: iteration }),
    },
    { title: "test net", kind: "number", cell: ({ net }) => ({ text: `${net}`, value: net }) },
    {
      title: "output",
      kind: "text",
      cell: ({ output }) => ({ text: output.name, value: output.name }),
    },
    {
      title: "value",
      kind: "number",
      cell: ({ output }) => ({ text: outputText(output), value: output.value }),
    },
  ];
  const caption = `Tests (${tests.length})`;
  return html`<section><h2>Tests</h2><details><summary>${caption}</summary>${dataTable({ caption, columns, rows })}</details></section>`;
}

function fileSection({ from, files, images, nets }: TrainReport): Markup {
  const rows = [
    ["network", ...nets],
    ["images", images],
    ["began with", ...(from.length > 0 ? from : ["fillers"])],
    ["written", ...files],
  ].map(
    ([name = "", ...values]) =>
      html`<dt>${name}</dt><dd>${values.map((value) => html`<code>${value}</code><br>`)}</dd>`,
  );
  return html`<section><h2>Files</h2><dl>${rows}</dl></section>`;
}
