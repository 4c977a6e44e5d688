/**
 * A folder for tests of the bit match: pictures, networks converted in it, and what must hold of every difference found.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { batches } from "../src/data/batch.ts";
import { openDataset } from "../src/data/open.node.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { bitMatchJob } from "../src/job/bit-match.node.ts";
import { scalarGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { convertJob } from "../src/job/convert.node.ts";
import type { BitMatchJob } from "../src/job/options.ts";
import type { BitMatchDifference, BitMatchReport } from "../src/report/bit-match.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { bitmapFile } from "./bit-match-files.ts";

/** The folder of this test file, made before its tests and removed behind them. */
export let folder = "";

/** To be called once in a test file. */
export function useFolder(): void {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "inlay-bit-match-"));
    mkdirSync(join(folder, "pictures"));
    for (let at = 0; at < 5; at += 1) {
      writeFileSync(join(folder, "pictures", `p${at}.bmp`), bitmapFile(28, at + 1));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));
}

export const context = { device: "cpu", threads: 1, seed: 0, command: ["inlay"] } as const;

/** Writes a network's files and converts it; gives its folder. */
export async function converted(
  name: string,
  files: { readonly prototxt: string; readonly caffemodel: Uint8Array },
  network: unknown,
): Promise<string> {
  const at = join(folder, name);
  mkdirSync(at);
  writeFileSync(join(at, "a.prototxt"), files.prototxt);
  writeFileSync(join(at, "b.caffemodel"), files.caffemodel);
  writeFileSync(join(at, "network.json"), JSON.stringify(network));
  await convertJob(
    {
      model: [join(at, "a.prototxt"), join(at, "b.caffemodel")],
      network: join(at, "network.json"),
      chip: { waive: [] },
      ...{ editGain: false, likeMdk: false, debug: false, force: false },
      out: join(at, "out"),
    },
    context,
  );
  return at;
}

export function matched(at: string, more: Partial<BitMatchJob> = {}): Promise<BitMatchReport> {
  return bitMatchJob(
    {
      model: join(at, "out"),
      images: { path: join(folder, "pictures") },
      reference: [join(at, "a.prototxt"), join(at, "b.caffemodel")],
      ...more,
    },
    context,
  );
}

export const one = (at: number): BitMatchJob["images"] => ({
  path: join(folder, "pictures", `p${at}.bmp`),
});

/** Levels of every sublayer for picture `at`, by the scalar interpreter. */
export async function definition(path: string, at: number): Promise<ReadonlyMap<string, number[]>> {
  const model = await readChipModel(path);
  const outputs = model.chips.flatMap(({ meta }) => meta.sublayers);
  const graph = scalarGraph({ ...model, after: undefined });
  const ids = outputs.map(({ output }) => ({ name: output, id: output }));
  const [input] = nodesOf(graph, "input");
  const dataset = await openDataset(one(at).path, { seed: 0 });
  const reading = { batch: 1, readAhead: 0 };
  const size = { height: 28, width: 28, channels: 3 };
  const preprocess = { ...defaultPreprocess, order: "bgr" } as const;
  for await (const { images } of batches(dataset, preprocess, size, reading)) {
    const planes = Float32Array.from(
      images.data,
      (_, to) => images.data[(to % 784) * 3 + Math.floor(to / 784)]!,
    );
    const x = tensor("float32", [1, 3, 28, 28], planes);
    const values = runScalar({ ...graph, outputs: ids }, new Map([[input!.id, x]]));
    return new Map(
      outputs.map(({ conv, output }) => [conv, Array.from(values.get(output)!.data, Number)]),
    );
  }
  throw new Error("no picture");
}

/** Every sum of an explanation adds up, and gives the two levels. */
export function expectSums({
  terms,
  reference,
  model,
  expected,
  simulated,
}: BitMatchDifference): void {
  for (const [sum, pick, level] of [
    [reference, (t: (typeof terms)[number]) => t.expectedInput * t.expectedWeight, expected],
    [model, (t: (typeof terms)[number]) => t.gotInput * t.gotWeight, simulated],
  ] as const) {
    const products = terms.reduce((total, term) => total + pick(term), 0);
    expect(sum.products).toBe(products);
    const { value = 0, factor = 0 } = sum.identity ?? {};
    expect(sum.accumulator).toBe(products + sum.bias + value * factor);
    expect(sum.rounded).toBe(Math.floor(sum.accumulator / 2 ** sum.shift + 0.5));
    expect(sum.level).toBe(Math.min(Math.max(sum.rounded, 0), sum.top));
    expect(sum.level).toBe(level);
  }
}

export const kinds = (found: BitMatchDifference | null): readonly string[] =>
  (found?.causes ?? []).map(({ kind }) => kind);

/** Id of the levels of sublayer `at` (from 0) of a graph. */
export function outputOf(graph: Graph, at: number): string {
  return nodesOf(graph, "shiftConv")[at]!.id;
}
