/**
 * What calibration sees through its taps: extremes and means of every element, and thresholds from a
 * sample of the pixels close to those from all of them. Needs the variable INLAY_DATA. `npm run bench --
 * --only histogram` prints the same differences for more networks and pictures.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  calibrate,
  canonicalize,
  defaultPreprocess,
  loadModel,
  nodeRuntime,
  openDataset,
  planQuantization,
  targetNamed,
  wantedValues,
} from "../src/index.ts";
import type { Calibration } from "../src/quantize/calibrate.ts";
import { chooseRange, type RangeMethod } from "../src/quantize/observers/choose-range.ts";

const folder = process.env["INLAY_DATA"];
if (!folder) process.stderr.write("skipped test/histogram-sample.test.ts: INLAY_DATA is unset\n");

const pixels = { ...defaultPreprocess, mean: [127.5], scale: 1 / 127.5 } as const;

/** The same calibration with the sample and with every pixel. */
async function bothWays(files: readonly string[], side: number, limit: number) {
  const root = folder ?? "";
  const { graph } = await loadModel(files.map((file) => join(root, "models", file)));
  const float = canonicalize(graph);
  const wanted = wantedValues(planQuantization(float, targetNamed("int8")));
  const preprocess = { ...pixels, order: "bgr", crop: 224, resizeAfter: side } as const;
  const runtime = await nodeRuntime();
  const observe = async (everyPixel: boolean): Promise<Calibration> => {
    const dataset = await openDataset(join(root, "imagenet", "calibrate"), { limit, seed: 1 });
    return calibrate(float, wanted, dataset, preprocess, runtime, { method: "mse", everyPixel });
  };
  return { sampled: await observe(false), full: await observe(true) };
}

/** Per value: the larger difference of the two ends, relative to the larger end of the full range. */
function differences(
  { sampled, full }: { readonly sampled: Calibration; readonly full: Calibration },
  method: RangeMethod,
): readonly number[] {
  const format = { number: targetNamed("int8").activations.unsigned };
  return [...full.values].flatMap(([id, { statistics }]) => {
    const other = sampled.values.get(id)?.statistics;
    if (other === undefined || statistics.extremes.count === 0) return [];
    const [a, b] = [other, statistics].map((one) => chooseRange(method, one, format));
    const size = Math.max(Math.abs(b!.min), Math.abs(b!.max));
    return [Math.max(Math.abs(a!.min - b!.min), Math.abs(a!.max - b!.max)) / size];
  });
}

const largeNet = [
  "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6.prototxt",
  "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6.caffemodel",
];
const smallNet = ["mobilenet_v1_0.25_128/mobilenet_v1_0.25_128.onnx"];

describe.skipIf(!folder)("calibration's taps", () => {
  it("see every element for extremes and means, one picture or four at a time", async () => {
    for (const [files, side] of [[largeNet, 224] as const, [smallNet, 128] as const]) {
      const { sampled, full } = await bothWays(files, side, 6);
      for (const [id, { statistics, meanSums }] of full.values) {
        const other = sampled.values.get(id);
        const { min, max } = statistics.extremes;
        expect.soft([id, other?.statistics.extremes.min]).toEqual([id, min]);
        expect.soft([id, other?.statistics.extremes.max]).toEqual([id, max]);
        expect.soft([id, other?.meanSums]).toEqual([id, meanSums]);
        const counted = statistics.histogram?.counts.reduce((a, b) => a + b, 0) ?? 0;
        expect(counted > 0).toBe(statistics.extremes.count > 0);
      }
    }
  });

  it("sample enough of a network with bounded activations for thresholds within 2 %", async () => {
    const both = await bothWays(largeNet, 224, 40);
    for (const method of ["minmax", "entropy", "mse"] as const) {
      const found = differences(both, method);
      expect(found.length).toBeGreaterThan(20);
      expect([method, Math.max(...found) <= 0.02]).toEqual([method, true]);
    }
  });
});
