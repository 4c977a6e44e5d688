/** Chip form, padding and the division keep the network's float function; and the reference models on the chips. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkLayout } from "../src/chips/gti/check-layout.ts";
import { capGroups } from "../src/chips/gti/map/cap-groups.ts";
import { chipForm, plainPasses } from "../src/chips/gti/map/chip-form.ts";
import { chipPart } from "../src/chips/gti/map/chip-part.ts";
import { mapToChip } from "../src/chips/gti/map/map-to-chip.ts";
import type { ChipMapping } from "../src/chips/gti/map/mapping.ts";
import { gti2803, gti5801 } from "../src/chips/gti/targets.ts";
import { InlayError } from "../src/error.ts";
import type { Graph } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import type { RuleName } from "../src/target/layered-target.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { NetBuilder } from "./gti-nets.ts";
import { caffeModel, dataDir, inputShape, noise, run } from "./model-run.ts";
import { expectOutputsOf, feedsOf, outputsOf, type Values } from "./outputs-of.ts";
import { expectClose } from "./within.ts";

const compute = (graph: Graph, feeds: Values): Values =>
  runScalar(graph, feeds, { precision: "float64" });

/** The network's outputs by name, computed part after part. */
function outputsOfParts(mapping: ChipMapping): Values {
  const { before, chip, after } = chipPart(mapping);
  const values = new Map(feedsOf(mapping.graph));
  const named = new Map<string, Tensor>();
  for (const part of [before, chip, after]) {
    if (part === undefined) continue;
    verify(part, "canonical");
    for (const [id, value] of compute(part, values)) values.set(id, value);
    for (const { name, id } of part.outputs) {
      const isOutput = mapping.graph.outputs.some((one) => one.id === id && one.name === name);
      if (isOutput) named.set(name, values.get(id)!);
    }
  }
  return named;
}

/** What a random network may do next, with what channels allow. */
const steps: readonly ((net: NetBuilder, choice: number) => void)[] = [
  (net, choice) => net.conv([4, 6, 8][choice % 3] ?? 4, { stride: 1 + (choice % 2) }),
  (net, choice) => net.conv(8, { kernel: 1, stride: 1 + (choice % 2), activation: "clip" }),
  (net, choice) => net.depthwise({ stride: 1 + (choice % 2) }),
  (net) => net.pool("max"),
  (net) => net.pool("sample"),
  (net) => net.pool("wide"),
  (net) => net.pool("mean"),
  (net, choice) => net.activate(`act${choice}`, choice % 2 === 0 ? "clip" : "relu"),
  (net, choice) => net.activate(`leaky${choice}`, "leaky"),
  (net, choice) => net.upsample(choice % 2 === 0 ? "repeat" : "zeros"),
  (net) => net.block(8, { project: true, stride: 2 }),
  (net) => {
    net.conv(6);
    net.block(6);
  },
  (net, choice) => net.conv(5, { kernel: 5, activation: choice % 2 === 0 ? "leaky" : "none" }),
];

/** True where no pooling meets a map that is smaller than its window. */
function fits(draw: Draw): boolean {
  try {
    return verify(netOf(draw), "imported") !== undefined;
  } catch (error) {
    if (error instanceof InlayError) return false;
    throw error;
  }
}

type Draw = { readonly choices: readonly number[]; readonly size: number; readonly seed: number };

const draws = fc
  .record({
    choices: fc.array(fc.nat({ max: steps.length - 1 }), { minLength: 1, maxLength: 6 }),
    size: fc.constantFrom(7, 8, 12),
    seed: fc.nat({ max: 1_000_000 }),
  })
  .filter(fits);

/** The network of a draw; some values of its middle are outputs. */
function netOf({ choices, size, seed }: Draw): Graph {
  const net = new NetBuilder(size, 3, seed);
  const middle: string[] = [];
  choices.forEach((choice, at) => {
    steps[choice]?.(net, seed + 13 * at);
    if ((seed >> at) % 5 === 0) middle.push(net.last);
  });
  return net.graph(...middle);
}

/** A chip that takes small maps. */
const small = {
  ...gti5801,
  name: "small",
  imageSizes: [...Array<number>(64).keys()],
  poolings: ["max", "sample"],
} as const;

/** Limits of the layout as a whole, which the mapping leaves to the check. */
const ofWhole: ReadonlySet<RuleName> = new Set([
  "major-layers",
  "weight-memory",
  "activation-memory",
]);

describe("the float function stays", () => {
  it.each(plainPasses)("in $name", ({ run: pass }) => {
    fc.assert(
      fc.property(draws, (draw) => {
        const net = netOf(draw);
        expectOutputsOf(net, outputsOf(pass(net)));
      }),
      { numRuns: 60 },
    );
  });

  it("in chip form, which leaves nothing to do", () => {
    fc.assert(
      fc.property(draws, (draw) => {
        const net = netOf(draw);
        const form = verify(chipForm(net), "canonical");
        expectOutputsOf(net, outputsOf(form));
        expect(chipForm(form)).toBe(form);
      }),
      { numRuns: 100 },
    );
  });

  const waivers: readonly RuleName[] = ["kernel", "stride", "padding", "pooling", "shortcut"];
  const rules = fc.subarray([
    ...waivers,
    "mixed-pooling",
    "channels",
    "input-channels",
  ] as RuleName[]);

  it("in every mapping, with channels padded and rules waived, part by part", () => {
    let taken = 0;
    let padded = 0;
    fc.assert(
      fc.property(draws, rules, fc.boolean(), (draw, waive, padChannels) => {
        const net = netOf(draw);
        const options = { coefficientBits: 8, waive: new Set(waive), padChannels } as const;
        const mapping = mapToChip(net, small, options);
        expect(mapping.layout === undefined).toBe(mapping.noLayout !== undefined);
        expectOutputsOf(net, outputsOf(verify(mapping.graph, "canonical")));
        if (mapping.chip.nodes.length === 0) return;
        if (mapping.layout !== undefined) {
          const breaches = checkLayout(mapping.layout, small, { waive: new Set(waive) });
          expect(breaches.filter(({ rule, waived }) => !waived && !ofWhole.has(rule))).toEqual([]);
        }
        taken += 1;
        if (mapping.graph.nodes.some(({ op }) => op === "slice")) padded += 1;
        expectOutputsOf(net, outputsOfParts(mapping));
        expect(new Set([...mapping.chip.nodes, ...mapping.host.map(({ node }) => node)])).toEqual(
          new Set(
            mapping.graph.nodes
              .filter(({ op }) => op !== "input" && op !== "const")
              .map(({ id }) => id),
          ),
        );
      }),
      { numRuns: 200, seed: 3 },
    );
    expect(taken).toBeGreaterThan(60);
    expect(padded).toBeGreaterThan(10);
  });
});

const title = dataDir ? "reference models" : "reference models (INLAY_DATA is unset)";
const bits = { coefficientBits: 12, waive: new Set<RuleName>() } as const;

describe.skipIf(!dataDir)(title, () => {
  it("MobileNet 224 of symmetric pads lies on the chip as the template", async () => {
    const folder = "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224";
    const graph = await caffeModel(`${folder}_relu6`, folder);
    const mapping = mapToChip(graph, gti2803, bits);
    expect(mapping.violations).toEqual([]);
    expect(mapping.layout?.majors.map(({ sublayers }) => sublayers.length)).toEqual([
      1, 3, 4, 4, 12, 3,
    ]);
    expect(mapping.host.map(({ node }) => node)).toEqual(["pool", "fc", "prob"]);
    const input = noise(inputShape(graph, 1), -1, 1);
    const [expected, found] = [await run(graph, input), await run(mapping.graph, input)];
    expectClose(found.get("prob"), expected.get("prob"), 1e-5);
  });

  it("MobileNet of one-sided pads, written as 4x4 kernels, stays on the host", async () => {
    const graph = await caffeModel("mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6");
    const { chip, violations } = mapToChip(graph, gti2803, bits);
    expect(chip.nodes).toEqual([]);
    expect(new Set(violations.map(({ rule }) => rule))).toEqual(
      new Set(["kernel", "stride", "padding"]),
    );
  });

  it("ResNet20 as a whole with its rules waived; identities tie caps, projections part them", async () => {
    const graph = await caffeModel("resnet20_cifar10/resnet20-cifar10");
    const waive = new Set<RuleName>(["image-size", "shortcut"]);
    const mapping = mapToChip(graph, gti2803, { ...bits, waive });
    expect(mapping.host.map(({ node }) => node)).toEqual(["pool", "fc.flatten", "fc"]);
    expect(mapping.chip.convolutions).toHaveLength(19);
    expect(mapping.violations.every(({ waived }) => waived)).toBe(true);
    expect(mapping.noLayout).toMatch(
      /layer2_0_shortcut \(shortcut: a 1x1 convolution of stride 2x2\)/,
    );
    expect(capGroups(mapping).map((group) => group.length)).toEqual([4, 3, 3]);
    const input = noise(inputShape(graph, 2), -100, 100);
    const [expected, found] = [await run(graph, input), await run(mapping.graph, input)];
    expectClose(found.get("fc"), expected.get("fc"), 1e-5);
    const plain = mapToChip(graph, gti2803, { ...bits, waive: new Set(["image-size"] as const) });
    // Rules keep the first projection off the chip; the stage before it stays.
    expect(plain.chip.convolutions).toHaveLength(8);
    expect(plain.layout?.majors.map(({ shortcutStarts }) => shortcutStarts)).toEqual([
      [2, 4, 6],
      [],
    ]);
  });

  it("cifar10_quick as a whole with its rules waived", async () => {
    const graph = await caffeModel(
      "cifar10_quick/cifar10_quick",
      "cifar10_quick/cifar10_quick_iter_5000",
    );
    const waive = new Set<RuleName>(["image-size", "kernel", "pooling"]);
    const mapping = mapToChip(graph, gti2803, { ...bits, waive });
    expect(mapping.chip.outputs).toEqual(["pool3"]);
    expect(mapping.host.map(({ node }) => node)).toEqual(["ip1.flatten", "ip1", "ip2", "prob"]);
    expect(mapping.noLayout).toMatch(/conv1 \(kernel: 5x5\)/);
    const input = noise(inputShape(graph, 2), -100, 100);
    const [expected, found] = [await run(graph, input), await run(mapping.graph, input)];
    expectClose(found.get("prob"), expected.get("prob"), 1e-5);
    const strict = mapToChip(graph, gti2803, bits);
    expect(strict.violations.map(({ rule, node }) => `${rule} ${node}`)).toEqual([
      "kernel conv1",
      "image-size conv1",
      "pooling pool1",
      "kernel conv2",
      "image-size conv2",
    ]);
  });

  it("SqueezeNet up to its first concatenation", async () => {
    const weights = "squeezenet_v1.0/decompressed_SqueezeNet";
    const graph = await caffeModel("squeezenet_v1.0/SqueezeNet_deploy", weights);
    expect(mapToChip(graph, gti2803, bits).chip.nodes).toEqual([]);
    const waive = new Set<RuleName>([
      ...(["kernel", "stride", "padding", "pooling", "image-size", "channels"] as const),
    ]);
    const mapping = mapToChip(graph, gti2803, { ...bits, waive });
    expect(mapping.chip.convolutions.map(({ conv }) => conv)).toEqual([
      "conv1",
      "fire2/conv1x1_1",
      "fire2/conv3x3_2",
    ]);
    const { chip, after } = chipPart(mapping);
    verify(chip, "canonical");
    expect(after?.nodes.filter(({ op }) => op === "input").map(({ id }) => id)).toEqual([
      "fire2/relu_conv1x1_1",
      "fire2/relu_conv3x3_2",
    ]);
  });
});
