/**
 * A training run as one HTML file: loss, tests and learning rate over the iterations, and what was written.
 */
import { formatNumber, formatSeconds } from "./format.ts";
import { type Line, lineChart } from "./html/chart-lines.ts";
import { type DataColumn, dataTable } from "./html/data-table.ts";
import { html, type Markup, markupText, trusted } from "./html/markup.ts";
import { script, scriptHash } from "./html/script.ts";
import { styleSheet } from "./html/style.ts";
import { outputText } from "./text-train.ts";
import type { TrainOutput, TrainReport, TrainTest } from "./train.ts";

/** Only this page draws lines. */
const lineStyle = `
figure.lines { margin: 0 0 1rem; } figure.lines figcaption { font-weight: 600; font-size: .95rem; }
figure.lines .lollipop-box { padding-left: 3.2rem; }
.curve { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.line0 .curve { stroke: var(--quantized); } .line0 .dot, .legend .line0 i { fill: var(--quantized); background: var(--quantized); }
.line1 .curve { stroke: var(--bad); } .line1 .dot, .legend .line1 i { fill: var(--bad); background: var(--bad); }
.line2 .curve { stroke: var(--warn); } .line2 .dot, .legend .line2 i { fill: var(--warn); background: var(--warn); }
.line3 .curve { stroke: var(--float); } .line3 .dot, .legend .line3 i { fill: var(--float); background: var(--float); }
.line4 .curve { stroke: #0d8a72; } .line4 .dot, .legend .line4 i { fill: #0d8a72; background: #0d8a72; }
.line5 .curve { stroke: #8b4fc6; } .line5 .dot, .legend .line5 i { fill: #8b4fc6; background: #8b4fc6; }
`;

/** The page. The same report gives the same bytes. */
export function renderTrainHtml(report: TrainReport): string {
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'; base-uri 'none'; form-action 'none'`;
  const title = report.network || report.solver;
  return markupText(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${title} - Inlay training</title><style>${trusted(styleSheet + lineStyle)}</style></head>
<body><a class="skip" href="#main">Skip to the report</a><div class="wrap"><header><h1>${title}</h1><p class="dim">${subtitle(report)}</p></header>
<main id="main">${factCards(report)}
${warningSection(report)}${curveSection(report)}${testSection(report)}${fileSection(report)}
</main><footer>Written by Inlay.</footer></div>
<script>${trusted(script)}</script></body></html>
`);
}

function subtitle({ solver, began, iterations, maxIterations, stopped }: TrainReport): string {
  const state = stopped ? "stopped at" : iterations < maxIterations ? "running, at" : "done,";
  const from = began > 0 ? ` · resumed at ${began}` : "";
  return `${solver} · ${state} ${iterations} of ${maxIterations} iterations${from}`;
}

function factCards({ loss, best, seconds, secondsPerIteration, seed }: TrainReport): Markup {
  const facts = [
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
  const cards = facts.map(
    ([name = "", big = "", more = ""]) =>
      html`<li><span class="name">${name}</span><span class="big">${big}</span><span class="more">${more}</span></li>`,
  );
  return html`<ul class="facts">${cards}</ul>`;
}

function warningSection({ warnings }: TrainReport): Markup | null {
  if (warnings.length === 0) return null;
  const items = warnings.map(
    ({ where, message }) => html`<li>${where === null ? message : `${where}: ${message}`}</li>`,
  );
  return html`<section><h2 class="warn">Warnings</h2><ul class="plain">${items}</ul></section>`;
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
