/**
 * A bit match as text: which pictures differ, or of one picture which layer does first and the sum behind the value.
 */
import type {
  BitMatchDifference,
  BitMatchLayer,
  BitMatchPicture,
  BitMatchReport,
  BitMatchSum,
  BitMatchTerm,
} from "./bit-match.ts";
import { formatName, formatPercent, harmless } from "./format.ts";
import { type Cell, type Column, type Style, textTable } from "./table.ts";
import { section, warningsText } from "./text-sections.ts";

const right = (title: string): Column => ({ title, align: "right" });
const short = (value: number): string => String(Number(value.toPrecision(9)));

export type BitMatchTextOptions = {
  /** Products of the sum that are listed; the others are added up. */
  readonly terms?: number;
};

export function bitMatchText(
  report: BitMatchReport,
  style: Style,
  { terms = 16 }: BitMatchTextOptions = {},
): string {
  const { dumps, accumulator, pictures, matches, isEqual, layers } = report;
  const how = [
    dumps === null ? "simulation" : `dumps of ${harmless(dumps)}`,
    `for ${harmless(report.target)} against ${report.reference.map(harmless).join(", ")}`,
    ...(accumulator === null
      ? []
      : [`accumulators of ${accumulator.bits} bits that ${accumulator.overflow}`]),
  ].join(" ");
  const share = formatPercent((100 * matches) / Math.max(1, pictures.length));
  const verdict = `${matches} of ${pictures.length} pictures match (${share})`;
  return [
    `${style("strong", harmless(report.model))}  ${style("dim", how)}\n\n`,
    layers === null ? picturesText(pictures, style) : layersText(layers, style),
    `\n${style(isEqual ? "good" : "bad", verdict)}\n`,
    differenceText(report, terms, style),
    warningsText(report.warnings, style),
    section("Written", writtenLines(report), style),
  ].join("");
}

function writtenLines({ out, files }: BitMatchReport): readonly string[] {
  if (out === null) return [];
  return [`${harmless(out)}: ${files.length} files, ${files.slice(-1).map(harmless).join("")}`];
}

function equalCell(equal: number | null, values: number): Cell {
  if (equal === null) return { text: "no dump", role: "dim" };
  if (equal === values) return { text: "all", role: "good" };
  // So that a single value that differs never reads as 100 %.
  const percent = Math.min(99.9999, (100 * equal) / values);
  return { text: `${equal} (${formatPercent(percent, 4)})`, role: "bad" };
}

function picturesText(pictures: readonly BitMatchPicture[], style: Style): string {
  const columns = [{ title: "picture" }, right("values"), { title: "equal" }];
  const rows = pictures.map(({ name, values, equalValues }): readonly Cell[] => [
    formatName(name),
    String(values),
    equalCell(equalValues, values),
  ]);
  return textTable(columns, rows, style);
}

function layersText(layers: readonly BitMatchLayer[], style: Style): string {
  const columns = [
    ...[{ title: "layer" }, right("place"), right("values"), { title: "equal" }],
    { title: "board's output" },
  ];
  const isCascade = layers.some(({ chip }) => chip > 1);
  const rows = layers.map((layer): readonly Cell[] => [
    formatName(layer.name),
    placeText(layer, isCascade),
    String(layer.values),
    equalCell(layer.equalValues, layer.values),
    layer.output ?? "-",
  ]);
  return textTable(columns, rows, style);
}

type Place = Pick<BitMatchLayer, "chip" | "major" | "sublayer">;

function placeText({ chip, major, sublayer }: Place, isCascade: boolean): string {
  const place = major === null || sublayer === null ? "-" : `${major}.${sublayer}`;
  return isCascade ? `${chip}: ${place}` : place;
}

function differenceText(report: BitMatchReport, terms: number, style: Style): string {
  const { difference, pictures, isEqual } = report;
  if (difference === null) {
    const first = pictures.find((picture) => !picture.isEqual);
    if (isEqual || first === undefined) return "";
    return `Compare ${formatName(first.name)} alone to see the layer and the sum.\n`;
  }
  const { layer, channel, row, column, expected, got, dumped } = {
    ...difference,
    dumped: report.dumps === null ? "" : `; the simulation gives ${difference.simulated}`,
  };
  const isCascade = report.layers?.some(({ chip }) => chip > 1) === true;
  const place = placeText(difference, isCascade);
  const head = `First difference: ${formatName(layer)} (${place}), channel ${channel}, row ${row}, column ${column}: expected ${short(expected)}, got ${got}${dumped}`;
  return [
    `\n${style("bad", head)}\n\n`,
    textTable(sumColumns, sumRows(difference, terms), style),
    section(
      "Likely causes",
      difference.causes.map(({ kind, message }) => `${kind}: ${harmless(message)}`),
      style,
    ),
  ].join("");
}

const sumColumns: readonly Column[] = [
  { title: "input (channel, row, column)" },
  right("reference"),
  right("chip"),
];

function sumRows(
  { terms, reference, model }: BitMatchDifference,
  most: number,
): readonly (readonly Cell[])[] {
  const listed = listedTerms(terms, most);
  const rest = terms.length - listed.length;
  const left = (pick: (term: BitMatchTerm) => number): string =>
    short(
      terms.filter((term) => !listed.includes(term)).reduce((sum, term) => sum + pick(term), 0),
    );
  const line = (title: string, text: (sum: BitMatchSum) => string): readonly Cell[] => [
    title,
    text(reference),
    text(model),
  ];
  return [
    ...listed.map(termRow),
    ...(rest === 0 ? [] : [[`and ${rest} more`, left(expectedOf), left(gotOf)]]),
    line("sum of products", ({ products }) => short(products)),
    line("bias", ({ bias }) => short(bias)),
    ...(reference.identity === null && model.identity === null
      ? []
      : [line("shortcut", identityText)]),
    line("accumulator", ({ accumulator }) => short(accumulator)),
    line("shift", ({ shift }) => short(shift)),
    line("accumulator / 2^shift, rounded", ({ rounded }) => short(rounded)),
    line("limited", ({ level, top }) => `${level} of 0..${top}`),
  ];
}

function identityText({ identity }: BitMatchSum): string {
  return identity === null ? "none" : productText(identity.value, identity.factor);
}

const expectedOf = (term: BitMatchTerm): number => term.expectedInput * term.expectedWeight;
const gotOf = (term: BitMatchTerm): number => term.gotInput * term.gotWeight;
const differs = (term: BitMatchTerm): boolean =>
  term.expectedInput !== term.gotInput || term.expectedWeight !== term.gotWeight;

/** Those that differ first in the choice, then the largest; in the order of the sum. */
function listedTerms(terms: readonly BitMatchTerm[], most: number): readonly BitMatchTerm[] {
  if (terms.length <= most) return terms;
  const size = (term: BitMatchTerm): number =>
    Math.max(Math.abs(expectedOf(term)), Math.abs(gotOf(term)));
  const ranked = terms.toSorted(
    (a, b) => Number(differs(b)) - Number(differs(a)) || size(b) - size(a),
  );
  const chosen = new Set(ranked.slice(0, most));
  return terms.filter((term) => chosen.has(term));
}

function termRow(term: BitMatchTerm): readonly Cell[] {
  const { channel, row, column, expectedInput, expectedWeight, gotInput, gotWeight } = term;
  const got = productText(gotInput, gotWeight);
  return [
    `(${channel}, ${row}, ${column})`,
    productText(expectedInput, expectedWeight),
    differs(term) ? { text: got, role: "bad" } : got,
  ];
}

/** `5 x 12 = 60` */
function productText(value: number, factor: number): string {
  return `${short(value)} x ${short(factor)} = ${short(value * factor)}`;
}
