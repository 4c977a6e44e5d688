/** Cascades: the vendor's cuts where it has some, and what every plan promises. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CoefficientBits } from "../../target/layered-target.ts";
import { type CascadePlan, type Cut, findCascade, planCascade } from "./cascade.ts";
import { chipBreaches } from "./chip-limits.ts";
import type { Layout } from "./layout.ts";
import { layoutOf, resnet50, resnet152, vgg16 } from "./reference-layouts.ts";
import { gti2801, gti2803, gti5801 } from "./targets.ts";

function cutsAfter(...majors: readonly number[]): readonly Cut[] {
  return majors.map((major) => ({ major, sublayer: undefined }));
}

function slotsOfChips({ chips }: CascadePlan): readonly number[] {
  return chips.map(({ slots }) => slots);
}

describe("ResNet50", () => {
  it.each([
    [2, [7]],
    [3, [5, 7]],
    [4, [5, 6, 7]],
  ] as const)("on %i chips is cut as the vendor cuts it", (chips, cuts) => {
    expect(planCascade(resnet50(2), gti2803, { chips }).cuts).toEqual(cutsAfter(...cuts));
    expect(planCascade(resnet50(1), gti5801, { chips }).cuts).toEqual(cutsAfter(...cuts));
  });

  it("needs two chips", () => {
    const plan = planCascade(resnet50(2), gti2803);
    expect(slotsOfChips(plan)).toEqual([294_144, 360_448]);
  });

  it("has its sixth and seventh major layer joined where a chip holds six", () => {
    const [first] = planCascade(resnet50(2), gti2803).chips;
    expect(first?.layout.majors).toHaveLength(6);
    const last = first?.layout.majors.at(-1);
    expect(last?.sublayers).toHaveLength(12);
    expect(last?.shortcutStarts).toEqual([1, 3, 5, 7, 9, 11]);
    const [own] = planCascade(resnet50(1), gti5801).chips;
    expect(own?.layout.majors).toHaveLength(7);
  });

  it("on more chips is also cut inside major layers, never inside a shortcut", () => {
    const layout = resnet50(2);
    const { cuts, chips } = planCascade(layout, gti2803, { chips: 9 });
    expect(chips).toHaveLength(9);
    for (const { major, sublayer } of cuts) {
      if (sublayer === undefined) continue;
      expect(layout.majors[major - 1]?.shortcutStarts).not.toContain(sublayer);
    }
  });

  it("gets as many bits as each memory takes", () => {
    const { chips } = planCascade(resnet50(2), gti2803, { chips: 4, bitsAsHighAsFit: true });
    expect(chips.map(({ layout }) => layout.majors.map((major) => major.coefficientBits))).toEqual([
      [12, 12, 12, 12, 12],
      [12],
      [12],
      [12, 2, 2],
    ]);
    expect(chips.map(({ slots }) => slots)).toEqual([390_144, 393_216, 393_216, 458_752]);
  });
});

describe("ResNet152", () => {
  it("has four poolings on the first chip and one on the last", () => {
    const { chips } = planCascade(resnet152(2), gti2803);
    const poolings = chips.map(({ layout }) =>
      layout.majors.flatMap(({ pooling }) => pooling ?? []),
    );
    expect(poolings[0]).toEqual(["max", "max", "max", "max"]);
    expect(poolings.at(-1)).toEqual(["sample"]);
    expect(poolings.slice(1, -1).flat()).toEqual([]);
    expect(chips.length).toBe(4);
  });
});

describe("no cascade", () => {
  it("where one part alone is too large", () => {
    const layout = layoutOf([
      [14, 3, 256, 1, 12],
      [14, 256, 512, 1, 12, { pooling: "max" }],
      [7, 512, 512, 2, 12],
    ]);
    expect(() => planCascade(layout, gti2803)).toThrow(
      /from major layer 2 to the end, which cannot be cut: the network cannot be cut over the chips: expected less than 489216 slots.*got 655360 slots/,
    );
  });

  it("of more chips than there are places", () => {
    expect(() => planCascade(vgg16(3, 1), gti2801, { chips: 60 })).toThrow(
      /at most 13 chips: it can be cut at 12 places, got 60/,
    );
  });

  it("of fewer chips than it needs", () => {
    expect(() => planCascade(resnet50(2), gti2803, { chips: 1 })).toThrow(
      /expected 1 chips, got at least 2/,
    );
  });

  it("of a number that is none", () => {
    for (const chips of [0, 1.5, -2, Number.NaN]) {
      expect(() => planCascade(vgg16(3, 1), gti2801, { chips })).toThrow(/whole number of chips/);
    }
  });

  it("of maps that no memory holds", () => {
    expect(() => planCascade(layoutOf([[448, 3, 64, 2, 1]]), gti5801)).toThrow(
      /activations in and out/,
    );
  });

  it("of 10-bit layers, which a chip cannot hand on", () => {
    const layout = layoutOf(
      [
        [14, 3, 512, 3, 8],
        [14, 512, 512, 3, 8],
      ],
      2,
    );
    expect(() => planCascade(layout, gti5801)).toThrow(/cannot be cut/);
  });

  it("behind a major layer with an output of its own", () => {
    const layout = resnet152(2);
    const majors = layout.majors.map((major, at) => ({ ...major, lastLayerOut: at === 4 }));
    expect(() => planCascade({ ...layout, majors }, gti2803)).toThrow(/cannot be cut/);
  });
});

/** Runs of convolutions at a size that halves now and then. */
const layouts: fc.Arbitrary<Layout> = fc
  .record({
    channels: fc.array(fc.constantFrom(16, 64, 128, 256, 512), { minLength: 1, maxLength: 12 }),
    counts: fc.array(fc.integer({ min: 1, max: 14 }), { minLength: 12, maxLength: 12 }),
    pools: fc.array(fc.constantFrom("max", "sample", undefined), { minLength: 12, maxLength: 12 }),
    bits: fc.array(fc.constantFrom<CoefficientBits>(2, 5, 12), { minLength: 12, maxLength: 12 }),
    shortcuts: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ channels, counts, pools, bits, shortcuts }) => {
    let size = 56;
    return layoutOf(
      channels.map((output, at) => {
        const count = counts[at] ?? 1;
        const pooling = size > 7 ? pools[at] : undefined;
        const starts = Array.from({ length: Math.floor((count - 1) / 2) }, (_, k) => 2 * k + 2);
        const row = [size, at === 0 ? 3 : channels[at - 1]!, output, count, bits[at] ?? 2] as const;
        if (pooling !== undefined) size /= 2;
        return [
          ...row,
          {
            ...(pooling === undefined ? {} : { pooling }),
            shortcuts: shortcuts[at] === true ? starts : [],
          },
        ] as const;
      }),
    );
  });

describe("every plan", () => {
  const options = fc.record({ raise: fc.boolean(), target: fc.constantFrom(gti2803, gti5801) });

  it("keeps the memories, and holds the network's sublayers in their order", () => {
    let plans = 0;
    fc.assert(
      fc.property(layouts, options, (layout, { raise, target }) => {
        const plan = findCascade(layout, target, { bitsAsHighAsFit: raise });
        if (!("chips" in plan)) return;
        plans++;
        for (const chip of plan.chips) {
          expect(chipBreaches(chip.layout.majors, target)).toEqual([]);
          expect(chip.slots).toBeLessThan(target.weightSlots.value);
        }
        const planned = plan.chips.flatMap(({ layout: { majors } }) => majors);
        expect(planned.flatMap(({ sublayers }) => sublayers)).toEqual(
          layout.majors.flatMap(({ sublayers }) => sublayers),
        );
        expect(shortcutsOf(planned)).toEqual(shortcutsOf(layout.majors));
        expect(planned.flatMap(({ pooling }) => pooling ?? [])).toEqual(
          layout.majors.flatMap(({ pooling }) => pooling ?? []),
        );
      }),
      { numRuns: 150 },
    );
    expect(plans).toBeGreaterThan(20);
  });

  it("of the fewest chips is one below which there is none", () => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const plan = findCascade(layout, gti2803, {});
        if (!("chips" in plan) || plan.chips.length === 1) return;
        const fewer = findCascade(layout, gti2803, { chips: plan.chips.length - 1 });
        expect("chips" in fewer).toBe(false);
      }),
      { numRuns: 60 },
    );
  });
});

/** Shortcuts by the number of their first sublayer in the whole network. */
function shortcutsOf(majors: Layout["majors"]): readonly number[] {
  let before = 0;
  return majors.flatMap(({ shortcutStarts, sublayers }) => {
    const starts = shortcutStarts.map((start) => start + before);
    before += sublayers.length;
    return starts;
  });
}
