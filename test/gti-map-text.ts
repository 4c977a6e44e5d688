/** What tests of the chip mapping look at: its layout, rules and host layers as short texts, and that its parts hold. */
import { expect } from "vitest";
import type { Layout } from "../src/chips/gti/layout.ts";
import { chipPart } from "../src/chips/gti/map/chip-part.ts";
import type { ChipMapping, MapOptions } from "../src/chips/gti/map/mapping.ts";
import { verify } from "../src/ir/verify.ts";

export const options = (more: Partial<MapOptions> = {}): MapOptions => ({
  coefficientBits: 1,
  waive: new Set(),
  ...more,
});

/** A layout without names. */
export const bare = (layout: Layout | undefined): unknown =>
  layout && {
    ...layout,
    majors: layout.majors.map((major) => ({
      ...major,
      sublayers: major.sublayers.map((sublayer) => ({ ...sublayer, conv: "", output: "" })),
    })),
  };

/** `224:3>64x2 P` */
export const rows = ({ layout }: ChipMapping): readonly string[] =>
  (layout?.majors ?? []).map(
    ({ imageSize, inputChannels, outputChannels, sublayers, pooling, ...major }) =>
      [
        `${imageSize}:${inputChannels}>${outputChannels}x${sublayers.length}`,
        major.upsampling,
        ...(major.shortcutStarts.length > 0 ? [`sc${major.shortcutStarts.join(",")}`] : []),
        pooling,
        major.lastLayerOut ? "out" : undefined,
      ]
        .filter((part) => part !== undefined)
        .join(" "),
  );

export const rulesOf = ({ violations }: ChipMapping): readonly string[] =>
  violations.map(
    ({ rule, node, found, waived }) => `${waived ? "~" : ""}${rule} ${node}: ${found}`,
  );

export const hostOf = ({ host }: ChipMapping): readonly string[] => host.map(({ node }) => node);

export function expectSound(mapping: ChipMapping): void {
  verify(mapping.graph, "canonical");
  const { before, chip, after } = chipPart(mapping);
  for (const part of [before, chip, after]) if (part !== undefined) verify(part, "canonical");
  const ids = new Set(chip.outputs.map(({ id }) => id));
  expect(ids).toEqual(new Set(mapping.chip.outputs));
  expect(chip.nodes.filter(({ op }) => op === "input").map(({ id }) => id)).toEqual(
    mapping.chip.inputs,
  );
  const everywhere = [before, chip, after].flatMap((part) => part?.outputs ?? []);
  for (const { name, id } of mapping.graph.outputs) {
    expect(everywhere.filter((output) => output.id === id && output.name === name)).toHaveLength(1);
  }
}
