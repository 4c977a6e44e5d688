/**
 * What a chip allows inside each major layer: size, channels, bits, sublayers, kinds, shortcuts and the activation
 * memory.
 */
import type { LayeredTarget } from "../../target/layered-target.ts";
import { type Breach, doubt } from "./chip-limits.ts";
import {
  convolvedSize,
  type Layout,
  type MajorLayer,
  outputSize,
  type Sublayer,
} from "./layout.ts";
import { memoryTable } from "./memory.ts";

/** A major layer with its place and what comes before it. */
type Place = {
  readonly major: MajorLayer;
  readonly node: string;
  readonly before: MajorLayer | undefined;
  readonly isLast: boolean;
  readonly layout: Layout;
  readonly target: LayeredTarget;
};

type Check = (place: Place) => readonly Breach[];

/** All limits that single major layers break, in the order of the layers. */
export function majorBreaches(layout: Layout, target: LayeredTarget): readonly Breach[] {
  const { majors } = layout;
  return majors.flatMap((major, at) => {
    const place: Place = {
      ...{ major, layout, target },
      node: `major layer ${at + 1}`,
      before: majors[at - 1],
      isLast: at === majors.length - 1,
    };
    return checks.flatMap((check) => check(place));
  });
}

const checks: readonly Check[] = [
  checkImageSize,
  checkInputChannels,
  checkChannels,
  checkBits,
  checkSublayers,
  checkKinds,
  checkPooling,
  checkUpsampling,
  checkShortcuts,
];

function breach(
  { node }: Place,
  rule: Breach["rule"],
  limit: string,
  found: string,
  hint: string,
): Breach {
  return { rule, node, limit, found, hint };
}

/** 7 rows are what pooling 14 gives: every chip hands that on. */
const pooledSize = 7;

function checkImageSize(place: Place): readonly Breach[] {
  const { major, before, target } = place;
  const allowed = target.imageSizes;
  const list = allowed.join(", ");
  const hint = "Resize the network's picture so that maps get these sizes";
  const sizes = [...new Set([major.imageSize, convolvedSize(major)])];
  const wrong = sizes.filter((size) => !allowed.includes(size));
  const output = outputSize(major);
  const handsOn = output === pooledSize || allowed.includes(output);
  const expected = before === undefined ? undefined : outputSize(before);
  return [
    ...wrong.map((size) => breach(place, "image-size", `sizes ${list}`, String(size), hint)),
    ...(handsOn || wrong.length > 0
      ? []
      : [breach(place, "image-size", `outputs of ${list} or ${pooledSize}`, String(output), hint)]),
    ...(expected === undefined || expected === major.imageSize
      ? []
      : [
          breach(
            place,
            "image-size",
            `${expected}, what the major layer before gives`,
            String(major.imageSize),
            "A major layer takes the map of the one before it",
          ),
        ]),
  ];
}

function checkInputChannels(place: Place): readonly Breach[] {
  const { major, before, target } = place;
  const given = before?.outputChannels;
  if (given !== undefined && given !== major.inputChannels) {
    const limit = `${given} input channels, what the major layer before gives`;
    const hint = "A major layer takes the map of the one before it";
    return [breach(place, "channels", limit, String(major.inputChannels), hint)];
  }
  if (before !== undefined || target.inputChannels.includes(major.inputChannels)) return [];
  const limit = `${target.inputChannels.join(" or ")} channels of the picture`;
  const hint = "Compute the first layers on the host, or give pictures of these channels";
  return [breach(place, "input-channels", limit, String(major.inputChannels), hint)];
}

/**
 * Powers of two between the chip's bounds, and one count inside a major layer. Behind the network's last upsampling
 * other counts are padded with channels that the host drops.
 */
function checkChannels(place: Place): readonly Breach[] {
  const { major, isLast, layout, target } = place;
  const most = target.maxChannels / (layout.activationBitMode === 2 ? 2 : 1);
  const least = target.minChannels.output;
  const padded = isLast && major.upsampling !== undefined;
  const isGood = (count: number) =>
    count <= most && (padded || (count >= least && Number.isInteger(Math.log2(count))));
  const counts = new Set(major.sublayers.map(({ outputChannels }) => outputChannels));
  const wrong = [...counts.add(major.outputChannels)].filter((count) => !isGood(count));
  const limit = `a power of two from ${least} to ${most} output channels`;
  const hint = "Pad with channels of zero weights, or change the network's width";
  return [
    ...wrong.map((count) => breach(place, "channels", limit, String(count), hint)),
    ...chainBreaches(place),
  ];
}

/** Sublayers take what the one before gives, and end with the major layer's channels. */
function chainBreaches(place: Place): readonly Breach[] {
  const { sublayers, inputChannels, outputChannels } = place.major;
  const broken = sublayers.flatMap((sublayer, at) => {
    const given = sublayers[at - 1]?.outputChannels ?? inputChannels;
    const fits = sublayer.inputChannels === given && keepsCount(sublayer, outputChannels);
    return fits ? [] : [`sublayer ${at + 1}: ${sublayer.inputChannels}>${sublayer.outputChannels}`];
  });
  const last = sublayers.at(-1);
  const ends = last === undefined || last.outputChannels === outputChannels;
  if (broken.length === 0 && ends) return [];
  const limit = `${inputChannels}>${outputChannels} in the first sublayer, ${outputChannels} in the others`;
  const found = broken.length > 0 ? broken.join(", ") : `${last?.outputChannels} at the end`;
  const hint = "A change of channels starts a major layer";
  return [breach(place, "channels", limit, found, hint)];
}

function keepsCount(
  { kind, inputChannels, outputChannels: own }: Sublayer,
  output: number,
): boolean {
  return kind === "depthwise" ? own === inputChannels : own === output;
}

function checkBits(place: Place): readonly Breach[] {
  const { major, target } = place;
  const allowed = target.weightModes.map(({ bits }) => bits);
  if (allowed.includes(major.coefficientBits)) return [];
  const limit = `weights of ${allowed.join(", ")} bits`;
  const hint = "Choose another precision, or another chip";
  return [breach(place, "coefficient-bits", limit, String(major.coefficientBits), hint)];
}

function checkSublayers(place: Place): readonly Breach[] {
  const { major, target } = place;
  const { value, certain } = target.sublayers;
  const count = major.sublayers.length;
  if (count >= 1 && count <= value) return [];
  const limit = `1 to ${value} sublayers${doubt(certain)}`;
  const hint = "Cut the major layer in two, which needs no pooling between them";
  return [breach(place, "sublayers", limit, String(count), hint)];
}

function checkKinds(place: Place): readonly Breach[] {
  const { major, target } = place;
  const of = (kind: Sublayer["kind"]) =>
    major.sublayers.flatMap((one, at) => (one.kind === kind ? [at + 1] : []));
  const [depthwise, pointwise, full] = [of("depthwise"), of("pointwise"), of("full")];
  const hint = "The 2803 and the 5801 have it";
  const mixed = depthwise.length > 0 && full.length > 0;
  return [
    ...(target.depthwise || depthwise.length === 0
      ? []
      : [breach(place, "depthwise", "3x3 over all channels", subs(depthwise), hint)]),
    ...(target.pointwise || pointwise.length === 0
      ? []
      : [breach(place, "kernel", "3x3", `1x1 in ${subs(pointwise)}`, hint)]),
    ...(mixed
      ? [
          breach(
            place,
            "depthwise",
            "3x3 over all channels and 3x3 within each channel in different major layers",
            `${subs(full)} and ${subs(depthwise)}`,
            "End the major layer between them",
          ),
        ]
      : []),
  ];
}

function subs(numbers: readonly number[]): string {
  return `sublayer ${numbers.join(", ")}`;
}

function checkPooling(place: Place): readonly Breach[] {
  const { major, target } = place;
  if (major.pooling === undefined || target.poolings.includes(major.pooling)) return [];
  const hint = "Use the other kind";
  return [breach(place, "pooling", target.poolings.join(" or "), major.pooling, hint)];
}

function checkUpsampling(place: Place): readonly Breach[] {
  const { major, target } = place;
  if (major.upsampling === undefined || target.upsampling) return [];
  const hint = "Leave the upsampling to the host, or take another chip";
  return [breach(place, "upsampling", "no upsampling", major.upsampling, hint)];
}

/** Equal channels at both ends, two sublayers, inside the major layer, none overlapping. */
function checkShortcuts(place: Place): readonly Breach[] {
  const { major, target } = place;
  const starts = major.shortcutStarts;
  const wrong = starts.flatMap((start, at) => {
    const [first, second] = [major.sublayers[start - 1], major.sublayers[start]];
    const previous = starts[at - 1];
    if (first === undefined || second === undefined)
      return [`from ${start}: leaves the major layer`];
    if (previous !== undefined && start < previous + 2) return [`from ${start}: inside another`];
    if (first.inputChannels === second.outputChannels) return [];
    return [`from ${start}: ${first.inputChannels} and ${second.outputChannels} channels`];
  });
  const hint = "Align the blocks with the major layers, or compute the sum on the host";
  return [
    ...(target.shortcuts || starts.length === 0
      ? []
      : [breach(place, "shortcut", "no shortcuts", `from sublayer ${starts.join(", ")}`, hint)]),
    ...(wrong.length === 0
      ? []
      : [
          breach(
            place,
            "shortcut",
            "shortcuts over two sublayers of one major layer with equal channels",
            wrong.join("; "),
            hint,
          ),
        ]),
  ];
}

/** Sublayers whose input and output together are too large for the activation memory. */
export function activationBreaches(layout: Layout, target: LayeredTarget): readonly Breach[] {
  const limit = target.activationVolume;
  if (limit === undefined) return [];
  return memoryTable(layout, target)
    .rows.filter(({ volume }) => volume > limit.value)
    .map(({ major, sublayer, volume }) => ({
      rule: "activation-memory",
      node: `major layer ${major}`,
      limit: `at most ${limit.value} activations in and out${doubt(limit.certain)}`,
      found: `${volume} in sublayer ${sublayer}`,
      hint: "Use fewer channels while the map is large",
    }));
}
