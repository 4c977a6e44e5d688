/**
 * The data side against real data: the decoder's oracle, MNIST, CIFAR, LMDBs, and the reference's own
 * transformed batches. Needs the variables INLAY_DATA and INLAY_VECTORS.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Batch, batches } from "../src/data/batch.ts";
import { type Dataset, labelCount, take } from "../src/data/dataset.ts";
import { type Image, image } from "../src/data/image.ts";
import { normalize } from "../src/data/normalize.ts";
import { openDataset, readClasses, readMean } from "../src/data/open.node.ts";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import { resize } from "../src/data/resize.ts";
import type { Warning } from "../src/notice.ts";
import { untar } from "./untar.ts";

const dataDir = process.env["INLAY_DATA"];
const vectorsDir = process.env["INLAY_VECTORS"];
const bgr: Preprocess = { ...defaultPreprocess, order: "bgr" };

async function firstBatch(
  dataset: Dataset,
  preprocess: Preprocess,
  size: readonly [height: number, width: number, channels: number],
): Promise<Batch> {
  const [height, width, channels] = size;
  const options = { batch: dataset.samples.length, readAhead: 0 };
  for await (const batch of batches(dataset, preprocess, { height, width, channels }, options)) {
    return batch;
  }
  throw new Error("no batch");
}

describe.skipIf(dataDir === undefined)("real data (INLAY_DATA)", () => {
  const at = (...parts: string[]): string => join(dataDir ?? "", ...parts);

  it("decodes the first 16 validation pictures byte for byte as the oracle", async () => {
    const oracle = readFileSync(at("imagenet", "oracle", "first16_227_bgr.u8"));
    const whole = await openDataset(at("imagenet", "val", "labels.txt"), { seed: 1 });
    expect(whole.samples.length).toBe(500);
    const size = { height: 227, width: 227, channels: 3 };
    let compared = 0;
    for await (const { images } of batches(take(whole, 16), bgr, size, {
      batch: 5,
      readAhead: 1,
    })) {
      const part = oracle.subarray(compared, compared + images.data.length);
      // Not one of 2,473,392 bytes differs with sharp 0.35 and libjpeg-turbo.
      expect(images.data.filter((value, index) => value !== part[index])).toHaveLength(0);
      compared += images.data.length;
    }
    expect(compared).toBe(oracle.length);
  });

  it("reads the synset names and the calibration folder", async () => {
    const classes = await readClasses(at("imagenet", "synset_words.txt"));
    expect(classes).toHaveLength(1000);
    expect(classes[0]).toEqual({ id: "n01440764", name: "tench, Tinca tinca" });
    const calibrate = await openDataset(at("imagenet", "calibrate"), { seed: 1 });
    expect(calibrate.samples).toHaveLength(250);
    const picture = await calibrate.samples[0]!.load();
    expect(Math.min(picture.width, picture.height)).toBe(256);
  });

  it("reads MNIST", async () => {
    const mnist = await openDataset(at("mnist", "t10k-images-idx3-ubyte.gz"), { seed: 1 });
    expect(mnist.samples).toHaveLength(10_000);
    expect(mnist.samples.slice(0, 10).map(({ label }) => label)).toEqual([
      7, 2, 1, 0, 4, 1, 4, 9, 5, 9,
    ]);
    const counts = new Array<number>(10).fill(0);
    for (const { label } of mnist.samples) counts[label ?? -1]! += 1;
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    expect(await mnist.samples[0]!.load()).toMatchObject({ width: 28, height: 28, channels: 1 });
  });

  it("reads the LMDBs that Caffe's tools wrote: their mean is the mean image beside them", async () => {
    for (const [name, count] of [
      ["train", 12],
      ["test", 8],
    ] as const) {
      const dataset = await openDataset(at("lmdb", `${name}_lmdb`), { seed: 1 });
      expect(dataset.samples).toHaveLength(count);
      const listed = await openListNames(at("lmdb", `${name}_files.txt`));
      expect(dataset.samples.map(({ name: key }) => key.slice(9)).toSorted()).toEqual(
        listed.toSorted(),
      );
      const mean = await readMean(at("lmdb", `${name}_mean`));
      const [c, h, w] = mean.shape;
      const { images } = await firstBatch(dataset, bgr, [h, w, c]);
      const sums = new Float64Array(c * h * w);
      const planar = normalize(images, bgr);
      planar.data.forEach((value, index) => {
        sums[index % sums.length]! += value;
      });
      const worst = sums.reduce(
        (most, sum, index) => Math.max(most, Math.abs(sum / count - mean.values[index]!)),
        0,
      );
      expect(worst).toBeLessThan(1e-4);
    }
  });
});

async function openListNames(path: string): Promise<string[]> {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => line.slice(0, line.lastIndexOf(" ")));
}

describe.skipIf(dataDir === undefined)("CIFAR-10 as pictures (INLAY_DATA)", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "inlay-cifar-"));
    const source = join(dataDir ?? "", "cifar10");
    untar(gunzipSync(readFileSync(join(source, "cifar10_jpeg_50k_4k.tar.gz"))), folder, (name) =>
      name.startsWith("test/"),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is found by its list below another root, and as class folders in the same order", async () => {
    const list = join(dataDir ?? "", "cifar10", "test_labels.txt");
    const warnings: Warning[] = [];
    const listed = await openDataset(list, { root: folder, seed: 1 });
    expect(listed.samples).toHaveLength(4000);
    await openDataset(list, {
      root: folder,
      seed: 1,
      limit: 100,
      onWarning: (warning) => warnings.push(warning),
    });
    expect(warnings.map(({ id }) => id)).toEqual(["limit-classes"]);
    const folders = await openDataset(join(folder, "test"), { seed: 1 });
    const pairs = ({ samples }: Dataset): string[] =>
      samples.map(({ name, label }) => `${name} ${label}`);
    expect(pairs(folders)).toEqual(pairs(listed).map((pair) => pair.replace("test/", "")));
    expect(folders.classes?.[3]).toBe("cat");
    const few = await openDataset(list, {
      root: folder,
      seed: 1,
      split: { fraction: 0.1, part: "first" },
    });
    expect([few.samples.length, labelCount(few)]).toEqual([400, 10]);
    expect(await few.samples[0]!.load()).toMatchObject({ width: 32, height: 32, channels: 3 });
  });
});

type Ref = { readonly dtype: string; readonly shape: readonly number[]; readonly offset: number };
type Case = {
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, Ref>>;
  readonly outputs: Readonly<Record<string, Ref>>;
};

function suite(name: string): {
  readonly cases: ReadonlyMap<string, Case>;
  readonly get: (ref: Ref | undefined) => number[];
} {
  const { cases } = JSON.parse(readFileSync(join(vectorsDir ?? "", `${name}.json`), "utf8")) as {
    readonly cases: readonly Case[];
  };
  const file = readFileSync(join(vectorsDir ?? "", `${name}.bin`));
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const get = (ref: Ref | undefined): number[] => {
    if (ref === undefined) throw new Error("no such tensor");
    const count = ref.shape.reduce((product, dim) => product * dim, 1);
    return Array.from({ length: count }, (_, index) => {
      if (ref.dtype === "u8") return view.getUint8(ref.offset + index);
      const at = ref.offset + 4 * index;
      return ref.dtype === "i32" ? view.getInt32(at, true) : view.getFloat32(at, true);
    });
  };
  return { cases: new Map(cases.map((entry) => [entry.name, entry])), get };
}

/** The MDK's 8 to 5 bit input quantization: ((x >> 2) + 1) >> 1, at most 31. */
const toFiveBits = (value: number): number => Math.min(31, ((value >> 2) + 1) >> 1);

describe.skipIf(vectorsDir === undefined)("reference vectors (INLAY_VECTORS)", () => {
  const file = (...parts: string[]): string => join(vectorsDir ?? "", "files", ...parts);

  it("reads raw and PNG-encoded LMDBs", async () => {
    const { cases, get } = suite("files");
    for (const name of ["lmdb_raw", "lmdb_png"]) {
      const dataset = await openDataset(file(name), { seed: 1 });
      const { outputs } = cases.get(name)!;
      expect(dataset.samples.map(({ label }) => label)).toEqual(get(outputs["labels"]));
      expect(dataset.samples[1]?.name).toBe("00000001");
      const { images } = await firstBatch(dataset, bgr, [10, 12, 3]);
      expect(Array.from(normalize(images, bgr).data)).toEqual(get(outputs["images"]));
    }
  });

  it("subtracts the mean image, crops and scales as the data layer", async () => {
    const { cases, get } = suite("files");
    const mean = await readMean(file("mean.binaryproto"));
    expect(mean.values).toEqual(get(cases.get("mean.binaryproto")!.outputs["mean"]));
    const preprocess = { ...bgr, crop: 8, mean, scale: 0.5 };
    const { images } = await firstBatch(
      await openDataset(file("lmdb_raw"), { seed: 1 }),
      preprocess,
      [8, 8, 3],
    );
    const expected = get(cases.get("data_layer_mean_file_crop8_scale0.5")!.outputs["data"]);
    expect(Array.from(normalize(images, preprocess).data)).toEqual(expected);
  });

  it("reads the pictures of annotated records", async () => {
    const { cases, get } = suite("files");
    const dataset = await openDataset(file("lmdb_anno"), { seed: 1 });
    expect(dataset.samples.map(({ label }) => label)).toEqual([undefined, undefined, undefined]);
    const { images } = await firstBatch(dataset, bgr, [16, 20, 3]);
    const expected = cases.get("annotated_data/plain")!.inputs["images_hwc_bgr"];
    expect(Array.from(images.data)).toEqual(get(expected));
  });

  it("resizes as the reference's OpenCV, seen through its 5-bit quantization", () => {
    const { cases, get } = suite("files");
    // What that layer fed in is its plain output with the mean added again.
    const planes = get(cases.get("annotated_data/plain")!.outputs["data"]);
    const mean = [104, 117, 123];
    const expected = get(cases.get("annotated_data/resize_linear")!.outputs["data"]);
    for (let plane = 0; plane < 9; plane++) {
      const values = planes
        .slice(plane * 320, (plane + 1) * 320)
        .map((value) => value + mean[plane % 3]!);
      const { data } = resize(image(20, 16, 1, Uint8Array.from(values)), 10, 12);
      const part = expected.slice(plane * 120, (plane + 1) * 120);
      expect(Array.from(data, toFiveBits)).toEqual(part);
    }
  });

  it("transforms records as the data layer: plain, mean, and the crop", async () => {
    const { cases, get } = suite("data_transform");
    let checked = 0;
    for (const [name, { params, inputs, outputs }] of cases) {
      if (!/^(raw|encoded)\/(plain|mean3|crop6)\/TEST$/.test(name)) continue;
      const planes = get(inputs["x"]);
      const source: Image = image(
        11,
        9,
        3,
        Uint8Array.from(
          { length: 297 },
          (_, at) => planes[(2 - (at % 3)) * 99 + Math.floor(at / 3)]!,
        ),
      );
      const dataset = { source: name, samples: [{ name, label: 0, load: async () => source }] };
      const crop = params["crop_size"] === undefined ? {} : { crop: Number(params["crop_size"]) };
      const mean = (params["mean_value"] as number[] | undefined) ?? [0];
      const preprocess = { ...bgr, ...crop, mean };
      const [, , h, w] = outputs["y"]!.shape;
      const { images } = await firstBatch(dataset, preprocess, [h!, w!, 3]);
      const values = Array.from(normalize(images, preprocess).data);
      expect(params["quant_enable"] === true ? values.map(toFiveBits) : values).toEqual(
        get(outputs["y"]),
      );
      checked += 1;
    }
    expect(checked).toBe(6);
  });
});
