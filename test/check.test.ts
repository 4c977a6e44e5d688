/**
 * `inlay check`: the example networks and real ones against the GTI chips, every rule broken once and all at once.
 */
import { describe, expect, it } from "vitest";
import { renderText } from "../src/report/text.ts";
import { ruleNames } from "../src/target/rules.ts";
import {
  check,
  checkNet,
  example,
  type Options,
  rulesOf,
  useFolder,
  warningsOf,
} from "./check-job.ts";
import { NetBuilder, vgg16Net } from "./gti-nets.ts";
import { at, dataDir } from "./model-run.ts";

useFolder();

type Example = readonly [name: string, options: Options, slots: number, majors: number];

const mixed = [3, 3, 3, 1, 1] as const;
const tens = { lastTenBits: true } as const;
/** Slots of those that the vendor's tables have are the tables'. */
const fitting: readonly Example[] = [
  ["vgg16-2801", { bits: mixed }, 457_216, 5],
  ["vgg16-2803", {}, 408_832, 5],
  ["vgg16-5801", { bits: mixed }, 456_832, 5],
  ["vgg-like-2803", {}, 390_144, 5],
  ["vgg-like-5801", {}, 389_376, 5],
  ["vgg-like-10bit-2803", tens, 324_608, 5],
  ["vgg-like-10bit-5801", tens, 323_840, 5],
  ["mobilenet-224-2803", {}, 354_323, 6],
  ["mobilenet-224-5801", {}, 353_939, 6],
  ["mobilenet-448-2803", {}, 353_393, 6],
  ["mobilenet-448-5801", {}, 353_939, 6],
  ["resnet18-2803", {}, 308_480, 6],
  ["resnet18-5801", {}, 308_288, 6],
  ["upsample-repeat-5801", {}, 5440, 6],
  ["upsample-zeros-5801", {}, 5440, 6],
  ["vgg16-ssd-5801", { bits: mixed }, 456_832, 5],
];

const targetOf = (name: string): string => `gti${name.slice(-4)}`;

describe("the example networks", () => {
  it.each(fitting)("%s fits", async (name, options, slots, majors) => {
    const report = await check(example(name), targetOf(name), options);
    expect(rulesOf(report)).toEqual([]);
    expect(warningsOf(report)).toEqual([]);
    expect(report.verdict).toBe("fits");
    expect(report.convolutions.chip).toBeGreaterThan(5);
    expect([report.memory?.slots, report.majorLayers.length]).toEqual([slots, majors]);
    expect(report.majorLayers.flatMap(({ sublayers }) => sublayers).at(-1)?.cumulativeSlots).toBe(
      slots,
    );
    expect([report.cascade, report.noCascade, report.noLayout]).toEqual([null, null, null]);
  });

  it("the detector is larger than the limit that is printed, as it was shipped", async () => {
    const bits = [...Array<3>(13).fill(3), ...Array<8>(3).fill(8)];
    const report = await check(example("detector-448-5801"), "gti5801", { bits });
    expect(rulesOf(report)).toEqual(["weight-memory the chip: 489600 slots"]);
    expect([report.verdict, report.majorLayers.length]).toEqual(["does not fit", 7]);
    expect(report.cascade).toHaveLength(2);
    const narrow = await check(example("detector-448-5801"), "gti5801");
    expect(narrow.verdict).toBe("fits");
    expect(narrow.options).toMatchObject({
      bitsFrom: "default",
      bitsNote: "3 bits, the most that fit the weight memory",
    });
    expect(warningsOf(narrow)[0]).toMatch(
      /^declared-width: .* --bits 3(,3){12},8,8,8 checks those/,
    );
  });

  it("ResNet50 needs two chips, and is told so", async () => {
    const one = await check(example("resnet50-2803"), "gti2803");
    expect(rulesOf(one)).toEqual([
      "major-layers the chip: 8",
      "weight-memory the chip: 654592 slots",
    ]);
    expect(one.options.bitsNote).toBe(
      "2 bits, the fewest that the chip has, and too many for the weight memory",
    );
    expect(one.cascade?.map(({ first, last, slots }) => `${first} ${last} ${slots}`)).toEqual([
      "stage1_conv1 stage7_conv6 294144",
      "stage8_conv1 stage10_conv4 360448",
    ]);
    const three = await check(example("resnet50-2803"), "gti2803", { chips: 3 });
    expect([three.verdict, three.violations, three.cascade?.length]).toEqual(["fits", [], 3]);
    const four = await check(example("resnet50-2803"), "gti2803", { chips: 4, bits: 5 });
    expect(rulesOf(four)).toEqual([
      "cascade from major layer 7 to the end, which cannot be cut: 720896 slots",
    ]);
    expect([four.cascade, four.noCascade]).toEqual([null, expect.stringMatching(/cannot be cut/)]);
  });

  it("say the widths that they are trained for, where others are checked", async () => {
    const vgg = await check(example("vgg16-2801"), "gti2801");
    expect(vgg.options.bitsNote).toBe("1 bit, the most that fit the weight memory");
    expect(warningsOf(vgg)).toEqual([
      "declared-width: the layers on the chip declare weights of other widths: --bits 3,3,3,1,1 checks those",
    ]);
    const ten = await check(example("vgg-like-10bit-2803"), "gti2803", { activationBits: 10 });
    expect(warningsOf(ten)).toEqual([
      "declared-width: the layers on the chip declare activations of other widths: --last-ten-bits checks those",
    ]);
  });
});

type Break = readonly [violation: string, build: () => NetBuilder, hint: RegExp];

/** A legal convolution of 28 x 28, and what follows. */
function behind(step: (net: NetBuilder) => void, size = 28): () => NetBuilder {
  return () => {
    const net = new NetBuilder(size);
    net.conv(16);
    step(net);
    return net;
  };
}

const breaks: readonly Break[] = [
  ["kernel conv2: 5x5", behind((net) => net.conv(16, { kernel: 5 })), /3x3 kernels/],
  ["stride conv2: 4x4 on a map of 28x28", behind((net) => net.conv(16, { stride: 4 })), /stride 1/],
  ["padding conv2: 0,0,0,0", behind((net) => net.conv(16, { pads: 0 })), /same padding/],
  ["dilation conv2: 2x2", behind((net) => net.conv(16, { dilation: 2 })), /without dilation/],
  [
    "groups conv2: 2 groups of 16 channels",
    behind((net) => net.conv(16, { groups: 2 })),
    /one group/,
  ],
  [
    `activation conv2_relu: a slope of ${Math.fround(0.1)} below 0`,
    behind((net) => net.conv(16, { activation: "leaky" })),
    /with ReLU/,
  ],
  [
    "pooling pool2: maxPool 3x3 stride 2x2 pads 0,0,1,1",
    behind((net) => net.pool("wide")),
    /2x2 pooling/,
  ],
  [
    "mixed-pooling pool4: sample pooling behind max",
    behind((net) => {
      net.pool("max");
      net.conv(16);
      net.pool("sample");
    }, 56),
    /one kind everywhere/,
  ],
  ["channels conv2: 24", behind((net) => net.conv(24)), /32 channels/],
  [
    "shortcut conv4: a 1x1 convolution of stride 1x1",
    behind((net) => net.block(16, { project: true })),
    /shortcuts/,
  ],
];

describe("broken rules", () => {
  it.each(breaks)("%s", async (violation, build, hint) => {
    const report = await checkNet(build().graph());
    expect(rulesOf(report)).toEqual([violation]);
    expect(report.violations[0]?.hint).toMatch(hint);
    expect(report.verdict).toBe("does not fit");
    expect(report.convolutions.chip).toBeGreaterThan(0);
    expect(report.host.length).toBeGreaterThan(0);
    const rule = report.violations[0]?.rule ?? "";
    const waive = ruleNames.filter((one) => one === rule);
    const waived = await checkNet(build().graph(), { waive });
    const isArithmetic = rule === "activation";
    expect(rulesOf(waived)).toEqual([isArithmetic ? violation : `~${violation}`]);
    expect(waived.verdict).toBe(isArithmetic ? "does not fit" : "not deployable");
  });

  it.each([
    ["a size", 100, 3, ["image-size conv1: 100x100"]],
    ["the channels of the picture", 28, 1, ["input-channels conv1: 1"]],
  ])("%s", async (_, size, channels, rules) => {
    const net = new NetBuilder(size, channels);
    net.conv(16);
    const report = await checkNet(net.graph());
    expect(rulesOf(report)).toEqual(rules);
    expect([report.chipInputs, report.noLayout]).toEqual([[], "no layer runs on the chip"]);
    expect(report.memory).toBeNull();
  });

  it("nothing that a chip could take is said too", async () => {
    const net = new NetBuilder(28);
    net.conv(16, { activation: "none" });
    const report = await checkNet(net.graph());
    expect(rulesOf(report)).toEqual(["major-layers the network: 0"]);
    const waived = await checkNet(net.graph(), { waive: ["major-layers"] });
    expect(waived.verdict).toBe("does not fit");
  });

  it("all at once, each with what to do", async () => {
    const net = new NetBuilder(28);
    net.conv(16);
    net.conv(24, { kernel: 5, stride: 4, pads: 0, groups: 2, dilation: 2, activation: "leaky" });
    net.pool("wide");
    const report = await checkNet(net.graph());
    expect(report.violations.map(({ rule }) => rule)).toEqual([
      ...["kernel", "stride", "dilation", "padding", "groups", "activation", "channels"],
      "pooling",
    ]);
    expect(report.violations.every(({ hint, limit }) => hint !== "" && limit !== "")).toBe(true);
  });

  it("of the layout: memories and major layers, together with those of layers", async () => {
    const net = vgg16Net();
    net.conv(512, { kernel: 5 });
    const report = await checkNet(net.graph(), { bits: 12 });
    expect(rulesOf(report)).toEqual([
      "kernel conv19: 5x5",
      "weight-memory the chip: 1635328 slots",
    ]);
    expect([report.cascade?.length, report.noCascade]).toEqual([6, null]);
    const large = new NetBuilder(224);
    large.conv(128);
    expect(rulesOf(await checkNet(large.graph()))).toEqual([
      `activation-memory major layer 1: ${(16 + 128) * 224 ** 2} in sublayer 1`,
    ]);
  });

  it("are told once where a waived one shows in a layer and in its major layer", async () => {
    const net = new NetBuilder(28);
    net.conv(24);
    const report = await checkNet(net.graph(), { waive: ["channels"] });
    expect(rulesOf(report)).toEqual(["~channels conv1: 24"]);
    expect(report.majorLayers).toHaveLength(1);
  });

  it("that are waived for nothing give a note", async () => {
    const net = new NetBuilder(28);
    net.conv(16);
    const report = await checkNet(net.graph(), { waive: ["stride", "cascade"] });
    expect(report.verdict).toBe("fits");
    expect(warningsOf(report)).toEqual([
      'waiver-unused: the rule "stride" is waived, but not broken',
      'waiver-unused: the rule "cascade" is waived, but not broken',
    ]);
  });
});

const title = dataDir ? "real networks" : "real networks (INLAY_DATA is unset)";

describe.skipIf(!dataDir)(title, () => {
  const models = (...files: readonly string[]): readonly string[] =>
    files.map((name) => at("models", name));

  it("MobileNet of symmetric pads fits the 2803 at 12 bits", async () => {
    const name = "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224";
    const paths = models(`${name}_relu6.prototxt`, `${name}.caffemodel`);
    const report = await check(paths, "gti2803", { bits: 12 });
    expect([report.verdict, rulesOf(report)]).toEqual(["fits", []]);
    expect(report.host.map(({ name: node }) => node)).toEqual(["pool", "fc", "prob"]);
    expect([report.memory?.slots, report.convolutions]).toEqual([354_323, { chip: 27, all: 28 }]);
    const bare = await check(paths.slice(0, 1), "gti2803");
    expect(bare.majorLayers).toEqual(report.majorLayers);
    expect(warningsOf(bare)).toEqual([]);
  });

  it("ResNet20 lists its reasons", async () => {
    const paths = models("resnet20_cifar10/resnet20-cifar10.prototxt");
    const report = await check(paths, "gti2803");
    const counts = new Map<string, number>();
    for (const { rule } of report.violations) counts.set(rule, (counts.get(rule) ?? 0) + 1);
    expect([...counts]).toEqual([
      ["image-size", 19],
      ["shortcut", 2],
    ]);
    expect(report.noLayout).toBe("no layer runs on the chip");
    const waive = ["image-size", "shortcut"] as const;
    const waived = await check(paths, "gti2803", { waive });
    expect([waived.verdict, waived.convolutions]).toEqual([
      "not deployable",
      { chip: 21, all: 21 },
    ]);
  });

  it("SqueezeNet lists its reasons", async () => {
    const report = await check(models("squeezenet_v1.0/SqueezeNet_deploy.prototxt"), "gti5801");
    expect(rulesOf(report).slice(0, 6)).toEqual([
      "kernel conv1: 7x7",
      "stride conv1: 2x2 on a map of 227x227",
      "padding conv1: 0,0,0,0",
      "image-size conv1: 227x227",
      "channels conv1: 96",
      "pooling pool1: maxPool 3x3 stride 2x2 pads 0,0,0,0",
    ]);
    expect(report.verdict).toBe("does not fit");
  });

  it("all others get a verdict too", async () => {
    for (const paths of [
      models("lenet/lenet.prototxt"),
      models("cifar10_quick/cifar10_quick.prototxt"),
      models("mtcnn/det1.prototxt"),
      models("ultraface_rfb_320/RFB-320.prototxt"),
      models("wechat_qr_ssd/detect.prototxt"),
      models("vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96.onnx"),
      models("resnet8_cifar10/resnet8-cifar10.onnx"),
    ]) {
      for (const target of ["gti2801", "gti2803", "gti5801"]) {
        const report = await check(paths, target);
        expect(report.verdict, paths.join()).toBe("does not fit");
        expect(report.violations.length, paths.join()).toBeGreaterThan(0);
        expect(renderText(report)).toContain("does not fit");
      }
    }
  });
});
