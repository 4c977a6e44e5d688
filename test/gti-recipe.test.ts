/**
 * A recipe for a chip of major layers, on a small network and drawn pictures: the same files as `quantize` writes, a
 * simulation that is judged, and steps that are not done twice.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import { quantizeChipJob } from "../src/job/quantize.node.ts";
import { runRecipe } from "../src/job/recipe.node.ts";
import { defaultQuantizeOptions } from "../src/quantize/options.ts";
import type { EvaluateReport, RunReport } from "../src/report/reports.ts";
import { bitmapFile } from "./bit-match-files.ts";
import { NetBuilder } from "./gti-nets.ts";
import { context } from "./networks.ts";

const folder = mkdtempSync(join(tmpdir(), "inlay-gti-recipe-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const size = 28;
const recipe = join(folder, "recipe.yaml");
const out = join(folder, "out");
const read = (file: string): Buffer => readFileSync(join(out, file));

function writeRecipe(chip: string, steps = "[quantize, evaluate]"): void {
  const text = [
    "model: net.onnx",
    "calibrate: list.txt",
    "evaluate: list.txt",
    "preprocess: {mean: 127.5, scale: 1/127.5}",
    `target: gti2803\nchip: ${chip}`,
    `steps: ${steps}\nout: out/`,
  ];
  writeFileSync(recipe, text.join("\n"));
}

const run = (): Promise<RunReport> => runRecipe({ recipe }, context);
const statusOf = ({ steps }: RunReport): readonly string[] => steps.map(({ status }) => status);

describe("a recipe for a chip", () => {
  beforeAll(() => {
    const net = new NetBuilder(size, 3, 7);
    net.conv(16, { activation: "clip" });
    net.pool("sample");
    net.conv(16);
    net.classifier(10);
    writeFileSync(join(folder, "net.onnx"), lowerToOnnx(net.graph(), { batch: 1 }));
    const names = Array.from({ length: 8 }, (_, at) => {
      writeFileSync(join(folder, `p${at}.bmp`), bitmapFile(size, at));
      return `p${at}.bmp ${at}`;
    });
    writeFileSync(join(folder, "list.txt"), `${names.join("\n")}\n`);
  });

  it("writes what quantize writes, and judges the model as written", async () => {
    writeRecipe("{bits: 12, equalize: false}");
    const report = await run();
    expect(statusOf(report)).toEqual(["done", "done"]);
    expect(report.steps.map(({ note }) => note)).toEqual([
      expect.stringMatching(/^top-1 .* -> /),
      expect.stringMatching(/^top-1 .* of 8$/),
    ]);
    const list = { path: join(folder, "list.txt") };
    const direct = await quantizeChipJob(
      {
        ...{ model: [join(folder, "net.onnx")], target: "gti2803", calibrate: list },
        preprocess: { ...defaultPreprocess, mean: [127.5], scale: 1 / 127.5 },
        ...{ evaluate: list, method: "mse", options: defaultQuantizeOptions, equalize: false },
        chip: { bits: 12, waive: [] },
        out: join(folder, "direct"),
      },
      context,
    );
    for (const file of ["coef.dat", "host.onnx", direct.modelFile])
      expect(read(file).equals(readFileSync(join(folder, "direct", file)))).toBe(true);
    const judged = JSON.parse(String(read("evaluate-quantized.json"))) as EvaluateReport;
    expect(judged).toMatchObject({ deployable: true, top1: direct.accuracy?.simulated });
  });

  it("does only what a change asks for", async () => {
    writeRecipe("{bits: 12, equalize: false}");
    await run();
    expect(statusOf(await run())).toEqual(["skipped", "skipped"]);
    rmSync(join(out, "evaluate-quantized.json"));
    expect(statusOf(await run())).toEqual(["skipped", "done"]);
    const before = read("coef.dat");
    writeRecipe("{bits: 5, equalize: false}");
    expect(statusOf(await run())).toEqual(["done", "done"]);
    expect(read("coef.dat").equals(before)).toBe(false);
  });

  it("says which rule the network breaks, and takes a waiver", async () => {
    const net = new NetBuilder(size, 3, 7);
    net.conv(16, { kernel: 5 });
    net.classifier(10);
    const other = join(folder, "waived");
    mkdirSync(other);
    writeFileSync(join(other, "net.onnx"), lowerToOnnx(net.graph(), { batch: 1 }));
    const path = join(other, "recipe.yaml");
    const text =
      "model: net.onnx\ncalibrate: ../list.txt\ntarget: gti2803\nsteps: [quantize]\nout: o\n";
    writeFileSync(path, text);
    await expect(runRecipe({ recipe: path }, context)).rejects.toThrow(/kernel: 5x5/);
    writeFileSync(path, `${text}chip: {waive: kernel, bits: 12}\n`);
    expect(statusOf(await runRecipe({ recipe: path }, context))).toEqual(["done"]);
  });
});
