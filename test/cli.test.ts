import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nextSteps } from "../src/cli/demo.ts";
import { main } from "../src/cli/main.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { defaultCalibrationMethod, defaultThresholdDb } from "../src/job/defaults.ts";
import { defaultStages, stageNames } from "../src/job/finetune/fine-tune.ts";
import { parseFinetune } from "../src/job/finetune/parse-finetune.ts";
import { parseRecipe } from "../src/job/recipe-parse.ts";
import { defaultQuantizeOptions } from "../src/quantize/options.ts";
import type { FinetuneReport } from "../src/report/finetune.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import type { Report } from "../src/report/reports.ts";
import { reportSchemas } from "../src/report/schema.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Outcome = { readonly code: number; readonly out: string; readonly err: string };

async function inlay(...argv: readonly string[]): Promise<Outcome> {
  return await inlayWith({}, ...argv);
}

async function inlayWith(
  world: { readonly signal?: AbortSignal; readonly isTty?: boolean; readonly noColor?: string },
  ...argv: readonly string[]
): Promise<Outcome> {
  let [out, err] = ["", ""];
  const isTty = world.isTty === true;
  const code = await main(argv, {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isTty: { stdout: isTty, stderr: isTty },
    columns: undefined,
    env: { NO_COLOR: world.noColor },
    cwd: folder,
    signal: world.signal ?? new AbortController().signal,
  });
  return { code, out, err };
}

/** The report that `--json` printed, checked against its schema. */
function reportOf<K extends Report["schema"]>(
  schema: K,
  text: string,
): Extract<Report, { schema: K }> {
  const value: unknown = JSON.parse(text);
  expect(checkSchema(reportSchemas[schema], value)).toEqual([]);
  return value as Extract<Report, { schema: K }>;
}

describe("help", () => {
  it.each([
    ["help", ["--help"]],
    ...["train", "test", "calibrate-quant-relu", "refine-network"].map(
      (name): [string, string[]] => [`help-${name}`, [name, "--help"]],
    ),
    ...[
      "inspect",
      "check",
      "evaluate",
      "calibrate",
      "quantize",
      "compare",
      "convert",
      "run",
      "demo",
    ].map((name): [string, string[]] => [`help-${name}`, [name, "--help"]]),
  ])("%s is its golden", async (name, argv) => {
    const { code, out, err } = await inlay(...argv);
    expect([code, err]).toEqual([0, ""]);
    await expect(out).toMatchFileSnapshot(`goldens/cli/${name}.txt`);
  });

  it("of run holds a recipe that reads as the documented one does", async () => {
    const { out } = await inlay("run", "--help");
    const [, text = ""] = /\n( {2}model:.*?\n {2}out:.*?)\n/s.exec(out) ?? [];
    const source = readFileSync(new URL("../src/job/recipe.ts", import.meta.url), "utf8");
    const documented = source.split("\n").filter((line) => line.startsWith(" *     "));
    const [shown, meant] = await Promise.all(
      [text, documented.map((line) => `  ${line.slice(7)}`).join("\n")].map((recipe) =>
        parseRecipe(recipe.replaceAll(/^ {2}/gm, ""), "r", (path) => path).catch(String),
      ),
    );
    expect(shown).toEqual(meant);
    expect(shown).toHaveProperty("out", "out/");
  });

  it("of finetune holds a recipe with every key", async () => {
    const { out } = await inlay("finetune", "--help");
    const [, text = ""] = /\n( {2}model:.*?\n {2}out:.*?)\n/s.exec(out) ?? [];
    const recipe = text.replaceAll(/^ {2}/gm, "");
    const { job, context } = await parseFinetune(recipe, "r", (path) => path);
    expect(job).toMatchObject({ out: "tuned/", chip: { bits: 2 }, stages: defaultStages });
    expect(Object.keys(job.augment)).toHaveLength(5);
    expect([job.distill, job.limits, context.device]).toEqual([
      { share: 0.5, temperature: 4 },
      { clipBias: false, maxNorm: 3 },
      "cpu",
    ]);
  });

  it("tells the defaults that the library has", async () => {
    const { out } = await inlay("quantize", "--help");
    expect(out).toContain(`(default: ${defaultCalibrationMethod})`);
    expect(out).toContain(`(default: ${defaultQuantizeOptions.weights.unit})`);
    expect(defaultQuantizeOptions.activations.signed).toBe(false);
    expect(out).toContain("(default: unsigned)");
    expect(defaultPreprocess.order).toBe("rgb");
    expect(out).toContain("(default: rgb)");
    expect((await inlay("compare", "--help")).out).toContain(`(default: ${defaultThresholdDb})`);
  });

  it("shows the version of the package", async () => {
    const { version } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    ) as { version: string };
    expect(await inlay("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it("goes to stderr where nothing was asked", async () => {
    const { code, out, err } = await inlay();
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("Usage: inlay");
  });
});

describe("wrong usage ends with 2 and names what is wrong", () => {
  it.each([
    [["evaluat", "x"], /unknown command 'evaluat'\n\(Did you mean evaluate\?\)/],
    [["evaluate", "x", "--imgaes", "y"], /unknown option '--imgaes'\n\(Did you mean --images\?\)/],
    [["evaluate", "net.onnx"], /--images <path> is missing/],
    [["quantize", "net.onnx", "--out", "o"], /--calibrate <path> is missing/],
    [["quantize", "net.onnx", "--calibrate", "c"], /--out <folder> is missing/],
    [["inspect"], /missing required argument 'model'/],
    [["inspect", "a", "b", "c"], /too many arguments/],
    [
      ["evaluate", "a", "--images", "b", "--crop", "0"],
      /'--crop <N>' argument '0' is invalid. Expected a positive integer/,
    ],
    [["evaluate", "a", "--images", "b", "--order", "gbr"], /Allowed choices are rgb, bgr/],
    [
      ["calibrate", "a", "--images", "b", "--method", "kl"],
      /Allowed choices are minmax, moving-average/,
    ],
    [
      ["evaluate", "a", "--images", "b", "--force-gray", "--force-color"],
      /cannot be used with option/,
    ],
    [["evaluate", "a", "--images", "b", "--color", "gray", "--force-color"], /--color contradicts/],
    [["evaluate", "a", "--images", "b", "--std", "0"], /--std must be positive/],
    [["inspect", "a", "--device", "tpu"], /Allowed choices are cpu, webgpu, cuda/],
    [["inspect", "a", "--threads", "-1"], /Expected an integer from 0/],
  ])("%j", async (argv, message) => {
    const { code, out, err } = await inlay(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(message);
  });
});

describe("files that are not what they should be end with 2", () => {
  beforeAll(() => {
    writeFileSync(join(folder, "text.onnx"), "this is no model");
    writeFileSync(join(folder, "net.prototxt"), "layer { name: 3 }}}");
    mkdirSync(join(folder, "empty"));
    writeFileSync(join(folder, "bad.yaml"), "model: net.onnx\nimages: c\n");
    writeFileSync(join(folder, "lost.yaml"), "model: lost.onnx\ncalibrate: empty\nout: lost-out\n");
  });
  it.each([
    [["inspect", "lost.onnx"], /lost\.onnx/],
    [["inspect", "text.onnx"], /text\.onnx/],
    [["inspect", "net.prototxt"], /net\.prototxt:1/],
    [["inspect", "empty"], /empty/],
    [["compare", "empty", "--images", "empty"], /not a folder that inlay quantize wrote/],
    [["evaluate", "text.onnx", "--images", "x", "--mean", "lost.binaryproto"], /lost\.binaryproto/],
    [["run", "bad.yaml"], /bad\.yaml:2:1: unknown key "images"/],
    [["run", "lost.yaml"], /lost\.onnx/],
  ])("%j", async (argv, message) => {
    const { code, out, err } = await inlay(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^error: /);
    expect(err).toMatch(message);
    expect(existsSync(join(folder, "lost-out"))).toBe(false);
  });
});

describe("the whole job, on the demo's network", () => {
  const flags = ["--crop", "28", "--scale", "1/128"];
  const network = join("demo", "network.onnx");
  const test = join("demo", "test.bin");
  const train = join("demo", "train.bin");
  const quantized = join("demo", "quantized");

  it("demo: trains a network that works, and so do its integers and the chip's simulation", async () => {
    const { code, out, err } = await inlay("demo", "--out", "demo", "--json", "--quiet");
    expect([code, err]).toEqual([0, ""]);
    const { finetune, untuned, int8, warnings } = reportOf("inlay.demo/1", out);
    const { float, trained, simulated, differing } = finetune.accuracy!;
    expect(finetune.stages.map(({ name }) => name)).toEqual([...stageNames]);
    // Chance is one in ten.
    expect(float.percent).toBeGreaterThan(80);
    expect(float.percent).toBeLessThan(100);
    expect(trained.percent).toBeGreaterThan(80);
    expect([differing, simulated]).toEqual([0, trained]);
    expect(finetune.bitMatch).toEqual({ pictures: 1000, matches: 1000 });
    expect(finetune.convert).toMatchObject({ deployable: true, waived: [], labels: 10 });
    // The same float network went each of the other ways.
    expect(untuned.accuracy!.float).toEqual(float);
    expect(untuned.accuracy!.simulated.percent).toBeGreaterThan(20);
    const { quantize } = int8;
    expect(quantize!.accuracy!.float).toEqual(float);
    expect(Math.abs(float.percent - quantize!.accuracy!.quantized.percent)).toBeLessThan(2);
    for (const file of quantize!.files)
      expect(existsSync(join(folder, quantized, file))).toBe(true);
    expect(quantize!.files).toContain("report.html");
    expect(warnings).toEqual([]);
  }, 300_000);

  it("demo: the commands that it names next work on its files", async () => {
    const commands = [...nextSteps("demo").matchAll(/npx inlay (.*)/g)].map(
      ([, words = ""]) => words,
    );
    const [evaluate = [], finetune = []] = commands.map((words) => words.split(" "));
    const judged = reportOf("inlay.evaluate/1", (await inlay(...evaluate, "--json")).out);
    const { out } = await inlay(...finetune, "--epochs", "0,0,0,0", "--json");
    const { accuracy, target } = reportOf("inlay.finetune/1", out);
    const demo = JSON.parse(
      readFileSync(join(folder, "demo", "tuned", "report.json"), "utf8"),
    ) as FinetuneReport;
    expect([judged.simulated, judged.top1]).toEqual([true, demo.accuracy!.simulated]);
    // The same pictures, prepared the same way.
    expect([target, accuracy!.float]).toEqual(["gti5801", demo.accuracy!.float]);
  });

  it("inspect", async () => {
    const { code, out } = await inlay("inspect", network, "--json");
    expect([code, reportOf("inlay.inspect/1", out).totals.layers]).toEqual([0, 26]);
    const text = await inlay("inspect", network);
    expect(text.out).toContain("conv1");
  });

  it("evaluate: float and integers, with the preprocessing that quantize kept", async () => {
    const float = await inlay("evaluate", network, "--images", test, ...flags, "--json");
    const integers = await inlay("evaluate", quantized, "--images", test, "--json");
    const [a, b] = [float, integers].map(({ out }) => reportOf("inlay.evaluate/1", out));
    expect([a!.samples, b!.samples, a!.simulated, b!.simulated]).toEqual([1000, 1000, false, true]);
    expect(a!.top1!.count).toBeGreaterThan(800);
    expect(Math.abs(a!.top1!.count - b!.top1!.count)).toBeLessThan(20);
    // Without the preprocessing the network is lost: the flags did reach it.
    const bare = await inlay("evaluate", network, "--images", test, "--json");
    expect(reportOf("inlay.evaluate/1", bare.out).top1!.count).toBeLessThan(a!.top1!.count - 100);
  });

  it("calibrate: a table on stdout, and the same as CSV", async () => {
    const argv = ["--images", train, "--limit", "50", "--method", "minmax", ...flags];
    const { code, out } = await inlay(
      "calibrate",
      network,
      ...argv,
      "--csv",
      "r/ranges.csv",
      "--json",
    );
    const report = reportOf("inlay.calibrate/1", out);
    expect([code, report.samples, report.method]).toEqual([0, 50, "minmax"]);
    const lines = readFileSync(join(folder, "r", "ranges.csv"), "utf8")
      .trimEnd()
      .split("\n");
    expect(lines).toHaveLength(report.ranges.length + 1);
  });

  it("quantize: options reach the result; the split keeps judging pictures apart", async () => {
    const { code, out } = await inlay(
      ...["quantize", network, "--calibrate", test, "--evaluate", test, "--split", "0.1"],
      ...["--weights", "tensor", "--power-of-two", "--method", "minmax", "--no-bias-correction"],
      ...["--out", "plain", ...flags, "--json"],
    );
    const report = reportOf("inlay.quantize/1", out);
    expect([code, report.accuracy!.samples]).toEqual([0, 900]);
    for (const { weightScale } of report.layers) {
      expect(weightScale!.count).toBe(1);
      expect(Number.isInteger(Math.log2(weightScale!.min))).toBe(true);
    }
  });

  it("compare", async () => {
    const { code, out } = await inlay(
      ...["compare", quantized, "--images", test, "--limit", "20", "--threshold", "60", "--json"],
    );
    const report = reportOf("inlay.compare/1", out);
    expect([code, report.samples, report.thresholdDb]).toEqual([0, 20, 60]);
    expect(report.firstBelow).not.toBeNull();
  });

  it("run: does all once, then nothing, then only what is missing or depends on a change", async () => {
    const recipe = (limit: number): string =>
      `model: ${network}\ncalibrate: {path: ${train}, limit: 60}\nevaluate: {path: ${test}, limit: ${limit}}\n` +
      "preprocess: {crop: 28, scale: 1/128}\nsteps: [inspect, calibrate, evaluate, quantize, evaluate, compare]\nout: recipe-out\n";
    const run = async (...more: readonly string[]): Promise<string> => {
      const { code, out, err } = await inlay("run", "recipe.yaml", "--json", "--quiet", ...more);
      expect(err).toBe("");
      expect(code).toBe(0);
      const { steps } = reportOf("inlay.run/1", out);
      return steps.map(({ status }) => (status === "done" ? "D" : "s")).join("");
    };
    writeFileSync(join(folder, "recipe.yaml"), recipe(100));
    expect(await run()).toBe("DDDDDD");
    expect(await run()).toBe("ssssss");
    expect(await run("--seed", "3")).toBe("DDDDDD");
    expect(await run()).toBe("DDDDDD");
    rmSync(join(folder, "recipe-out", "compare.json"));
    expect(await run()).toBe("sssssD");
    writeFileSync(join(folder, "recipe-out", "evaluate-float.json"), "{}");
    expect(await run()).toBe("ssDsss");
    writeFileSync(join(folder, "recipe.yaml"), recipe(80));
    expect(await run()).toBe("ssDDDs");
    writeFileSync(join(folder, "recipe-out", "run-state.json"), "{ damaged");
    expect(await run()).toBe("DDDDDD");
    expect(await run("--force")).toBe("DDDDDD");
  });

  it("run: a step that fails ends the run with 1, and the report says which", async () => {
    writeFileSync(join(folder, "in-the-way"), "");
    const recipe = { model: network, out: "in-the-way/out", steps: ["inspect"] };
    writeFileSync(join(folder, "failing.json"), JSON.stringify(recipe));
    const { code, out } = await inlay("run", "failing.json", "--json");
    const { steps } = reportOf("inlay.run/1", out);
    expect([code, steps.length, steps[0]!.status]).toEqual([1, 1, "failed"]);
    expect(steps[0]!.note).toMatch(/cannot be written/);
  });

  it("Ctrl-C ends with 130 and writes nothing", async () => {
    const argv = ["quantize", network, "--calibrate", train, "--out", "stopped", ...flags];
    const { code, out, err } = await inlayWith({ signal: AbortSignal.abort() }, ...argv);
    expect([code, out, err]).toEqual([130, "", "interrupted\n"]);
    expect(readdirSync(folder)).not.toContain("stopped");
  });

  it("colours are for people who want them", async () => {
    const colored = await inlayWith({ isTty: true }, "inspect", network);
    const plain = await inlayWith({ isTty: true, noColor: "1" }, "inspect", network);
    const introducer = "\u001b";
    expect(colored.out).toContain(`${introducer}[`);
    expect(plain.out).not.toContain(introducer);
    expect(colored.out.replaceAll(new RegExp(`${introducer}\\[\\d+m`, "g"), "")).toBe(plain.out);
  });

  it("a folder that cannot be written is failed work", async () => {
    writeFileSync(join(folder, "file"), "");
    const argv = ["--images", train, "--limit", "20", ...flags];
    const { code, out, err } = await inlay("calibrate", network, ...argv, "--csv", "file/x.csv");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/cannot be written/);
  });
});
