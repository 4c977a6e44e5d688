/**
 * The check against a chip's limits as text.
 */
import type { CheckMajorLayer, CheckReport, CheckSublayer, CheckViolation } from "./check.ts";
import { formatName, formatPercent, harmless } from "./format.ts";
import { type Cell, type Column, type Style, textTable } from "./table.ts";
import { section, warningsText } from "./text-sections.ts";

const left = (title: string): Column => ({ title });
const right = (title: string): Column => ({ title, align: "right" });

export function checkText(report: CheckReport, style: Style): string {
  const broken = report.violations.filter(({ waived }) => !waived);
  const waived = report.violations.filter((one) => one.waived);
  return [
    headText(report, style),
    `${verdictText(report, broken.length, style)}\n`,
    violationsText("Broken rules", broken, style),
    violationsText("Waived rules: not deployable", waived, style),
    section("What to do", hintLines(report.violations), style),
    networkText(report, style),
    section("On the host", hostLines(report), style),
    layoutText(report, style),
    memoryText(report, style),
    cascadeText(report, style),
    warningsText(report.warnings, style),
  ].join("");
}

function headText({ model, target, options }: CheckReport, style: Style): string {
  const { activationBits, lastTenBits, bitsNote } = options;
  const last = lastTenBits ? ", 10 bits from the last layer" : "";
  const about = `target ${harmless(target)}, activations of ${activationBits} bits${last}`;
  return `${style("strong", harmless(model))}  ${style("dim", about)}\nweights  ${harmless(bitsNote)}\n\n`;
}

function verdictText(report: CheckReport, broken: number, style: Style): string {
  const { verdict, options, network, convolutions } = report;
  const place = options.chips === 1 ? "the chip" : `${options.chips} chips in a row`;
  const share = `${convolutions.chip} of ${convolutions.all} convolutions`;
  if (verdict === "fits") return style("good", `fits on ${place}: ${share} run there`);
  if (verdict === "not deployable") {
    const rules = [...new Set(report.violations.map(({ rule }) => rule))].join(", ");
    return style(
      "warn",
      `not deployable: waived rules are broken (${harmless(rules)}); ${share} run there`,
    );
  }
  const reasons = [
    ...(broken > 0 ? [`broken rules: ${broken}`] : []),
    ...((network?.differences?.length ?? 0) > 0
      ? ["the network JSON contradicts the network"]
      : []),
    convolutions.chip === 0 ? "no layer can run there" : `${share} could run there`,
  ];
  return style("bad", `does not fit on ${place}: ${reasons.join("; ")}`);
}

/** A table below a heading, indented as the lines of other sections. */
function tableSection(
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  style: Style,
): string {
  if (rows.length === 0) return "";
  return section(title, textTable(columns, rows, style).trimEnd().split("\n"), style);
}

function violationsText(
  title: string,
  violations: readonly CheckViolation[],
  style: Style,
): string {
  const rows = violations.map(({ rule, node, limit, found, waived }) => [
    { text: rule, role: waived ? "warn" : "bad" } as const,
    formatName(node),
    harmless(found),
    harmless(limit),
  ]);
  return tableSection(title, ["rule", "where", "found", "the chip has"].map(left), rows, style);
}

/** One line per rule and advice, however many layers need it. */
function hintLines(violations: readonly CheckViolation[]): readonly string[] {
  return [...new Set(violations.map(({ rule, hint }) => `${rule}: ${harmless(hint)}`))];
}

function networkText({ network }: CheckReport, style: Style): string {
  if (network === null) return "";
  const file = harmless(network.file);
  if (network.differences === null) {
    return section("Network JSON", [`${file}: nothing to compare it with`], style);
  }
  if (network.differences.length === 0) {
    return section("Network JSON", [`${file} says what the network says`], style);
  }
  const rows = network.differences.map((one) => [
    one.major === null ? "model" : `major layer ${one.major}`,
    formatName(one.key),
    harmless(one.json),
    harmless(one.network),
  ]);
  const columns = ["where", "key", "the file says", "the network says"].map(left);
  return tableSection(`Network JSON: ${file} contradicts the network`, columns, rows, style);
}

/** Names in one line; of more the first ones, and how many follow. */
const namedLayers = 4;

type HostGroup = {
  readonly why: string;
  readonly texts: string[];
  /** Names as the network has them. */
  readonly names: Set<string>;
};

/** Neighbours of one reason in one line: `conv5, conv5_relu: kernel: 5x5`. */
function hostLines({ host }: CheckReport): readonly string[] {
  const groups: HostGroup[] = [];
  for (const { name, op, why } of host) {
    const isNatural = why === `${op} runs on the host`;
    const reason = isNatural ? "the host's by nature" : why;
    const text = isNatural ? `${formatName(name)} (${formatName(op)})` : formatName(name);
    const last = groups.at(-1);
    if (last !== undefined && continues(last, reason)) {
      last.texts.push(text);
      last.names.add(name);
    } else groups.push({ why: reason, texts: [text], names: new Set([name]) });
  }
  return groups.map(({ why, texts }) => {
    const more = texts.length > namedLayers ? ` and ${texts.length - namedLayers} more` : "";
    return `${texts.slice(0, namedLayers).join(", ")}${more}: ${harmless(why)}`;
  });
}

/** The same reason, or behind a layer that is itself only behind another. */
function continues({ why, names }: HostGroup, reason: string): boolean {
  const [, before = ""] = /^behind (.+) on the host$/s.exec(reason) ?? [];
  return why === reason || (why.startsWith("behind ") && names.has(before));
}

const layoutColumns: readonly Column[] = [
  right("major"),
  right("size"),
  left("channels"),
  left("sublayers"),
  right("bits"),
  left("pooling"),
  left("besides"),
  right("slots"),
  right("volume"),
];

function layoutText({ majorLayers, noLayout }: CheckReport, style: Style): string {
  if (noLayout !== null) return section("Major layers", [`none: ${harmless(noLayout)}`], style);
  const rows = majorLayers.map((major, at) => [
    String(at + 1),
    String(major.imageSize),
    `${major.inputChannels} > ${major.outputChannels}`,
    kindsText(major.sublayers),
    String(major.coefficientBits),
    major.pooling ?? "",
    besidesText(major),
    String(major.slots),
    String(major.largestVolume),
  ]);
  return tableSection("Major layers", layoutColumns, rows, style);
}

const kindNames = { full: "3x3", pointwise: "1x1", depthwise: "dw" } as const;

/** `3 x 3x3`, or in turn `1x1 dw 1x1 dw`. */
function kindsText(sublayers: readonly CheckSublayer[]): string {
  const names = sublayers.map(({ kind }) => kindNames[kind]);
  const [first = ""] = names;
  const plain = names.every((name) => name === first);
  return plain ? `${names.length} x ${first}` : names.join(" ");
}

function besidesText(major: CheckMajorLayer): string {
  const { upsampling, shortcutStarts, gives, tenBits } = major;
  return [
    ...(upsampling === null ? [] : [`upsampling (${upsampling})`]),
    ...(shortcutStarts.length === 0 ? [] : [`shortcuts from ${shortcutStarts.join(", ")}`]),
    ...(gives === null ? [] : [`gives ${gives}`]),
    ...(tenBits ? ["10 bits"] : []),
  ].join("; ");
}

const memoryColumns: readonly Column[] = [
  left("sublayer"),
  left("layer"),
  left("kind"),
  left("channels"),
  right("kernels a slot"),
  right("slots"),
  right("sum"),
  right("of the memory"),
  right("volume"),
];

function memoryText({ majorLayers, memory, options }: CheckReport, style: Style): string {
  if (memory === null) return "";
  const rows = majorLayers.flatMap(({ sublayers }, major) =>
    sublayers.map((one, at) => [
      `${major + 1}.${at + 1}`,
      formatName(one.name),
      kindNames[one.kind],
      `${one.inputChannels} > ${one.outputChannels}`,
      String(one.kernelsPerSlot),
      String(one.slots),
      String(one.cumulativeSlots),
      shareText(one.cumulativeSlots, memory.slotLimit.value),
      String(one.volume),
    ]),
  );
  return (
    tableSection("Memory", memoryColumns, rows, style) +
    memoryLines(memory, options.chips, style)
      .map((line) => `  ${line}\n`)
      .join("")
  );
}

function memoryLines(
  { slots, slotLimit, largestVolume, volumeLimit }: NonNullable<CheckReport["memory"]>,
  chips: number,
  style: Style,
): readonly string[] {
  const doubt = (certain: boolean): string => (certain ? "" : ", a limit inferred, not printed");
  const chip = chips === 1 ? "the chip" : "each chip";
  const weights = `weights: ${slots} slots, and ${chip} takes less than ${slotLimit.value}`;
  const share = `${shareText(slots, slotLimit.value)}${doubt(slotLimit.certain)}`;
  const volume = `activations: ${largestVolume} in and out at most`;
  const limit =
    volumeLimit === null
      ? "; the chip's limit is not known"
      : `, and ${chip} takes ${volumeLimit.value} (${shareText(largestVolume, volumeLimit.value)}${doubt(volumeLimit.certain)})`;
  const isFull = chips === 1 && slots >= slotLimit.value;
  const isLarge = volumeLimit !== null && largestVolume > volumeLimit.value;
  return [
    style(isFull ? "bad" : "strong", `${weights} (${share})`),
    style(isLarge ? "bad" : "strong", volume + limit),
  ];
}

function shareText(part: number, whole: number): string {
  return formatPercent((100 * part) / whole, 1);
}

const cascadeColumns: readonly Column[] = [
  right("chip"),
  left("from layer"),
  left("to layer"),
  right("major layers"),
  right("sublayers"),
  right("slots"),
  right("of the memory"),
];

function cascadeText({ cascade, noCascade, memory }: CheckReport, style: Style): string {
  const none = noCascade === null ? "" : section("No cascade", [harmless(noCascade)], style);
  if (cascade === null || memory === null) return none;
  const rows = cascade.map(({ first, last, majorLayers, sublayers, slots }, at) => [
    String(at + 1),
    formatName(first),
    formatName(last),
    String(majorLayers),
    String(sublayers),
    String(slots),
    shareText(slots, memory.slotLimit.value),
  ]);
  const title = `Cascade of ${cascade.length} chip${cascade.length === 1 ? "" : "s"}`;
  return none + tableSection(title, cascadeColumns, rows, style);
}
