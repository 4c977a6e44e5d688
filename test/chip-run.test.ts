/**
 * A converted network run on pictures and evaluated: `inlay run out.model`, `inlay evaluate out/`.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulationGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import type { Report } from "../src/report/reports.ts";
import { reportSchemas } from "../src/report/schema.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { createRandom } from "../src/tensor/random.ts";
import { tensor, toNumbers } from "../src/tensor/tensor.ts";
import { kitFiles, tinyNetwork, tinyText } from "./kit-network.ts";
import { runCli } from "./run-cli.ts";

let folder = "";

async function inlay(
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  return await runCli(folder, argv);
}

function reportOf<K extends Report["schema"]>(
  schema: K,
  text: string,
): Extract<Report, { schema: K }> {
  const value: unknown = JSON.parse(text);
  expect(checkSchema(reportSchemas[schema], value)).toEqual([]);
  return value as Extract<Report, { schema: K }>;
}

const side = 28;

/** Random pixels [h, w, blue green red], and the picture as a bitmap file. */
function bitmap(seed: number): { readonly pixels: Uint8Array; readonly file: Uint8Array } {
  const random = createRandom(seed);
  const pixels = Uint8Array.from({ length: 3 * side * side }, () => random.below(256));
  const row = 3 * side;
  const file = new Uint8Array(54 + pixels.length);
  const view = new DataView(file.buffer);
  file.set([0x42, 0x4d]);
  view.setUint32(2, file.length, true);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, side, true);
  view.setInt32(22, side, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  // Rows stand from the bottom up.
  for (let y = 0; y < side; y += 1) {
    file.set(pixels.subarray(y * row, (y + 1) * row), 54 + (side - 1 - y) * row);
  }
  return { pixels, file };
}

/** [1, c, h, w] as the graph takes it. */
function planes(pixels: Uint8Array): Float32Array {
  const area = side * side;
  return Float32Array.from(pixels, (_, at) => pixels[(at % area) * 3 + Math.floor(at / area)] ?? 0);
}

const pictures = [1, 2, 3, 4, 5, 6].map((seed) => bitmap(seed));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "inlay-chip-run-"));
  const { prototxt, caffemodel } = kitFiles(tinyText("FIVE_BITS", 12), 4);
  writeFileSync(join(folder, "a.prototxt"), prototxt);
  writeFileSync(join(folder, "b.caffemodel"), caffemodel);
  writeFileSync(join(folder, "network.json"), JSON.stringify(tinyNetwork(2803, 5)));
  const labels = Array.from({ length: 7 }, (_, at) => `n${at} a thing, number ${at}\n`);
  writeFileSync(join(folder, "labels.txt"), labels.join(""));
  mkdirSync(join(folder, "pictures"));
  pictures.forEach(({ file }, at) => {
    writeFileSync(join(folder, "pictures", `p${at}.bmp`), file);
  });
  const words = ["a.prototxt", "b.caffemodel", "network.json", "-o", "--label=labels.txt"];
  const { code, err } = await inlay("convert", ...words);
  expect([code, err]).toEqual([0, ""]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Scores of each picture, by the scalar interpreter. */
async function scores(): Promise<readonly (readonly number[])[]> {
  const graph = simulationGraph(await readChipModel(join(folder, "output", "out.model")));
  return pictures.map(({ pixels }) => {
    const x = tensor("float32", [1, 3, side, side], planes(pixels));
    const [values] = runScalar(graph, new Map([["data", x]])).values();
    return values === undefined ? [] : toNumbers(values);
  });
}

const best = (values: readonly number[]): number => values.indexOf(Math.max(...values));

describe("run", () => {
  it("prints the five best classes of each picture, the text and JSON alike", async () => {
    const wanted = await scores();
    const { code, out } = await inlay("run", "output/out.model", "pictures", "--json", "--quiet");
    expect(code).toBe(0);
    const report = reportOf("inlay.predict/1", out);
    expect(report).toMatchObject({ target: "gti2803", deployable: true, accumulator: null });
    expect(report.pictures.map(({ name }) => name)).toEqual(pictures.map((_, at) => `p${at}.bmp`));
    for (const [at, { best: found }] of report.pictures.entries()) {
      const values = wanted[at] ?? [];
      const order = values
        .map((_, index) => index)
        .toSorted((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
      expect(found.map(({ index }) => index)).toEqual(order.slice(0, 5));
      for (const { index, score, id, name } of found) {
        expect(score).toBeCloseTo(values[index] ?? 0, 5);
        expect([id, name]).toEqual([`n${index}`, `a thing, number ${index}`]);
      }
    }
    const text = await inlay("run", "output", "pictures/p2.bmp");
    expect(text.out).toMatch(/^tiny {2}integer simulation for gti2803\n\n\S*p2\.bmp\n/);
    const [first] = report.pictures[2]?.best ?? [];
    expect(text.out).toContain(`n${first?.index} a thing, number ${first?.index}\n`);
  });

  it("with narrow accumulators gives something else, and says so", async () => {
    const words = ["run", "output/out.model", "pictures", "--json", "--quiet"];
    const exact = reportOf("inlay.predict/1", (await inlay(...words)).out);
    const run = async (...more: readonly string[]) => {
      return reportOf("inlay.predict/1", (await inlay(...words, ...more)).out);
    };
    const wide = await run("--accumulator-bits", "32", "--overflow", "wrap");
    expect(wide.pictures).toEqual(exact.pictures);
    const saturated = await run("--accumulator-bits", "14");
    expect(saturated.accumulator).toEqual({ bits: 14, overflow: "saturate" });
    const wrapped = await run("--accumulator-bits", "14", "--overflow", "wrap");
    expect(saturated.pictures).not.toEqual(exact.pictures);
    expect(wrapped.pictures).not.toEqual(saturated.pictures);
  });

  it("names what is no model, no picture and no classifier", async () => {
    writeFileSync(join(folder, "bad.model"), "nothing");
    const bad = await inlay("run", "bad.model", "pictures");
    expect([bad.code, bad.err]).toEqual([2, expect.stringContaining("bad.model")]);
    const bare = await inlay("run", "output/out.model");
    expect([bare.code, bare.err]).toEqual([2, expect.stringContaining("which pictures?")]);
  });
});

describe("evaluate", () => {
  it("counts against labels, from the folder or the file", async () => {
    const wanted = (await scores()).map(best);
    // Two of six are labelled wrong.
    const lines = wanted.map((label, at) => `p${at}.bmp ${at < 2 ? (label + 1) % 7 : label}\n`);
    writeFileSync(join(folder, "pictures", "list.txt"), lines.join(""));
    for (const model of ["output", "output/out.model"]) {
      const words = ["evaluate", model, "--images", "pictures/list.txt", "--json", "--quiet"];
      const { code, out } = await inlay(...words);
      expect(code).toBe(0);
      const report = reportOf("inlay.evaluate/1", out);
      expect(report).toMatchObject({ simulated: true, deployable: true, samples: 6, classes: 7 });
      expect(report.top1?.count).toBe(4);
      expect(report.top1?.interval[0]).toBeGreaterThan(20);
    }
    const scaled = await inlay("evaluate", "output", "--images", "pictures", "--mean", "104");
    expect([scaled.code, scaled.err]).toEqual([2, expect.stringContaining("as bytes")]);
  });

  it("marks what no chip can run", async () => {
    copyFileSync(join(folder, "a.prototxt"), join(folder, "waived.prototxt"));
    const network = JSON.parse(JSON.stringify(tinyNetwork(2801, 5)));
    writeFileSync(join(folder, "waived.json"), JSON.stringify(network));
    const words = ["waived.prototxt", "b.caffemodel", "waived.json", "-o", "--output_dir=waived"];
    const refused = await inlay("convert", ...words);
    expect(refused.code).toBe(2);
    const { code, out, err } = await inlay("convert", ...words, "--waive", "coefficient-bits");
    expect([code, err]).toEqual([0, expect.stringContaining("not deployable")]);
    expect(out).toContain("not deployable: waived coefficient-bits");
    const json = await inlay("evaluate", "waived", "--images", "pictures", "--json", "--quiet");
    expect(reportOf("inlay.evaluate/1", json.out).deployable).toBe(false);
    const text = await inlay("evaluate", "waived", "--images", "pictures", "--quiet");
    expect(text.out).toMatch(/integer simulation {2}not deployable/);
    const run = await inlay("run", "waived", "pictures", "--quiet");
    expect(run.out).toContain("not deployable: waived coefficient-bits");
  });
});
