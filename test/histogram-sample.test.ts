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
  type Preprocess,
  planQuantization,
  qdqTargetNamed,
  wantedValues,
} from "../src/index.ts";
import type { Calibration } from "../src/quantize/calibrate.ts";
import { chooseRange, type RangeMethod } from "../src/quantize/observers/choose-range.ts";

const folder = process.env["INLAY_DATA"];
if (!folder) process.stderr.write("skipped test/histogram-sample.test.ts: INLAY_DATA is unset\n");

const pixels = { ...defaultPreprocess, mean: [127.5], scale: 1 / 127.5 } as const;

type Net = { readonly files: readonly string[]; readonly preprocess: Preprocess };

/** The same calibration with the method's own sample and with every pixel. */
async function bothWays({ files, preprocess }: Net, method: RangeMethod, limit: number) {
  const root = folder ?? "";
  const { graph } = await loadModel(files.map((file) => join(root, "models", file)));
  const float = canonicalize(graph);
  const wanted = wantedValues(planQuantization(float, qdqTargetNamed("int8")));
  const runtime = await nodeRuntime();
  const observe = async (everyPixel: boolean): Promise<Calibration> => {
    const dataset = await openDataset(join(root, "imagenet", "calibrate"), { limit, seed: 1 });
    return calibrate(float, wanted, dataset, preprocess, runtime, { method, everyPixel });
  };
  return { sampled: await observe(false), full: await observe(true) };
}

/** Per value: the larger difference of the two ends, relative to the larger end of the full range. */
function differences(
  { sampled, full }: { readonly sampled: Calibration; readonly full: Calibration },
  method: RangeMethod,
): readonly number[] {
  const format = { number: qdqTargetNamed("int8").activations.unsigned };
  return [...full.values].flatMap(([id, { statistics }]) => {
    const other = sampled.values.get(id)?.statistics;
    if (other === undefined || statistics.extremes.count === 0) return [];
    const [a, b] = [other, statistics].map((one) => chooseRange(method, one, format));
    const size = Math.max(Math.abs(b!.min), Math.abs(b!.max));
    return [Math.max(Math.abs(a!.min - b!.min), Math.abs(a!.max - b!.max)) / size];
  });
}

const large: Net = {
  files: [
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6.prototxt",
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6.caffemodel",
  ],
  preprocess: { ...pixels, order: "bgr", crop: 224 },
};
const small: Net = {
  files: ["mobilenet_v1_0.25_128/mobilenet_v1_0.25_128.onnx"],
  preprocess: { ...pixels, crop: 224, resizeAfter: 128 },
};
/** Its ReLUs have no upper bound: the tails are long. */
const unbounded: Net = {
  files: [
    "squeezenet_v1.0/SqueezeNet_deploy.prototxt",
    "squeezenet_v1.0/decompressed_SqueezeNet.caffemodel",
  ],
  preprocess: {
    ...defaultPreprocess,
    order: "bgr",
    mean: [104, 117, 123],
    resize: { kind: "shorter", size: 227 },
    crop: 227,
  },
};

describe.skipIf(!folder)("calibration's taps", () => {
  it("see every element for extremes and means, one picture or four at a time", async () => {
    for (const net of [large, small]) {
      const { sampled, full } = await bothWays(net, "entropy", 6);
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

  it("derive a concatenation from its inputs exactly as if it had been observed", async () => {
    const { graph } = await loadModel(
      unbounded.files.map((file) => join(folder ?? "", "models", file)),
    );
    const float = canonicalize(graph);
    const ids = ["fire2/relu_conv1x1_2", "fire2/relu_conv3x3_2", "fire2/concat"];
    const observe = async (mean: boolean): Promise<Calibration> => {
      const wanted = new Map(ids.map((id) => [id, { range: true, mean }]));
      const dataset = await openDataset(join(folder ?? "", "imagenet", "calibrate"), {
        limit: 5,
        seed: 1,
      });
      const runtime = await nodeRuntime();
      const options = { method: "entropy" } as const;
      return calibrate(float, wanted, dataset, unbounded.preprocess, runtime, options);
    };
    // A value whose mean is wanted has taps of its own.
    const [derived, tapped] = [await observe(false), await observe(true)];
    const of = (calibration: Calibration): unknown =>
      calibration.values.get("fire2/concat")?.statistics.histogram;
    expect(derived.values.get("fire2/concat")?.meanSums).toBeUndefined();
    expect(of(derived)).toBeDefined();
    expect(of(derived)).toEqual(of(tapped));
    const extremes = [derived, tapped].map((one) => {
      const { min, max } = one.values.get("fire2/concat")?.statistics.extremes ?? {};
      return [min, max];
    });
    expect(extremes[0]).toEqual(extremes[1]);
  });

  // Entropy's divergence is so flat on long tails that its coarse sample moves the threshold further:
  // docs/numerics.md has the figure.
  it.each([
    ["bounded", "entropy", large],
    ["bounded", "mse", large],
    ["unbounded", "mse", unbounded],
    ["unbounded", "percentile", unbounded],
  ] as const)("%s activations: thresholds of %s within 2 %%", async (_kind, method, net) => {
    const both = await bothWays(net, method, 30);
    const found = differences(both, method);
    expect(found.length).toBeGreaterThan(20);
    expect(Math.max(...found)).toBeLessThanOrEqual(0.02);
  });
});
