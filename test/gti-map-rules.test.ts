/** The rules of the GTI chips for single layers, their waivers, and how convolutions fall into major layers. */
import { describe, expect, it } from "vitest";
import { mapToChip } from "../src/chips/gti/map/map-to-chip.ts";
import { gti2801, gti2803 } from "../src/chips/gti/targets.ts";
import type { Graph } from "../src/ir/graph.ts";
import { expectSound, hostOf, options, rows, rulesOf } from "./gti-map-text.ts";
import { NetBuilder } from "./gti-nets.ts";

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

describe("widths", () => {
  it("that the chip lacks are said where no layout is there to check", () => {
    const net = new NetBuilder(28);
    net.conv(16, { kernel: 5 });
    const waive = new Set(["kernel", "coefficient-bits"] as const);
    const mapping = mapToChip(
      net.graph(),
      gti2801,
      options({ waive, activationBits: 10, coefficientBits: 12 }),
    );
    expect(rulesOf(mapping)).toEqual([
      "~kernel conv1: 5x5",
      "~coefficient-bits conv1: 12",
      "activation-bits network: 10",
    ]);
  });
});

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
