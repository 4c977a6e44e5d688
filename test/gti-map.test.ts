/** Networks on the GTI chips: what goes on the chip, as which major layers, and why the rest does not. */
import { describe, expect, it } from "vitest";
import { capGroups } from "../src/chips/gti/map/cap-groups.ts";
import { chipPart } from "../src/chips/gti/map/chip-part.ts";
import { mapToChip } from "../src/chips/gti/map/map-to-chip.ts";
import * as reference from "../src/chips/gti/reference-layouts.ts";
import { gti2801, gti2803, gti5801 } from "../src/chips/gti/targets.ts";
import type { Graph } from "../src/ir/graph.ts";
import { bare, expectSound, hostOf, options, rows, rulesOf } from "./gti-map-text.ts";
import { mobilenetNet, NetBuilder, resnet18Net, vgg16Net } from "./gti-nets.ts";

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
