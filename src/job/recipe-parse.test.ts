import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import type { Recipe } from "./recipe.ts";
import { parseRecipe } from "./recipe-parse.ts";

const parse = (text: string): Promise<Recipe> =>
  parseRecipe(text, "r.yaml", (path) => `/d/${path}`);
const least = "model: net.onnx\ncalibrate: c/\nout: o/\n";
const chip = `${least}target: gti2803\nchip:\n`;

/** The complete recipe of the docstring, as a user would copy it. */
function documented(): string {
  const source = readFileSync(new URL("./recipe.ts", import.meta.url), "utf8");
  const lines = source.split("\n").filter((line) => line.startsWith(" *     "));
  return lines.map((line) => line.slice(7)).join("\n");
}

describe("parseRecipe", () => {
  it("reads the documented recipe, every key of it", async () => {
    const recipe = await parse(documented());
    expect(recipe).toEqual({
      model: ["/d/deploy.prototxt", "/d/net.caffemodel"],
      calibrate: { path: "/d/calib/" },
      evaluate: {
        path: "/d/val/labels.txt",
        root: "/d/val/",
        labels: "/d/synset_words.txt",
        split: 0.7,
        part: "second",
        limit: 500,
      },
      compare: { path: "/d/calib/", limit: 20 },
      preprocess: {
        color: "auto",
        resize: { kind: "shorter", size: 256 },
        crop: 227,
        resizeAfter: 128,
        order: "bgr",
        mean: [104, 117, 123],
        scale: 1,
        std: [1],
      },
      target: "int8",
      method: "mse",
      options: {
        weights: { unit: "channel", powerOfTwo: false },
        activations: { signed: false, symmetric: false, powerOfTwo: false },
        biasCorrection: true,
      },
      thresholdDb: 20,
      context: { seed: 0, threads: 0, device: "cpu" },
      steps: ["inspect", "calibrate", "evaluate", "quantize", "evaluate", "compare"],
      out: "/d/out/",
    });
  });

  it("reads JSON, and fills in what is not said", async () => {
    const recipe = await parse('{"model": ["n.onnx"], "calibrate": "c", "out": "o"}');
    expect(recipe.steps).toEqual(["inspect", "quantize", "compare"]);
    const judged = await parse(`${least}evaluate: v/`);
    expect(judged.steps).toEqual(["inspect", "quantize", "evaluate", "compare"]);
  });

  it("reads what a chip is asked, and knows the chip's steps", async () => {
    const plain = await parse(`${least}target: gti2803\nevaluate: v/`);
    expect(plain).toMatchObject({ target: "gti2803", chip: { chip: { waive: [] } } });
    expect(plain.steps).toEqual(["inspect", "quantize", "evaluate"]);
    const chip = [
      "chip: {bits: [3, 1], activationBits: 5, lastTenBits: true, chips: 2, waive: kernel, labels: l.txt,",
      "  capPercent: 99.5, equalize: false, channelCopies: 4, rounding: nearest, shiftMax: 0, accumulatorBits: 20, debug: true}",
      "options: {biasCorrection: false}",
      "method: minmax",
    ];
    const recipe = await parse(`${least}target: gti5801\n${chip.join("\n")}`);
    expect(recipe.options.biasCorrection).toBe(false);
    expect(recipe.chip).toEqual({
      chip: { bits: [3, 1], activationBits: 5, lastTenBits: true, chips: 2, waive: ["kernel"] },
      labels: "/d/l.txt",
      capMethod: "percentile",
      capPercent: 99.5,
      equalize: false,
      channelCopies: 4,
      rounding: "nearest",
      shiftMax: 0,
      accumulatorBits: 20,
      debug: true,
    });
    const asked = await parse(`${least}target: gti5801\nmethod: minmax\nchip: {bits: 12}`);
    expect(asked.chip).toEqual({ chip: { bits: 12, waive: [] }, capMethod: "minmax" });
  });

  it("reads a mean file, a size and fractions", async () => {
    const recipe = await parse(
      `${least}preprocess: {mean: m.binaryproto, resize: 320x240, scale: 1/255, std: [0.2, 0.3]}`,
    );
    expect(recipe.meanFile).toBe("/d/m.binaryproto");
    expect(recipe.preprocess).toMatchObject({
      resize: { kind: "exact", width: 320, height: 240 },
      scale: 1 / 255,
      std: [0.2, 0.3],
    });
  });

  it.each([
    ["modle: x", "r.yaml:1:1", /unknown key "modle".*Did you mean model/],
    [`${least}preprocess:\n  cropp: 3`, "r.yaml:5:3", /Did you mean crop\?/],
    [`${least}preprocess:\n  crop: 3.5`, "r.yaml:5:9", /expected an integer from 1, got 3.5/],
    [`${least}steps: [inspect, quantise]`, "r.yaml:4:18", /did you mean quantize/],
    [`${least}steps: [inspect, inspect]`, "r.yaml:4:18", /each step once/],
    [`${least}steps: [evaluate]`, "r.yaml:4:8", /step "evaluate" has no pictures/],
    [`${least}options: {weights: {unit: row}}`, "r.yaml:4:27", /one of channel, tensor/],
    [`${least}target: int9`, "r.yaml:4:9", /one of int8, gti2801, gti2803, gti5801/],
    [`${least}chip: {bits: 12}`, "r.yaml:4:1", /int8 has no "chip"/],
    [`${chip}  bits: 7`, "r.yaml:6:9", /one of 1, 2, 3, 5, 8, 12, got 7/],
    [`${chip}  bits: []`, "r.yaml:6:9", /some of 1, 2, 3/],
    [`${chip}  bit: 7`, "r.yaml:6:3", /Did you mean bits/],
    [`${chip}  waive: [kernell]`, "r.yaml:6:11", /did you mean kernel/],
    [`${chip}  {activationBits: 10, lastTenBits: true}`, "r.yaml:6:37", /all layers have 10 bits/],
    [`${chip}  channelCopies: 3`, "r.yaml:6:18", /one of 1, 2, 4, 8, got 3/],
    [`${chip}  rounding: best`, "r.yaml:6:13", /one of compensated, nearest/],
    [`${chip}  capPercent: 101`, "r.yaml:6:15", /per cent/],
    [`${chip}  bits: 12\nmethod: movingAverage`, "r.yaml:7:9", /one of minmax, percentile/],
    [`${chip}  bits: 12\nsteps: [compare]`, "r.yaml:7:9", /one of inspect, calibrate/],
    [`${chip}  bits: 12\noptions: {weights: {}}`, "r.yaml:7:11", /one of biasCorrection/],
    [`${least}seed: one`, "r.yaml:4:7", /expected a number, got "one"/],
    [`${least}preprocess: {scale: 1/0}`, "r.yaml:4:21", /a number other than 0/],
    ["calibrate: c\nout: o", "r.yaml:1:1", /has no "model"/],
    ["model: [net.onnx\nout: o", "r.yaml:2:1", /not a valid recipe/],
    ["- model", "r.yaml:1:1", /keys and values/],
    ["", "r.yaml:1:1", /keys and values/],
    [`${least}model: again`, "r.yaml:4:1", /Map keys must be unique/],
  ])("refuses %j with its place", async (text, where, message) => {
    const error = await parse(text).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(InlayError);
    const { fields, message: said } = error as InlayError;
    expect({ where: fields.where, kind: fields.kind }).toEqual({ where, kind: "input" });
    expect(said).toMatch(message);
  });

  it.each([
    ["brackets", "[".repeat(100_000)],
    ["bullets", "- ".repeat(100_000)],
    ["questions", "? ".repeat(100_000)],
    ["braces on lines of their own", "{a:\n".repeat(60_000)],
    ["indentation", Array.from({ length: 700 }, (_, n) => `${" ".repeat(n)}a:`).join("\n")],
    ["length", "a".repeat(2 ** 20)],
    [
      "aliases",
      `a: &a [x]\n${Array.from({ length: 26 }, (_, n) => `b${n}: &b${n} [${`*${n === 0 ? "a" : `b${n - 1}`},`.repeat(9)}]`).join("\n")}`,
    ],
  ])("refuses hostile %s quickly", async (_name, text) => {
    const started = performance.now();
    await expect(parse(text)).rejects.toBeInstanceOf(InlayError);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
