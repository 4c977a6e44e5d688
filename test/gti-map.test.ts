/** Networks on the GTI chips: what goes on the chip, as which major layers, and why the rest does not. */
import { describe, expect, it } from "vitest";
import type { Layout } from "../src/chips/gti/layout.ts";
import { capGroups } from "../src/chips/gti/map/cap-groups.ts";
import { chipPart } from "../src/chips/gti/map/chip-part.ts";
import { mapToChip } from "../src/chips/gti/map/map-to-chip.ts";
import type { ChipMapping, MapOptions } from "../src/chips/gti/map/mapping.ts";
import * as reference from "../src/chips/gti/reference-layouts.ts";
import { gti2801, gti2803, gti5801 } from "../src/chips/gti/targets.ts";
import type { Graph } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { mobilenetNet, NetBuilder, resnet18Net, vgg16Net } from "./gti-nets.ts";

const options = (more: Partial<MapOptions> = {}): MapOptions => ({
  coefficientBits: 1,
  waive: new Set(),
  ...more,
});

/** A layout without names. */
const bare = (layout: Layout | undefined): unknown =>
  layout && {
    ...layout,
    majors: layout.majors.map((major) => ({
      ...major,
      sublayers: major.sublayers.map((sublayer) => ({ ...sublayer, conv: "", output: "" })),
    })),
  };

/** `224:3>64x2 P` */
const rows = ({ layout }: ChipMapping): readonly string[] =>
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

const rulesOf = ({ violations }: ChipMapping): readonly string[] =>
  violations.map(
    ({ rule, node, found, waived }) => `${waived ? "~" : ""}${rule} ${node}: ${found}`,
  );

const hostOf = ({ host }: ChipMapping): readonly string[] => host.map(({ node }) => node);

function expectSound(mapping: ChipMapping): void {
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

describe("layouts of the templates", () => {
  it("VGG16", () => {
    const net = vgg16Net();
    net.classifier();
    const mapping = mapToChip(net.graph(), gti2801, options({ coefficientBits: [3, 3, 3, 1, 1] }));
    expectSound(mapping);
    expect(bare(mapping.layout)).toEqual(reference.vgg16(3, 1));
    expect(mapping.violations).toEqual([]);
    expect(hostOf(mapping)).toEqual(["gap", "flat", "fc"]);
    const perConv = [...Array<3>(7).fill(3), ...Array<1>(6).fill(1)];
    const same = mapToChip(net.graph(), gti2801, options({ coefficientBits: perConv }));
    expect(same.layout).toEqual(mapping.layout);
    expect(same.chip.convolutions.map(({ bits }) => bits)).toEqual(perConv);
  });

  it("MobileNet 224, whose strides become samples", () => {
    const net = mobilenetNet(224);
    net.classifier();
    for (const [target, bits] of [
      [gti2803, 12],
      [gti5801, 8],
    ] as const) {
      const mapping = mapToChip(net.graph(), target, options({ coefficientBits: bits }));
      expectSound(mapping);
      expect(bare(mapping.layout)).toEqual(reference.mobilenet224(bits));
      expect(mapping.violations).toEqual([]);
    }
  });

  it("MobileNet 448", () => {
    const graph = mobilenetNet(448, 16, 32).graph();
    const mapping = mapToChip(graph, gti2803, options({ coefficientBits: 12 }));
    expectSound(mapping);
    expect(bare(mapping.layout)).toEqual(reference.mobilenet448(12, [16, 32]));
  });

  it("ResNet18, and caps along its shortcuts", () => {
    const net = resnet18Net();
    net.classifier();
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 2 }));
    expectSound(mapping);
    expect(bare(mapping.layout)).toEqual(reference.resnet18(2));
    expect(mapping.violations).toEqual([]);
    const groups = capGroups(mapping);
    expect(groups.map((group) => group.length)).toEqual([3, 2, 2, 2]);
    // The first block starts behind a pooling: the cap is the convolution's before it.
    expect(groups[0]).toEqual(["conv5_relu", "add9_relu", "add12_relu"]);
  });

  it("up and down: Deconvolutions are upsampling, and give three planes", () => {
    const net = new NetBuilder(448);
    for (const channels of [16, 32, 64]) {
      net.conv(channels);
      net.pool("max");
    }
    for (const channels of [32, 16, 3]) {
      net.upsample("repeat");
      net.conv(channels);
    }
    const mapping = mapToChip(net.graph(), gti5801, options({ coefficientBits: 8 }));
    expectSound(mapping);
    expect(bare(mapping.layout)).toEqual(reference.deconvolutions);
    expect(mapping.host).toEqual([]);
    expect(chipPart(mapping).after).toBeUndefined();
  });

  it("detection at 448: bits change within one resolution", () => {
    const net = new NetBuilder(448);
    for (const [count, channels, pooled] of [
      [1, 64, true],
      [1, 64, true],
      [2, 128, true],
      [3, 256, true],
      [3, 256, true],
      [6, 256, false],
    ] as const) {
      for (let at = 0; at < count; at++) net.conv(channels);
      if (pooled) net.pool("max");
    }
    const bits = [...Array<3>(13).fill(3), ...Array<8>(3).fill(8)];
    const mapping = mapToChip(net.graph(), gti5801, options({ coefficientBits: bits }));
    expect(bare(mapping.layout)).toEqual(reference.gnetDetection);
    expect(() => mapToChip(net.graph(), gti5801, options({ coefficientBits: [3, 8] }))).toThrow(
      /expected 6 \(major layers\) or 16 \(convolutions\), got 2/,
    );
  });

  it("SSD: heads read the middle before pooling", () => {
    const net = vgg16Net();
    const graph = ssdOf(net);
    const mapping = mapToChip(graph, gti5801, options({ coefficientBits: 3 }));
    expectSound(mapping);
    expect(rows(mapping)).toEqual([
      "224:3>64x2 max",
      "112:64>128x2 max",
      "56:128>256x3 max",
      "28:256>512x3 max out",
      "14:512>512x3 max",
    ]);
    expect(mapping.chip.outputs).toEqual(["conv13_relu", "pool18"]);
    expect(hostOf(mapping)).toEqual(["head1", "head2"]);
    expect(mapping.violations).toEqual([]);
  });
});

/** Two heads on VGG16: behind the third convolution of block four, and behind the last pooling. */
function ssdOf(net: NetBuilder): Graph {
  const { last } = net;
  const first = net.conv(12, { from: "conv13_relu", activation: "none", name: "head1" });
  net.conv(12, { from: last, activation: "none", name: "head2" });
  return net.graph(first);
}

describe("where the chip ends", () => {
  it("a head behind a pooling in the middle: the host pools its own copy", () => {
    const net = new NetBuilder(28);
    net.conv(16);
    const pooled = net.pool("max");
    net.conv(16);
    const end = net.last;
    net.conv(5, { from: pooled, activation: "none", name: "head" });
    const mapping = mapToChip(net.graph(end), gti2803, options({ coefficientBits: 5 }));
    expectSound(mapping);
    expect(rows(mapping)).toEqual(["28:3>16x1 max out", "14:16>16x1"]);
    expect(mapping.chip.outputs).toEqual(["conv1_relu", "conv3_relu"]);
    expect(hostOf(mapping)).toEqual(["pool2.host", "head"]);
  });

  it("a last pooling is the host's where the host reads its input too", () => {
    const net = new NetBuilder(28);
    const full = net.conv(16);
    net.pool("max");
    const mapping = mapToChip(net.graph(full), gti2803, options({ coefficientBits: 5 }));
    expectSound(mapping);
    expect(rows(mapping)).toEqual(["28:3>16x1"]);
    expect(hostOf(mapping)).toEqual(["pool2"]);
  });

  it("a value read inside a run parts it; inside a shortcut it is a violation", () => {
    const net = new NetBuilder(28);
    const tap = net.conv(16);
    net.conv(16);
    const mapping = mapToChip(net.graph(tap), gti2803, options({ coefficientBits: 5 }));
    expect(rows(mapping)).toEqual(["28:3>16x1 out", "28:16>16x1"]);
    const residual = new NetBuilder(28);
    residual.conv(16);
    residual.block(16);
    const inside = mapToChip(
      residual.graph("conv2_relu"),
      gti2803,
      options({ coefficientBits: 5 }),
    );
    expect(rulesOf(inside)).toEqual(["output-mode conv2_relu: an output inside a shortcut"]);
    expect(rows(inside)).toEqual(["28:3>16x1 out", "28:16>16x1"]);
    expectSound(inside);
  });

  it("of two branches the one with more work goes on the chip", () => {
    const net = new NetBuilder(28);
    const stem = net.conv(16);
    const small = net.conv(16, { kernel: 1, name: "small" });
    net.conv(32, { from: stem, name: "large" });
    const mapping = mapToChip(net.graph(small), gti2803, options({ coefficientBits: 5 }));
    expectSound(mapping);
    expect(mapping.chip.outputs).toEqual([stem, "large_relu"]);
    expect(mapping.host).toEqual([
      { node: "small", why: "beside the part that runs on the chip" },
      { node: "small_relu", why: "beside the part that runs on the chip" },
    ]);
  });

  it("no convolution without activation, nor what stands behind one", () => {
    const net = new NetBuilder(28);
    net.conv(16);
    net.conv(16, { activation: "none" });
    net.conv(16, { kernel: 5 });
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expectSound(mapping);
    expect(mapping.violations).toEqual([]);
    expect(mapping.host.map(({ node, why }) => `${node}: ${why}`)).toEqual([
      "conv2: no activation behind it: the chip has no linear output",
      "conv3: kernel: 5x5",
      "conv3_relu: kernel: 5x5",
    ]);
  });

  it("a host part before the chip gives three channels that are not negative", () => {
    const net = new NetBuilder(56, 1);
    net.conv(3, { kernel: 7, stride: 2 });
    net.conv(16);
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expectSound(mapping);
    expect(mapping.chip.inputs).toEqual(["conv1_relu"]);
    expect(chipPart(mapping).before?.outputs).toEqual([{ name: "conv1_relu", id: "conv1_relu" }]);
    expect(chipPart(mapping).after).toBeUndefined();
    expect(rulesOf(mapping)).toEqual([
      "kernel conv1: 7x7",
      "stride conv1: 2x2 on a map of 56x56",
      "channels conv1: 3",
      "input-channels conv1: 1",
    ]);
  });

  it("nothing on the chip is said with the first reason", () => {
    const net = new NetBuilder(30);
    net.conv(16);
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expect(mapping.chip.nodes).toEqual([]);
    expect(mapping.layout).toBeUndefined();
    expect(mapping.noLayout).toBe("no layer runs on the chip");
    expect(() => chipPart(mapping)).toThrow(
      /can run on the chip: expected square maps of .* got 30x30/,
    );
  });
});

/** Each breaks one rule behind a legal convolution. */
const broken: readonly (readonly [string, (net: NetBuilder) => void, boolean])[] = [
  ["kernel conv2: 5x5", (net) => net.conv(16, { kernel: 5 }), false],
  ["stride conv2: 4x4 on a map of 28x28", (net) => net.conv(16, { stride: 4 }), false],
  ["padding conv2: 0,0,0,0", (net) => net.conv(16, { pads: 0 }), false],
  ["dilation conv2: 2x2", (net) => net.conv(16, { dilation: 2 }), false],
  ["groups conv2: 4 groups of 16 channels", (net) => net.conv(16, { groups: 4 }), false],
  ["channels conv2: 24", (net) => net.conv(24), true],
  ["pooling pool2: maxPool 3x3 stride 2x2 pads 0,0,0,0", (net) => net.pool("wide"), false],
  [
    "shortcut conv4: a 1x1 convolution of stride 1x1",
    (net) => net.block(16, { project: true }),
    false,
  ],
];

describe("rules", () => {
  it.each(broken)("%s", (text, step, keepsLayout) => {
    const net = new NetBuilder(28);
    net.conv(16);
    step(net);
    const rule = text.split(" ")[0] as never;
    const kept = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expectSound(kept);
    expect(rulesOf(kept)).toEqual([text]);
    expect(kept.chip.convolutions[0]?.conv).toBe("conv1");
    expect(kept.host).not.toEqual([]);
    const waived = mapToChip(
      net.graph(),
      gti2803,
      options({ coefficientBits: 5, waive: new Set([rule]) }),
    );
    expectSound(waived);
    expect(rulesOf(waived)).toEqual([`~${text}`]);
    expect(waived.host).toEqual([]);
    expect(waived.layout !== undefined).toBe(keepsLayout);
    expect(waived.noLayout === undefined).toBe(keepsLayout);
  });

  it("a chip without 1x1, depthwise, shortcuts or upsampling says so", () => {
    const said = (step: (net: NetBuilder) => void): readonly string[] => {
      const net = new NetBuilder(28);
      net.conv(16);
      step(net);
      return rulesOf(mapToChip(net.graph(), gti2801, options()));
    };
    expect(said((net) => net.conv(16, { kernel: 1 }))).toEqual(["kernel conv2: 1x1"]);
    expect(said((net) => net.depthwise())).toEqual(["depthwise conv2: 16 groups of 16 channels"]);
    expect(said((net) => net.block(16))).toEqual(["shortcut add4: a shortcut on the gti2801"]);
    expect(
      said((net) => {
        net.upsample("repeat");
        net.conv(16);
      }),
    ).toEqual(["upsampling up2: upsampling on the gti2801"]);
  });

  it("max and sample pooling do not mix, nor zeros with max", () => {
    const net = new NetBuilder(56);
    net.conv(16, { stride: 2 });
    net.conv(16);
    net.pool("max");
    net.conv(16);
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expect(rulesOf(mapping)).toEqual(["mixed-pooling pool3: max pooling behind sample"]);
    expect(rows(mapping)).toEqual(["56:3>16x1 sample", "28:16>16x1"]);
    const zeros = new NetBuilder(28);
    zeros.conv(16);
    zeros.pool("max");
    zeros.upsample("zeros");
    zeros.conv(16);
    expect(rulesOf(mapToChip(zeros.graph(), gti2803, options({ coefficientBits: 5 })))).toEqual([
      "upsampling up3: zeros behind max",
    ]);
  });

  it("leaky activations cannot be waived", () => {
    const net = new NetBuilder(28);
    net.conv(16);
    net.conv(16, { activation: "leaky" });
    const waive = new Set(["activation"] as const);
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5, waive }));
    expect(rulesOf(mapping)).toEqual(["activation conv2_relu: a slope of 0.1 below 0"]);
    expect(mapping.chip.convolutions).toHaveLength(1);
  });

  it("a strided convolution that stays on the host keeps its stride", () => {
    const net = new NetBuilder(30);
    net.conv(16, { stride: 2 });
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expect(mapping.graph.nodes.map(({ id }) => id)).toEqual([
      "x",
      "conv1.w",
      "conv1.b",
      "conv1",
      "conv1_relu",
    ]);
    expect(rulesOf(mapping)).toEqual(["image-size conv1: 30x30"]);
  });
});

/** conv1 and its activation quantized, as Caffe's layers of the chips are read. */
function quantizedNet(caps: number): Graph {
  const net = new NetBuilder(28);
  const weights = [net.constant("w", [16, 3, 3, 3]), net.constant("b", [16])];
  const attrs = {
    stride: [2, 2],
    pads: [1, 1, 1, 1],
    dilation: [1, 1],
    groups: 1,
    precision: "fiveBits",
    parameterBits: 12,
    shiftEnabled: true,
  } as const;
  net.add({ op: "quantConv", id: "conv1", inputs: ["x", ...weights], attrs }, 16);
  const inputs = ["conv1", net.constant("cap", [caps])];
  const relu = { slope: 0, bits: 5, quantized: true };
  net.add({ op: "quantRelu", id: "relu1", inputs, attrs: relu }, 16);
  net.conv(24, { name: "conv2" });
  return net.graph();
}

describe("quantized layers", () => {
  it("map as float ones do, and are padded", () => {
    const padded = options({ coefficientBits: 5, padChannels: true });
    const mapping = mapToChip(quantizedNet(1), gti2803, padded);
    expectSound(mapping);
    expect(rows(mapping)).toEqual(["28:3>16x1 sample", "14:16>32x1"]);
    expect(mapping.violations).toEqual([]);
    expect(hostOf(mapping)).toEqual(["conv2_relu.kept"]);
    expect(mapping.graph.outputs).toEqual([{ name: "conv2_relu", id: "conv2_relu.kept" }]);
  });

  it("need one cap for all channels", () => {
    const mapping = mapToChip(quantizedNet(16), gti2803, options({ coefficientBits: 5 }));
    expect(rulesOf(mapping)).toEqual(["cap relu1: caps [16] behind conv1", "channels conv2: 24"]);
  });
});

describe("major layers", () => {
  it("end before they have more sublayers than the chip takes, and never inside a shortcut", () => {
    const net = new NetBuilder(14);
    net.conv(16);
    for (let at = 0; at < 10; at++) net.block(16);
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 5 }));
    expect(rows(mapping)).toEqual(["14:3>16x11 sc2,4,6,8,10", "14:16>16x10 sc1,3,5,7,9"]);
    const bits = [...Array<5>(2).fill(5), ...Array<2>(19).fill(2)];
    expect(() => mapToChip(net.graph(), gti2803, options({ coefficientBits: bits }))).toThrow(
      /coefficient bits change inside a shortcut/,
    );
  });

  it("do not hold depthwise and full 3x3 convolutions at once", () => {
    const net = new NetBuilder(28);
    net.conv(16);
    net.depthwise();
    net.conv(16, { kernel: 1 });
    net.conv(16);
    const mapping = mapToChip(net.graph(), gti2803, options({ coefficientBits: 12 }));
    expect(rows(mapping)).toEqual(["28:3>16x1", "28:16>16x2", "28:16>16x1"]);
  });

  it("with ten bits at the end: a sublayer alone, its pooling on the host", () => {
    const net = new NetBuilder(28);
    for (let at = 0; at < 3; at++) net.conv(16);
    net.pool("max");
    const ten = { coefficientBits: 12, lastTenBits: true } as const;
    const mapping = mapToChip(net.graph(), gti2803, options(ten));
    expectSound(mapping);
    expect(rows(mapping)).toEqual(["28:3>16x2", "28:16>16x1"]);
    expect(mapping.layout?.activationBitMode).toBe(1);
    expect(mapping.layout?.majors.map(({ tenBits }) => tenBits)).toEqual([false, true]);
    expect(hostOf(mapping)).toEqual(["pool4"]);
    const all = mapToChip(
      net.graph(),
      gti2803,
      options({ coefficientBits: 12, activationBits: 10 }),
    );
    expect(all.layout?.activationBitMode).toBe(2);
  });
});
