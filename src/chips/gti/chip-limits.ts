/**
 * What one chip holds of a run of major layers: how many, how many weights, one kind of pooling. What concerns a
 * single major layer is in major-limits.ts; a cascade asks these of each chip.
 */
import type { LayeredTarget, RuleName } from "../../target/layered-target.ts";
import type { MajorLayer } from "./layout.ts";
import { slotsOfMajors } from "./memory.ts";

/** A violation before anyone has asked whether it is waived. */
export type Breach = {
  readonly rule: RuleName;
  readonly node: string;
  readonly limit: string;
  readonly found: string;
  readonly hint: string;
};

/** All limits of one chip that the major layers break together. */
export function chipBreaches(
  majors: readonly MajorLayer[],
  target: LayeredTarget,
): readonly Breach[] {
  return [
    ...countBreaches(majors, target),
    ...weightBreaches(majors, target),
    ...poolingBreaches(majors),
    ...upsamplingBreaches(majors),
  ];
}

const chip = "the chip";

function countBreaches(
  majors: readonly MajorLayer[],
  { majorLayers }: LayeredTarget,
): readonly Breach[] {
  if (majors.length <= majorLayers.value) return [];
  return [
    {
      rule: "major-layers",
      node: chip,
      limit: `at most ${majorLayers.value} major layers${doubt(majorLayers.certain)}`,
      found: String(majors.length),
      hint: "Join neighbours of one size and bits, or use more chips",
    },
  ];
}

function weightBreaches(majors: readonly MajorLayer[], target: LayeredTarget): readonly Breach[] {
  const slots = slotsOfMajors(majors, target);
  const { value, certain } = target.weightSlots;
  if (slots < value) return [];
  return [
    {
      rule: "weight-memory",
      node: chip,
      limit: `less than ${value} slots of weights${doubt(certain)}`,
      found: `${slots} slots`,
      hint: "Use fewer bits or channels in the largest layers, or more chips",
    },
  ];
}

function poolingBreaches(majors: readonly MajorLayer[]): readonly Breach[] {
  const places = (kind: string) => numbersOf(majors, ({ pooling }) => pooling === kind);
  const [max, sample] = [places("max"), places("sample")];
  if (max.length === 0 || sample.length === 0) return [];
  return [
    {
      rule: "mixed-pooling",
      node: chip,
      limit: "one kind of pooling",
      found: `max in major layers ${max.join(", ")}, top-left in ${sample.join(", ")}`,
      hint: "A convolution of stride 2 counts as top-left; use one kind, or cut between them",
    },
  ];
}

function upsamplingBreaches(majors: readonly MajorLayer[]): readonly Breach[] {
  const places = (want: (major: MajorLayer) => boolean) => numbersOf(majors, want);
  const repeat = places(({ upsampling }) => upsampling === "repeat");
  const zeros = places(({ upsampling }) => upsampling === "zeros");
  const max = places(({ pooling }) => pooling === "max");
  const sample = places(({ pooling }) => pooling === "sample");
  const wrongRepeat = repeat.length > 0 && (sample.length > 0 || zeros.length > 0);
  const wrongZeros = zeros.length > 0 && max.length > 0;
  if (!wrongRepeat && !wrongZeros) return [];
  const counts = [
    `${repeat.length} repeat`,
    `${zeros.length} zeros`,
    `${max.length} max`,
    `${sample.length} top-left`,
  ];
  return [
    {
      rule: "upsampling",
      node: chip,
      limit: "repeat only with max pooling, zeros only with top-left pooling",
      found: counts.join(", "),
      hint: "Use one pair of kinds in all major layers of a chip",
    },
  ];
}

/** Major layers (from 1) that are wanted. */
function numbersOf(
  majors: readonly MajorLayer[],
  want: (major: MajorLayer) => boolean,
): readonly number[] {
  return majors.flatMap((major, at) => (want(major) ? [at + 1] : []));
}

/** Behind a limit that the vendor did not print. */
export function doubt(certain: boolean): string {
  return certain ? "" : " (inferred, not printed)";
}
