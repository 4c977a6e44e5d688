import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { followCuts } from "./follow-cuts.ts";
import type { Layout } from "./layout.ts";
import { layoutOf, mobilenet224, resnet50 } from "./reference-layouts.ts";

const countsOf = ({ majors }: Layout): readonly number[] =>
  majors.map(({ sublayers }) => sublayers.length);

/** The stages at 14 x 14 and 7 x 7 as the mapping makes them: as long as they may be. */
const long = layoutOf([
  [28, 64, 128, 8, 2, { pooling: "max", shortcuts: [3, 5, 7] }],
  [14, 128, 256, 12, 2, { shortcuts: [3, 5, 7, 9, 11] }],
  [14, 256, 256, 4, 2, { shortcuts: [1, 3] }],
  [14, 256, 512, 1, 2, { pooling: "max" }],
  [7, 512, 512, 5, 2, { shortcuts: [2, 4] }],
]);

describe("followCuts", () => {
  it("gives ResNet50 the major layers of its template", () => {
    const template = resnet50(2).majors.slice(3);
    const wanted = template.map((major) =>
      major.pooling === "sample" ? { ...major, pooling: "max" as const } : major,
    );
    const found = followCuts(
      long,
      template.map(({ sublayers }) => sublayers.length),
    );
    expect(found).toEqual({ ...long, majors: wanted });
  });

  it("comes back from any cuts that it has followed", () => {
    const flat = layoutOf([[14, 64, 64, 12, 2]]);
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 11 }));
    fc.assert(
      fc.property(cuts, (places) => {
        const bounds = [0, ...places.toSorted((a, b) => a - b), 12];
        const counts = bounds.slice(1).map((bound, at) => bound - (bounds[at] ?? 0));
        const cut = followCuts(flat, counts);
        expect(countsOf(cut)).toEqual(counts);
        expect(followCuts(cut, [12])).toEqual(flat);
      }),
    );
  });

  it("keeps ten bits in all layers, and a depthwise sublayer in front", () => {
    const wide = { ...layoutOf([[14, 64, 64, 2, 12, { tenBits: true }]], 2) };
    const cut = followCuts(wide, [1, 1]);
    expect(cut.majors.map(({ tenBits }) => tenBits)).toEqual([true, true]);
    const network = mobilenet224(12);
    const apart = followCuts(network, [1, 1, 2, 4, 4, 12, 3]);
    expect(countsOf(apart)).toEqual([1, 1, 2, 4, 4, 12, 3]);
    expect(followCuts(apart, [1, 3, 4, 4, 12, 3])).toEqual(network);
  });

  it.each([
    ["another sum", [8, 12, 4, 1, 4]],
    ["a cut inside a shortcut", [8, 5, 11, 1, 5]],
    ["no cut at a pooling", [20, 4, 1, 5]],
    ["no cut at a change of channels", [8, 12, 5, 5]],
    ["nothing", []],
    ["an empty major layer", [8, 0, 12, 4, 1, 5]],
  ])("leaves the layout as it is: %s", (_, counts) => {
    expect(followCuts(long, counts)).toBe(long);
  });
});
