/**
 * Data sets as text.
 */
import type { DatasetLmdbReport, DatasetShowReport, LabelCount } from "./dataset.ts";
import { factsOf, labelRows, sizeRows, valuesText } from "./dataset-rows.ts";
import { formatBytes, formatName, harmless } from "./format.ts";
import { type Column, type Style, textTable } from "./table.ts";
import { section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });
/** Longest tables of labels and of sizes. */
const maxRows = 20;

export function datasetShowText(report: DatasetShowReport, style: Style): string {
  const labelColumns = [right("label"), { title: "class" }, right("samples"), right("share")];
  const sizeColumns = [{ title: "size" }, { title: "channels" }, right("pictures")];
  return [
    `${style("strong", harmless(report.source))}\n\n`,
    factLines(report, style),
    "\n",
    cutTable(sizeColumns, sizeRows(report), style),
    "\n",
    cutTable(labelColumns, labelRows(report), style),
    "\n",
    firstTable(report, style),
    section(`Cannot be read: ${report.unreadable.count}`, unreadableLines(report), style),
    warningsText(report.warnings, style),
  ].join("");
}

function factLines(report: DatasetShowReport, style: Style): string {
  const facts = factsOf(report);
  const [names, values] = [facts.map(({ name }) => name), facts.map(({ big }) => big)].map(
    (texts) => Math.max(...texts.map((text) => text.length)),
  ) as [number, number];
  const line = ({ name, big, more }: (typeof facts)[number]): string =>
    `${name.padEnd(names)}  ${big.padEnd(values)}  ${style("dim", more)}`.trimEnd();
  return facts.map((fact) => `${line(fact)}\n`).join("");
}

function cutTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
): string {
  const shown = rows.slice(0, maxRows).map((row) => row.map((cell) => formatName(cell)));
  const more = rows.length > maxRows ? `and ${rows.length - maxRows} more\n` : "";
  return textTable(columns, shown, style) + more;
}

function firstTable({ first }: DatasetShowReport, style: Style): string {
  const rows = first.map(({ name, label, width, height, channels }) => [
    formatName(name),
    label === null ? "none" : `${label}`,
    width === null ? "cannot be read" : `${width}x${height}`,
    channels === null ? "" : channels === 1 ? "gray" : "colour",
  ]);
  const columns = [{ title: "first" }, right("label"), { title: "size" }, { title: "channels" }];
  return textTable(columns, rows, style);
}

function unreadableLines({ unreadable }: DatasetShowReport): readonly string[] {
  const lines = unreadable.samples.map(({ reason }) => harmless(reason));
  const more = unreadable.count - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

export function datasetLmdbText(report: DatasetLmdbReport, style: Style): string {
  const { records, width, height, channels, bytes, shuffleSeed } = report;
  const size = `${width}x${height}, ${channels === 1 ? "gray" : "colour"}`;
  const order = shuffleSeed === null ? "" : `, shuffled with seed ${shuffleSeed}`;
  const planes = channels === 1 ? "gray" : "blue, green, red";
  return [
    `${style("strong", harmless(report.source))}  ${style("dim", `${records} records of ${size}${order}; ${formatBytes(bytes)}`)}\n`,
    `${contentText(report)}; ${labelSummary(report.labels)}; mean ${valuesText(report.mean)} (${planes})\n`,
    section("Written", report.files.map(harmless), style),
    warningsText(report.warnings, style),
  ].join("");
}

function contentText({ encoding, kept, records }: DatasetLmdbReport): string {
  if (encoding === "raw") return "raw pixels";
  if (kept === records) return "picture files as they were";
  return kept === 0 ? "PNG" : `${kept} picture files as they were, ${records - kept} as PNG`;
}

function labelSummary(labels: readonly LabelCount[]): string {
  const numbers = labels.flatMap(({ label }) => (label === null ? [] : [label]));
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const gaps = most - least + 1 - numbers.length;
  return `${numbers.length} labels ${least}..${most}${gaps > 0 ? ` with ${gaps} unused between` : ""}`;
}
