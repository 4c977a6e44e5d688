/**
 * The GTI chips' limits on well-known networks: the sums of weight memory and activation memory that the vendor's
 * figures give, every rule broken once, and cascades.
 */
import { describe, expect, it } from "vitest";
import { checkLayout } from "../src/chips/gti/check-layout.ts";
import type { Layout, MajorLayer } from "../src/chips/gti/layout.ts";
import { memoryTable } from "../src/chips/gti/memory.ts";
import * as networks from "../src/chips/gti/reference-layouts.ts";
import { gti2801, gti2803, gti5801 } from "../src/chips/gti/targets.ts";
import type { LayeredTarget, RuleName } from "../src/target/layered-target.ts";

type Figure = readonly [name: string, layout: Layout, target: LayeredTarget, slots: number];

describe("weight memory", () => {
  const figures: readonly Figure[] = [
    ["VGG16 on the 2801", networks.vgg16(3, 1), gti2801, 457_216],
    ["VGG16 on the 5801", networks.vgg16(3, 1), gti5801, 456_832],
    ["GNetFC on the 2801", networks.gnetFc, gti2801, 391_680],
    ["VGG16 with 2 bits on the 2803", networks.vgg16(2, 2), gti2803, 408_832],
    ["VGG-like with 12 bits on the 2803", networks.vggLike(12), gti2803, 390_144],
    ["VGG-like with 8 bits on the 5801", networks.vggLike(8), gti5801, 389_376],
    ["ResNet18 on the 2803", networks.resnet18(2), gti2803, 308_480],
    ["ResNet18 on the 5801", networks.resnet18(1), gti5801, 308_288],
    ["GNetDet on the 5801", networks.gnetDetection, gti5801, 489_600],
    ["ResNet50 on the 2803", networks.resnet50(2), gti2803, 654_592],
    ["ResNet50 on the 5801", networks.resnet50(1), gti5801, 654_400],
  ];

  it.each(figures)("of %s", (_, layout, target, slots) => {
    expect(memoryTable(layout, target).slots).toBe(slots);
  });

  it("of MobileNet-224: nine 1x1 kernels a slot", () => {
    const { rows, slots, weightSlots } = memoryTable(networks.mobilenet224(12), gti2803);
    const pointwise = rows.filter(({ kind }) => kind === "pointwise");
    const kernels = pointwise.reduce((sum, row) => sum + row.inputChannels * row.outputChannels, 0);
    expect(kernels).toBe(3_139_584);
    // 348842.67, and each of the 13 sublayers rounded up.
    expect(pointwise.reduce((sum, row) => sum + row.slots, 0)).toBe(348_851);
    // Beside them 3 -> 32 channels, padded to 16, and 4960 depthwise kernels: 32 + 64 + ... + 1024.
    expect(slots).toBe(348_851 + 16 * 32 + 4960);
    expect(slots).toBeLessThan(weightSlots.value);
  });

  it("grows by each sublayer's share", () => {
    const { rows, slots } = memoryTable(networks.vgg16(3, 1), gti2801);
    expect(
      rows.slice(0, 3).map((row) => [row.major, row.sublayer, row.slots, row.cumulative]),
    ).toEqual([
      [1, 1, 512, 512],
      [1, 2, 2048, 2560],
      [2, 1, 4096, 6656],
    ]);
    expect(rows.at(-1)?.cumulative).toBe(slots);
  });
});

describe("activation memory", () => {
  const plane = 224 * 224;
  it.each([
    ["MobileNet-448 on the 5801", networks.mobilenet448(8, [32, 64]), gti5801, 96 * plane],
    ["MobileNet-448 on the 2803", networks.mobilenet448(12, [16, 32]), gti2803, 80 * plane],
    ["VGG16 on the 2801", networks.vgg16(3, 1), gti2801, 80 * plane],
    ["GNetDet on the 5801", networks.gnetDetection, gti5801, 80 * plane],
    ["deconvolutions on the 5801", networks.deconvolutions, gti5801, 80 * plane],
  ] as const)("of %s", (_, layout, target, volume) => {
    expect(memoryTable(layout, target).largestVolume).toBe(volume);
  });

  it("is not known of the 2801", () => {
    expect(memoryTable(networks.gnetFc, gti2801).activationVolume).toBeUndefined();
  });
});

const none: ReadonlySet<RuleName> = new Set();

function rulesOf(layout: Layout, target: LayeredTarget, chips?: number): readonly string[] {
  const options = chips === undefined ? { waive: none } : { waive: none, chips };
  return checkLayout(layout, target, options).map(({ rule }) => rule);
}

describe("shipped networks", () => {
  it.each([
    ["VGG16", networks.vgg16(3, 1), gti2801],
    ["VGG16", networks.vgg16(3, 1), gti5801],
    ["GNetFC", networks.gnetFc, gti2801],
    ["VGG-like", networks.vggLike(12), gti2803],
    ["ResNet18", networks.resnet18(2), gti2803],
    ["ResNet18", networks.resnet18(1), gti5801],
    ["MobileNet-224", networks.mobilenet224(12), gti2803],
    ["MobileNet-224", networks.mobilenet224(8), gti5801],
    ["MobileNet-448", networks.mobilenet448(12, [16, 32]), gti2803],
    ["MobileNet-448", networks.mobilenet448(8, [32, 64]), gti5801],
    ["deconvolutions", networks.deconvolutions, gti5801],
  ] as const)("%s breaks no rule", (_, layout, target) => {
    expect(checkLayout(layout, target, { waive: none })).toEqual([]);
  });

  it("one of them is above the printed limit, and can be waived", () => {
    const [violation, ...others] = checkLayout(networks.gnetDetection, gti5801, {
      waive: new Set<RuleName>(["weight-memory"]),
    });
    expect(others).toEqual([]);
    expect(violation).toMatchObject({
      rule: "weight-memory",
      limit: "less than 489216 slots of weights",
      found: "489600 slots",
      waived: true,
    });
  });

  it("ResNet50 is too large for one chip and fits on two to four", () => {
    const layout = networks.resnet50(2);
    expect(rulesOf(layout, gti2803)).toEqual(["major-layers", "weight-memory", "mixed-pooling"]);
    for (const chips of [2, 3, 4]) expect(rulesOf(layout, gti2803, chips)).toEqual([]);
    expect(rulesOf(layout, gti2803, 60)).toEqual(["cascade"]);
  });
});

/** The network with some fields of one major layer (from 0) changed. */
function changed(layout: Layout, at: number, fields: Partial<MajorLayer>): Layout {
  return {
    ...layout,
    majors: layout.majors.map((major, index) => (index === at ? { ...major, ...fields } : major)),
  };
}

describe("rules", () => {
  const vgg = networks.vgg16(3, 1);
  const mobile = networks.mobilenet224(8);
  const resnet = networks.resnet18(1);
  const upsampled = networks.deconvolutions;

  it.each<[string, Layout, LayeredTarget, readonly RuleName[]]>([
    ["a size", changed(vgg, 0, { imageSize: 200 }), gti2801, ["image-size", "image-size"]],
    [
      "a size that does not follow",
      changed(vgg, 1, { imageSize: 56 }),
      gti2801,
      ["image-size", "image-size"],
    ],
    [
      "896 on the 2803",
      networks.layoutOf([[896, 3, 16, 1, 2, { pooling: "max" }]]),
      gti2803,
      ["image-size", "activation-memory"],
    ],
    [
      "3 rows out",
      networks.layoutOf([[7, 3, 16, 1, 1, { pooling: "max" }]]),
      gti5801,
      ["image-size"],
    ],
    [
      "4 input channels on the 2801",
      networks.layoutOf([[224, 4, 64, 1, 3]]),
      gti2801,
      ["input-channels"],
    ],
    ["48 channels", networks.layoutOf([[112, 3, 48, 1, 3]]), gti2801, ["channels"]],
    ["8 channels on the 2803", networks.layoutOf([[112, 3, 8, 1, 2]]), gti2803, ["channels"]],
    ["2048 channels", networks.layoutOf([[14, 3, 2048, 1, 2]]), gti2803, ["channels"]],
    [
      "channels that do not follow",
      changed(vgg, 1, { inputChannels: 32 }),
      gti2801,
      ["channels", "channels"],
    ],
    ["2 bits on the 2801", networks.layoutOf([[112, 3, 64, 1, 2]]), gti2801, ["coefficient-bits"]],
    ["13 sublayers", networks.layoutOf([[28, 3, 16, 13, 1]]), gti5801, ["sublayers"]],
    ["no sublayer", networks.layoutOf([[28, 3, 16, 0, 1]]), gti5801, ["sublayers"]],
    ["nothing", networks.layoutOf([]), gti5801, ["major-layers"]],
    [
      "a top-left pooling among max ones",
      changed(vgg, 2, { pooling: "sample" }),
      gti2801,
      ["mixed-pooling"],
    ],
    [
      "zeros with max pooling",
      changed(upsampled, 3, { upsampling: "zeros" }),
      gti5801,
      ["upsampling"],
    ],
    [
      "upsampling on the 2801",
      networks.layoutOf([[112, 3, 16, 1, 3, { upsampling: "repeat" }]]),
      gti2801,
      ["upsampling"],
    ],
    [
      "a shortcut of unequal channels",
      changed(resnet, 3, { shortcutStarts: [1] }),
      gti5801,
      ["shortcut"],
    ],
    ["a shortcut that leaves", changed(resnet, 3, { shortcutStarts: [4] }), gti5801, ["shortcut"]],
    [
      "shortcuts that overlap",
      changed(resnet, 2, { shortcutStarts: [1, 2] }),
      gti5801,
      ["shortcut"],
    ],
    [
      "a shortcut on the 2801",
      networks.layoutOf([[112, 3, 64, 3, 3, { shortcuts: [2] }]]),
      gti2801,
      ["shortcut"],
    ],
    [
      "two output modes",
      changed(changed(vgg, 0, { learning: true }), 2, { lastLayerOut: true }),
      gti2801,
      ["output-mode"],
    ],
    [
      "10 bits on the 2801",
      networks.layoutOf([[14, 3, 16, 1, 3, { tenBits: true }]], 1),
      gti2801,
      ["activation-bits"],
    ],
    [
      "10 bits of two sublayers",
      networks.layoutOf([[14, 3, 16, 2, 1, { tenBits: true }]], 1),
      gti5801,
      ["activation-bits"],
    ],
    [
      "10 bits in the middle",
      changed(vgg, 1, { tenBits: true }),
      gti5801,
      ["activation-bits", "activation-bits"],
    ],
    [
      "1024 channels of 10 bits",
      networks.layoutOf([[14, 3, 1024, 1, 1, { tenBits: true }]], 2),
      gti5801,
      ["channels"],
    ],
    [
      "depthwise and 1x1 on the 2801",
      networks.layoutOf([[28, 3, 16, 2, 3, { oneCoef: [1, 0] }]]),
      gti2801,
      ["depthwise", "kernel"],
    ],
    ["too large a map", networks.layoutOf([[448, 3, 64, 1, 1]]), gti5801, ["activation-memory"]],
    [
      "too many major layers",
      networks.layoutOf(
        [8, 7, 6, 5, 4, 3, 2, 1].map((_, at) => [14, at === 0 ? 3 : 16, 16, 1, 1] as const),
      ),
      gti5801,
      ["major-layers"],
    ],
  ])("%s", (_, layout, target, rules) => {
    expect(rulesOf(layout, target)).toEqual(rules);
  });

  it("all come at once, and only the waived ones are marked", () => {
    const layout = changed(changed(mobile, 0, { pooling: "max" }), 5, { coefficientBits: 2 });
    const violations = checkLayout(layout, gti5801, {
      waive: new Set<RuleName>(["mixed-pooling"]),
    });
    expect(violations.map(({ rule, waived }) => [rule, waived])).toEqual([
      ["coefficient-bits", false],
      ["mixed-pooling", true],
    ]);
  });
});
