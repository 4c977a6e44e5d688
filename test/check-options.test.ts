/**
 * `inlay check` and what it is told: widths, the network JSON, several chips; its text and its command line.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { networkJsonOf } from "../src/chips/gti/network-layout.ts";
import * as reference from "../src/chips/gti/reference-layouts.ts";
import { gti2803, gti5801 } from "../src/chips/gti/targets.ts";
import { chooseMapping } from "../src/job/chip-choices.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import { reportSchemas } from "../src/report/schema.ts";
import { renderText } from "../src/report/text.ts";
import { ruleNames } from "../src/target/rules.ts";
import {
  check,
  checkNet,
  example,
  folderInUse,
  rulesOf,
  useFolder,
  warningsOf,
  write,
} from "./check-job.ts";
import { sampleCheck } from "./check-sample.ts";
import { NetBuilder } from "./gti-nets.ts";
import { runCli } from "./run-cli.ts";

useFolder();

describe("widths", () => {
  it("12 bits on the chip that has 1 and 3", async () => {
    const report = await check(example("vgg16-2801"), "gti2801", { bits: 12 });
    expect(new Set(report.violations.map(({ rule }) => rule))).toEqual(
      new Set(["coefficient-bits", "weight-memory"]),
    );
    expect(report.violations[0]).toMatchObject({ limit: "weights of 1, 3 bits", found: "12" });
  });

  it("10-bit activations on the chip that has 5", async () => {
    const { violations } = await check(example("vgg16-2801"), "gti2801", { activationBits: 10 });
    expect(violations).toContainEqual(
      expect.objectContaining({ rule: "activation-bits", limit: "activations of 5 bits" }),
    );
  });

  it("a list that does not fit is an error, but never hides a broken rule", async () => {
    await expect(check(example("vgg16-2803"), "gti2803", { bits: [2, 5] })).rejects.toThrow(
      /list of coefficient bits does not fit .* expected 5 \(major layers\) or 13 \(convolutions\), got 2/,
    );
    const net = new NetBuilder(28);
    net.conv(16);
    net.pool("max");
    net.conv(16, { kernel: 5 });
    const report = await checkNet(net.graph(), { bits: [5, 12] });
    expect(rulesOf(report)).toEqual(["kernel conv3: 5x5"]);
    expect(warningsOf(report)[0]).toMatch(/^coefficient-bits: .*; the first counts for all$/);
  });

  it("are by default the most that fit, whatever the channels", () => {
    const counts = fc.array(fc.constantFrom(64, 256, 512, 1024), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(counts, (channels) => {
        const net = new NetBuilder(14);
        let kernels = 0;
        channels.forEach((count, index) => {
          net.conv(count);
          kernels += Math.max(16, channels[index - 1] ?? 3) * count;
        });
        const found = chooseMapping(net.graph(), gti2803, { waive: [] }, undefined, () => {});
        const [first] = found.mapping.layout?.majors ?? [];
        const modes = [
          [12, 1],
          [5, 2],
          [2, 4],
        ] as const;
        const [expected] = modes.find(([, share]) => kernels / share < 489_216) ?? [2];
        expect(first?.coefficientBits).toBe(expected);
        expect(new Set(found.mapping.chip.convolutions.map(({ bits }) => bits))).toEqual(
          new Set([expected]),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe("the network JSON", () => {
  const file = (text: string): string => write("network.json", text);

  it("gives the bits, and agrees", async () => {
    const network = file(networkJsonOf(reference.vgg16(5, 2), gti2803));
    const report = await check(example("vgg16-2803"), "gti2803", { network });
    expect(report.options).toMatchObject({
      bitsFrom: "network JSON",
      bitsNote: "5, 5, 5, 2, 2 bits, as the network JSON says",
    });
    expect(report.network).toEqual({ file: network, differences: [] });
    expect(report.verdict).toBe("fits");
  });

  it("gives the major layers where it may: ResNet50 as its template cuts it", async () => {
    const layout = reference.resnet50(2);
    // The example pools by maxima alone, and has one shortcut less.
    const majors = layout.majors.map((major, index) => ({
      ...major,
      pooling: major.pooling && ("max" as const),
      shortcutStarts: index === 4 ? [] : major.shortcutStarts,
    }));
    const network = file(
      networkJsonOf({ ...layout, majors }, gti2803, undefined, { ChipNumber: 2 }),
    );
    const report = await check(example("resnet50-2803"), "gti2803", { network });
    expect(report.network?.differences).toEqual([]);
    expect(report.majorLayers).toHaveLength(10);
    expect([report.verdict, report.options.chips, report.cascade?.length]).toEqual(["fits", 2, 2]);
  });

  it("contradicts the network: chip, widths, sizes, counts", async () => {
    const text = networkJsonOf(reference.vgg16(2, 2), gti2803)
      .replace('"ChipType": 2803', '"ChipType": 2801')
      .replace('"image_size": 56', '"image_size": 112');
    const report = await check(example("vgg16-2803"), "gti2803", { network: file(text), bits: 5 });
    const said = report.network?.differences?.map(({ major, key, json, network }) =>
      [major ?? "model", key, json, network].join(" "),
    );
    expect(said).toContain("model ChipType 2801 2803");
    expect(said).toContain("3 image_size 112 56");
    expect(said).toContain("1 coef_bits 2 5");
    expect([report.verdict, rulesOf(report).length]).toEqual(["does not fit", 1]);
    const short = { ...reference.vgg16(2, 2), majors: reference.vgg16(2, 2).majors.slice(0, 4) };
    const network = file(networkJsonOf(short, gti2803));
    const less = await check(example("vgg16-2803"), "gti2803", { network });
    expect(less.network?.differences).toEqual([
      { major: null, key: "layer", json: "4 major layers", network: "5 major layers" },
    ]);
    expect([less.verdict, less.violations]).toEqual(["does not fit", []]);
  });

  it("cuts a major layer longer than the chip's", async () => {
    const net = new NetBuilder(14);
    for (let index = 0; index < 13; index += 1) net.conv(16);
    const alone = await checkNet(net.graph());
    expect(alone.majorLayers.map(({ sublayers }) => sublayers.length)).toEqual([12, 1]);
    const layout = reference.layoutOf([[14, 3, 16, 13, 12]]);
    const report = await checkNet(net.graph(), { network: file(networkJsonOf(layout, gti2803)) });
    expect(rulesOf(report)).toEqual(["sublayers major layer 1: 13"]);
    expect(report.network?.differences).toEqual([]);
  });

  it("asks for outputs and ten bits", async () => {
    const { majors, ...rest } = reference.vggLike(12);
    const learning = majors.map((major, index) => ({ ...major, learning: index < 2 }));
    const network = file(networkJsonOf({ ...rest, majors: learning }, gti2803));
    const report = await check(example("vgg-like-2803"), "gti2803", { network });
    const all = "all sublayers";
    expect(report.majorLayers.map(({ gives }) => gives)).toEqual([all, all, null, null, null]);
    expect([report.verdict, report.network?.differences]).toEqual(["fits", []]);
    const middle = { ...reference.vgg16(3, 1) };
    const first = middle.majors.map((major, index) => ({ ...major, learning: index === 0 }));
    const text = networkJsonOf({ ...middle, majors: first }, gti5801);
    const ssd = await check(example("vgg16-ssd-5801"), "gti5801", { network: file(text) });
    expect(rulesOf(ssd)).toEqual([
      "output-mode major layer 4: learning in major layer 1, last_layer_out in 4",
    ]);
    expect(ssd.network?.differences).toEqual([
      { major: 4, key: "last_layer_out", json: "false", network: "true" },
    ]);
    const wide = file(networkJsonOf({ ...reference.vggLike(5), activationBitMode: 2 }, gti2803));
    const ten = await check(example("vgg-like-2803"), "gti2803", { network: wide });
    expect(ten.options.activationBits).toBe(10);
    expect(ten.network?.differences).toEqual([]);
  });

  it.each([
    ["no JSON", "{", /network\.json:1:2: not JSON/],
    ["another JSON", "[]", /network\.json/],
  ])("%s is an input error", async (_, text, message) => {
    const network = file(text);
    await expect(check(example("vgg16-2803"), "gti2803", { network })).rejects.toThrow(message);
  });
});

describe("several chips", () => {
  it("too many, and too few", async () => {
    const many = await check(example("vgg16-2803"), "gti2803", { chips: 40 });
    expect(rulesOf(many)).toEqual(["cascade the cascade: 40"]);
    expect(many.noCascade).toMatch(/at most \d+ chips/);
    const few = await check(example("vgg16-2803"), "gti2803", { chips: 2, bits: 12 });
    expect(few.verdict).toBe("does not fit");
    expect(few.violations.map(({ rule }) => rule)).toEqual(["cascade"]);
    expect(few.violations[0]?.found).toBe("at least 6");
    expect(few.cascade).toHaveLength(6);
  });
});

describe("the text", () => {
  it("is its golden", async () => {
    await expect(renderText(sampleCheck())).toMatchFileSnapshot("goldens/check.txt");
  });

  it("has no escapes from names, and one line for a long row of layers", () => {
    const report = sampleCheck();
    const host = Array.from({ length: 30 }, (_, index) => ({
      name: index === 1 ? "\u001b[31m" : `n${index}`,
      op: "conv",
      why: index === 0 ? "behind x on the host" : `behind n${index - 1} on the host`,
    }));
    const text = renderText({ ...report, host: host.toSpliced(1, 1) });
    expect(text).toContain(
      "  n0: behind x on the host\n  n2, n3, n4, n5 and 24 more: behind n1 on",
    );
    expect(renderText({ ...report, host })).not.toContain("\u001b");
  });
});

async function inlay(...argv: readonly string[]) {
  return await runCli(folderInUse(), argv);
}

describe("the command", () => {
  const [vgg] = example("vgg16-2803");
  const [detector] = example("detector-448-5801");

  it("ends with 0 where it fits, 1 where not, 0 again where that is waived", async () => {
    const fits = await inlay("check", vgg, "--target", "gti2803", "--json");
    expect([fits.code, fits.err]).toEqual([0, ""]);
    const report: unknown = JSON.parse(fits.out);
    expect(checkSchema(reportSchemas["inlay.check/1"], report)).toEqual([]);
    const bits = [...Array<3>(13).fill(3), ...Array<8>(3).fill(8)].join(",");
    const flags = [detector, "--target", "gti5801", "--bits", bits];
    const full = await inlay("check", ...flags);
    expect([full.code, full.err]).toEqual([1, ""]);
    expect(full.out).toMatch(/does not fit on the chip: broken rules: 1; 16 of 16/);
    const waived = await inlay("check", ...flags, "--waive", "weight-memory,stride");
    expect(waived.code).toBe(0);
    expect(waived.out).toMatch(/^not deployable: .*weight-memory/m);
    expect(waived.err).toMatch(/"stride" is waived, but not broken/);
  });

  it("takes the network JSON and the number of chips", async () => {
    writeFileSync(join(folderInUse(), "n.json"), networkJsonOf(reference.vgg16(2, 2), gti2803));
    const flags = ["--target", "gti2803", "--network", "n.json", "--chips", "2", "--quiet"];
    const { code, out } = await inlay("check", vgg, ...flags);
    expect(code).toBe(1);
    expect(out).toMatch(/the network JSON contradicts the network/);
    expect(out).toMatch(/ChipNumber +1 +2/);
    expect(out).toMatch(/Cascade of 2 chips/);
  });

  it("help lists the rules there are", async () => {
    const { out } = await inlay("check", "--help");
    const [, list = ""] = /\nRules: (.*?)\.\n/s.exec(out) ?? [];
    expect(list.split(/,\s+/)).toEqual(ruleNames);
  });

  it.each([
    [["check", "a"], /--target <name> is missing/],
    [
      ["check", "a", "--target", "gti9"],
      /no such target: expected int8, gti2801, gti2803, gti5801/,
    ],
    [["check", "a", "--target", "int8"], /chip of major layers: expected gti2801.*inlay quantize/],
    [["check", "a", "--target", "gti2803", "--bits", "4"], /Expected one of 1, 2, 3, 5, 8, 12/],
    [["check", "a", "--target", "gti2803", "--bits", "3,x"], /Expected one of/],
    [["check", "a", "--target", "gti2803", "--activation-bits", "8"], /Expected 5 or 10/],
    [["check", "a", "--target", "gti2803", "--chips", "0"], /Expected a positive integer/],
    [["check", "a", "--target", "gti2803", "--waive", "kernels"], /no such rule: .*kernel, stride/],
    [
      ["check", "a", "--target", "gti2803", "--activation-bits", "10", "--last-ten-bits"],
      /--last-ten-bits contradicts/,
    ],
    [["check", "lost.onnx", "--target", "gti2803"], /lost\.onnx/],
    [["check", vgg, "--target", "gti2803", "--network", "lost.json"], /lost\.json/],
    [
      ["quantize", vgg, "--calibrate", ".", "--out", "o", "--target", "gti9"],
      /no such target: expected int8/,
    ],
  ])("%j ends with 2", async (argv, message) => {
    const { code, out, err } = await inlay(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(message);
  });
});
