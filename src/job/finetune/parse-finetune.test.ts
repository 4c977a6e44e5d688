import { describe, expect, it } from "vitest";
import { classStages, defaultStages } from "./fine-tune.ts";
import { parseFinetune } from "./parse-finetune.ts";

const parse = (text: string): ReturnType<typeof parseFinetune> =>
  parseFinetune(text, "r.yaml", (path) => `at/${path}`);

const least = "model: net.onnx\ntarget: gti2803\ntrain: a.txt\ntest: b.txt\nout: o\n";

describe("a recipe of fine-tuning", () => {
  it("needs no more than a model, a chip, pictures and a folder", async () => {
    const { job, context } = await parse(least);
    expect(job).toMatchObject({
      model: ["at/net.onnx"],
      ...{ target: "gti2803", chip: { waive: [] }, out: "at/o" },
      ...{ train: { path: "at/a.txt" }, test: { path: "at/b.txt" } },
      ...{ ownClasses: false, fromScratch: false, stages: defaultStages, augment: {} },
      ...{ batch: 32, momentum: 0.9, weightDecay: 0.0001, learnCaps: false },
    });
    expect(job.distill).toBeUndefined();
    expect(job.limits).toBeUndefined();
    expect(context).toEqual({});
  });

  it("says all that the command's flags say, and more of the pictures", async () => {
    const more = [
      "chip: {bits: [2, 2, 12], waive: [image-size]}",
      "augment: {resizedCrop: {size: 96}, flip: true, colorJitter: {contrast: 0.25}}",
      "epochs: {float: 3, fused: 0.5}",
      "rates: [0.1, 0.2, 0.3, 0.4]",
      "distill: {share: 0.25}",
      "clipBias: true",
      "seed: 7",
    ];
    const { job, context } = await parse(least + more.join("\n"));
    expect(job.chip).toEqual({ bits: [2, 2, 12], waive: ["image-size"] });
    expect(job.augment).toEqual({
      resizedCrop: { size: 96, scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
      flip: true,
      colorJitter: { brightness: 0, contrast: 0.25, saturation: 0 },
    });
    expect(job.stages).toEqual({
      float: { epochs: 3, rate: 0.1 },
      convolutions: { epochs: 1, rate: 0.2 },
      activations: { epochs: 2, rate: 0.3 },
      fused: { epochs: 0.5, rate: 0.4 },
    });
    expect(job.distill).toEqual({ share: 0.25, temperature: 4 });
    expect(job.limits).toEqual({ clipBias: true, maxNorm: undefined });
    expect(context).toEqual({ seed: 7 });
  });

  it("divides a folder of classes by the split", async () => {
    const { job } = await parse(
      "model: net.onnx\ntarget: gti2803\nclasses: own\nsplit: 0.75\nout: o\n",
    );
    expect(job.ownClasses).toBe(true);
    expect(job.stages).toEqual(classStages);
    expect([job.train, job.test]).toEqual([
      { path: "at/own", split: 0.75, part: "first" },
      { path: "at/own", split: 0.75, part: "second" },
    ]);
  });

  it.each([
    ["an unknown key", `${least}epoch: 3\n`, /r\.yaml:6:1/],
    ["no chip", least.replace("gti2803", "int8"), /r\.yaml:2:9.*gti2803/s],
    ["no pictures", "model: a\ntarget: gti2803\nout: o\n", /no "train"/],
    ["too few epochs", `${least}epochs: [1, 2]\n`, /r\.yaml:6:9.*4 numbers/s],
    ["a rate below 0", `${least}rates: [1, -1, 1, 1]\n`, /r\.yaml:6:12.*0 at least/s],
    ["two kinds of pictures", `${least}classes: own\n`, /r\.yaml:6:10/],
    ["a mean image", `${least}preprocess: {mean: m.binaryproto}\n`, /no mean image/],
  ])("refuses %s", async (_, text, message) => {
    await expect(parse(text)).rejects.toThrow(message);
  });
});
