/**
 * What the job came to: the few figures at the top, and the sections on accuracy and size.
 */
import { formatBytes, formatCount, formatDb, formatPercent, formatSeconds } from "../format.ts";
import type { Accuracy, JobReport } from "../reports.ts";
import { batchText } from "../text-sections.ts";
import { sizeChart } from "./chart-bars.ts";
import { type IntervalRow, intervalChart } from "./chart-interval.ts";
import { plainTable } from "./data-table.ts";
import { html, type Markup } from "./markup.ts";

/** Accuracies of the job, whichever of its parts measured them. */
type Measured = {
  readonly float: Accuracy | null;
  readonly quantized: Accuracy | null;
  readonly floatTop5: Accuracy | null;
  readonly quantizedTop5: Accuracy | null;
  readonly samples: number;
  readonly changed: number | null;
  readonly images: string;
};

function measured({ evaluate, quantize }: JobReport): Measured {
  const accuracy = quantize?.accuracy ?? null;
  const any = evaluate.quantized ?? evaluate.float;
  return {
    float: evaluate.float?.top1 ?? accuracy?.float ?? null,
    quantized: evaluate.quantized?.top1 ?? accuracy?.quantized ?? null,
    floatTop5: evaluate.float?.top5 ?? null,
    quantizedTop5: evaluate.quantized?.top5 ?? null,
    samples: any?.labelled ?? accuracy?.samples ?? 0,
    changed: evaluate.quantized?.changed?.count ?? accuracy?.changedImages ?? null,
    images: any?.images ?? accuracy?.images ?? "",
  };
}

type Fact = { readonly name: string; readonly big: string; readonly more: string };

/** The cards below the title. */
export function factCards(report: JobReport): Markup {
  const facts = [
    ...accuracyFacts(measured(report)),
    ...sizeFacts(report),
    ...errorFacts(report),
    ...inspectFacts(report),
  ];
  const cards = facts.map(
    ({ name, big, more }) =>
      html`<li><span class="name">${name}</span><span class="big">${big}</span><span class="more">${more}</span></li>`,
  );
  return html`<ul class="facts">${cards}</ul>`;
}

/** `-0.60 points`, with a sign in every case. */
function pointsText(difference: number): string {
  const text = difference.toFixed(2);
  return `${text.startsWith("-") ? text.replace("-", "−") : `+${text}`} points`;
}

function accuracyFacts({ float, quantized, samples, changed }: Measured): readonly Fact[] {
  const best = quantized ?? float;
  if (best === null) return [];
  const [lo, hi] = best.interval;
  const name = quantized === null ? "Top-1, float" : "Top-1, quantized";
  const interval = `${best.count} of ${samples}; 95 %: ${lo.toFixed(1)} to ${hi.toFixed(1)}`;
  const facts = [{ name, big: formatPercent(best.percent), more: interval }];
  if (float === null || quantized === null) return facts;
  const more =
    changed === null
      ? `float ${formatPercent(float.percent)}`
      : `float ${formatPercent(float.percent)}; ${changed} images changed`;
  const big = pointsText(quantized.percent - float.percent);
  return [...facts, { name: "Against float", big, more }];
}

function sizeFacts({ quantize }: JobReport): readonly Fact[] {
  if (quantize === null) return [];
  const { floatBytes, quantizedBytes } = quantize.size;
  const ratio = (floatBytes / Math.max(1, quantizedBytes)).toFixed(2);
  const more = `from ${formatBytes(floatBytes)}, ${ratio} times smaller`;
  return [{ name: "Weights", big: formatBytes(quantizedBytes), more }];
}

function errorFacts({ compare }: JobReport): readonly Fact[] {
  const name = compare?.worst[0];
  const worst = compare?.layers.find((layer) => layer.name === name);
  if (compare === null || worst === undefined) return [];
  return [{ name: "Lowest SQNR", big: formatDb(worst.sqnrDb), more: worst.name }];
}

function inspectFacts({ inspect, quantize }: JobReport): readonly Fact[] {
  if (inspect === null) return [];
  const { totals } = inspect;
  const work = {
    name: "Work",
    big: `${formatCount(totals.macs)} MACs`,
    more: `${formatCount(totals.parameters)} parameters, ${totals.layers} layers${batchText(inspect)}`,
  };
  const memory = {
    name: "Activations in float",
    big: formatBytes(totals.peakActivationBytes),
    more: "largest sum alive at once",
  };
  const weights = { name: "Weights", big: formatBytes(totals.weightBytes), more: "in float" };
  return quantize === null ? [weights, work, memory] : [work];
}

/** Dots with intervals, and the same in words. */
export function accuracySection(report: JobReport): Markup | null {
  const all = measured(report);
  const rows = [
    intervalRow("top-1, float", "float", all.float),
    intervalRow("top-1, quantized", "quantized", all.quantized),
    intervalRow("top-5, float", "float", all.floatTop5),
    intervalRow("top-5, quantized", "quantized", all.quantizedTop5),
  ].filter((row) => row !== null);
  if (rows.length === 0) return null;
  const cells = rows.map(({ label, accuracy }) => [
    label,
    `${accuracy.count} of ${all.samples}`,
    `${accuracy.interval[0].toFixed(2)} to ${accuracy.interval[1].toFixed(2)}`,
  ]);
  return html`<section><h2>Accuracy</h2><p class="note">${all.samples} labelled images of <code>${all.images}</code>. ${verdict(all)}${timeText(report)}</p><div class="two"><div>${intervalChart(rows)}</div>${plainTable(["accuracy", "right", "95 % interval, %"], cells)}</div></section>`;
}

function intervalRow(
  label: string,
  kind: "float" | "quantized",
  accuracy: Accuracy | null,
): IntervalRow | null {
  return accuracy === null ? null : { label, kind, accuracy };
}

/** How the difference compares with what the sample size can tell. */
function verdict({ float, quantized, changed }: Measured): string {
  if (float === null || quantized === null) return "";
  const [lo, hi] = float.interval;
  const inside = quantized.percent >= lo && quantized.percent <= hi;
  const change = changed === null ? "" : ` ${changed} images changed their best class.`;
  return inside
    ? `The quantized accuracy lies inside the float network's interval.${change}`
    : `The quantized accuracy lies outside the float network's interval.${change}`;
}

function timeText({ evaluate }: JobReport): string {
  const times = [
    ["float", evaluate.float?.secondsPerImage ?? null],
    ["simulation", evaluate.quantized?.secondsPerImage ?? null],
  ] as const;
  const known = times.flatMap(([name, seconds]) =>
    seconds === null ? [] : [`${name} ${formatSeconds(seconds)}`],
  );
  return known.length === 0 ? "" : ` Time per image: ${known.join(", ")}.`;
}

export function sizeSection({ quantize }: JobReport): Markup | null {
  if (quantize === null) return null;
  const { floatBytes, quantizedBytes } = quantize.size;
  const chart = sizeChart([
    { label: "float", bytes: floatBytes, kind: "float" },
    { label: quantize.target, bytes: quantizedBytes, kind: "quantized" },
  ]);
  const kept = quantize.floatLayers.map(({ name, op, reason }) => [name, op, reason]);
  const float =
    kept.length === 0
      ? html`<p class="note">Every layer runs in integers.</p>`
      : html`<h3>Stays in float</h3>${plainTable(["layer", "operator", "why"], kept)}`;
  return html`<section><h2>Size of the weights</h2><div class="two"><div>${chart}</div><div>${float}</div></div></section>`;
}
