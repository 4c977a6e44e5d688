/**
 * The data layers of training prototxts, opened: on databases that are written here, and on the reference's.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batches } from "../src/data/batch.ts";
import { normalize } from "../src/data/normalize.ts";
import { readPrototxt } from "../src/formats/caffe/files.ts";
import {
  type DataLayer,
  type DataLayerOptions,
  openDataLayer,
} from "../src/job/data-layer.node.ts";
import type { Warning } from "../src/notice.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { readVectors, vectorsFolder } from "./vectors.ts";
import { writeLmdb } from "./write-lmdb.ts";

let folder = "";
const warnings: Warning[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-data-layer-"));
  mkdirSync(join(folder, "nets"));
  mkdirSync(join(folder, "leveldb"));
  const picture = (label: number, channels = 3) => ({
    ...{ channels, height: 4, width: 6, label },
    data: Uint8Array.from({ length: channels * 24 }, (_, at) => (at * 3 + label) % 256),
  });
  writeLmdb(
    join(folder, "db"),
    [0, 1, 2].map((label) => picture(label)),
  );
  writeLmdb(join(folder, "gray"), [picture(0, 1)]);
  writeLmdb(join(folder, "nets", "beside"), [picture(7)]);
});
afterAll(() => rmSync(folder, { recursive: true }));

function open(text: string, more: Partial<DataLayerOptions> = {}): Promise<DataLayer> {
  warnings.length = 0;
  const bytes = new TextEncoder().encode(text);
  return openDataLayer(
    readPrototxt("NetParameter", { name: "net", bytes }, () => {}),
    {
      ...{ phase: "TEST", prototxt: join(folder, "nets", "net.prototxt"), folder },
      onWarning: (warning) => warnings.push(warning),
      ...more,
    },
  );
}

const layer = (params: string, name = "data", type = "Data"): string =>
  `layer { name: "${name}" type: "${type}" top: "data" top: "label" ${params} }\n`;

const db = 'data_param { source: "db" backend: LMDB batch_size: 2 }';

/** The layer's first batch as the network sees it. */
async function firstBatch({ dataset, preprocess, size }: DataLayer): Promise<Tensor<"float32">> {
  const options = { batch: dataset.samples.length, readAhead: 0 };
  for await (const batch of batches(dataset, preprocess, size, options)) {
    return normalize(batch.images, preprocess);
  }
  throw new Error("no batch");
}

describe("a data layer", () => {
  it("gives its database, its batch and what it does to a picture", async () => {
    const transform = "transform_param { mirror: true crop_size: 4 scale: 0.5 mean_value: 10 }";
    const data = await open(layer(`${db} ${transform}`));
    expect(data).toMatchObject({ batchSize: 2, records: 3, mirror: true, levels: undefined });
    expect(data.size).toEqual({ channels: 3, height: 4, width: 4 });
    expect(data.preprocess).toEqual({
      ...{ color: "auto", crop: 4, order: "bgr", mean: [10], scale: 0.5, std: [1] },
    });
    const values = await firstBatch(data);
    expect(values.shape).toEqual([3, 3, 4, 4]);
    // The first plane's first pixel of the crop: column 1 of 6.
    expect(values.data[0]).toBe((3 - 10) * 0.5);
  });

  it("is that of the phase, by include and exclude", async () => {
    const train = layer(`include { phase: TRAIN } ${db}`, "train");
    const test = layer(`exclude { phase: TRAIN } ${db}`, "test");
    const named = async (text: string, phase: "TRAIN" | "TEST"): Promise<string | undefined> =>
      (await open(text, { phase })).layer.name;
    expect(await named(test + train, "TRAIN")).toBe("train");
    expect(await named(train + test, "TEST")).toBe("test");
    expect(warnings).toEqual([]);
    expect(await named(train, "TEST")).toBe("train");
    expect(warnings.map(({ id }) => id)).toEqual(["data-layer-phase"]);
  });

  it("begins again after the last record", async () => {
    const { dataset, records } = await open(layer(db), { batches: 4 });
    expect(dataset.samples.map(({ label }) => label)).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    expect(records).toBe(3);
    expect(warnings.map(({ message }) => message)).toEqual([
      "only 3 of 8 pictures are there: they are taken again from the first",
    ]);
    expect((await open(layer(db), { batches: 1 })).dataset.samples).toHaveLength(2);
    expect(warnings).toEqual([]);
  });

  it("is looked for in the current folder, then beside the prototxt", async () => {
    const beside = await open(layer(db.replace("db", "beside")));
    expect(beside.dataset.samples[0]!.label).toBe(7);
    expect(beside.source).toBe(join(folder, "nets", "beside"));
    const absolute = join(folder, "gray").replaceAll("\\", "\\\\");
    expect((await open(layer(db.replace("db", absolute)))).size.channels).toBe(1);
  });

  it("with quant_enable gives levels, without mean and scale", async () => {
    const transform = "transform_param { quant_enable: true scale: 0.5 mean_value: 3 bw_out: 4 }";
    const { levels, preprocess } = await open(layer(`${db} ${transform}`));
    expect(levels).toEqual({ from: 8, to: 4 });
    expect(preprocess).toMatchObject({ mean: [0], scale: 1 });
  });

  it("takes the old place of the transformation, and colour as forced", async () => {
    const old = 'data_param { source: "db" backend: LMDB scale: 2 crop_size: 2 batch_size: 1 }';
    expect((await open(layer(old))).preprocess).toMatchObject({ scale: 2, crop: 2 });
    const gray = await open(layer(`${db} transform_param { force_gray: true }`));
    expect([gray.preprocess.color, gray.size.channels]).toEqual(["gray", 1]);
  });

  it("ImageData: a list of files with their folder", async () => {
    const bmp = Uint8Array.from([
      ...[0x42, 0x4d, 62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0],
      ...[1, 0, 24, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[1, 2, 3, 4, 5, 6, 0, 0],
    ]);
    mkdirSync(join(folder, "pictures"));
    writeFileSync(join(folder, "pictures", "one.bmp"), bmp);
    writeFileSync(join(folder, "list.txt"), "one.bmp 4\n");
    const params = 'image_data_param { source: "list.txt" root_folder: "pictures/" batch_size: 1 }';
    const data = await open(layer(params, "data", "ImageData"));
    expect(data.dataset.samples.map(({ label }) => label)).toEqual([4]);
    expect([...(await firstBatch(data)).data]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it.each([
    ["no data layer", 'layer { name: "data" type: "Input" }', /has no data layer that can be read/],
    ["no source", layer("data_param { batch_size: 2 }"), /Data "data": the layer names no source/],
    ["LevelDB", layer(db.replace("db", "leveldb")), /not an LMDB.*LevelDB cannot be read/],
    ["a batch of 0", layer(db.replace("size: 2", "size: 0")), /batch_size is out of range/],
    ["a crop that is no square", layer(`${db} transform_param { crop_h: 2 crop_w: 3 }`), /square/],
    ["two means", layer(`${db} transform_param { mean_file: "m" mean_value: 1 }`), /cannot both/],
    ["a lost mean", layer(`${db} transform_param { mean_file: "m" }`), /mean file does not exist/],
    ["bits of nothing", layer(`${db} transform_param { quant_enable: true bw_in: 40 }`), /bw_in/],
    ["a resize in part", layer(`${db} transform_param { resize_param { height: 3 } }`), /WARP/],
  ])("refuses %s, with its place", async (_name, text, message) => {
    const place = /^\S+net\.prototxt: /;
    const failure = await open(text).then(() => "opened", String);
    expect(failure.replace("InlayError: ", "")).toMatch(place);
    expect(failure).toMatch(message);
  });

  it("refuses more pictures than are meant", async () => {
    const many = open(layer(db), { batches: 100, maxPictures: 199 });
    await expect(many).rejects.toThrow("expected at most 199, got 100 batches of 2");
  });
});

const title =
  vectorsFolder === undefined ? "the reference's (INLAY_VECTORS is unset)" : "the reference's";
describe.skipIf(vectorsFolder === undefined)(title, () => {
  const cases = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "files");
  const at = (name: string): string => join(vectorsFolder ?? "", "files", name);
  const opened = (source: string, params: string): Promise<DataLayer> =>
    open(layer(`data_param { source: "${at(source)}" backend: LMDB batch_size: 6 } ${params}`));

  it.each(["lmdb_raw", "lmdb_png"])("%s, mean file, crop and scale", async (source) => {
    const expected = cases.find(({ name }) => name.startsWith("data_layer_mean_file"))!.outputs;
    const mean = `mean_file: "${at("mean.binaryproto")}"`;
    const data = await opened(source, `transform_param { ${mean} crop_size: 8 scale: 0.5 }`);
    expect((await firstBatch(data)).data).toEqual(expected["data"]!.data);
    const labels = data.dataset.samples.map(({ label }) => label);
    expect(labels).toEqual([...expected["label"]!.data]);
  });

  it("annotated records, with means per channel", async () => {
    const pictures = cases.find(({ name }) => name === "annotated_data/plain")!.inputs;
    const stored = pictures["images_hwc_bgr"]!.data as Uint8Array;
    const means = "transform_param { mean_value: 104 mean_value: 117 mean_value: 123 }";
    const params = `data_param { source: "${at("lmdb_anno")}" backend: LMDB batch_size: 3 } ${means}`;
    const data = await open(layer(params, "data", "AnnotatedData"), { batches: 1 });
    const { data: values, shape } = await firstBatch(data);
    expect(shape).toEqual([3, 3, 16, 20]);
    for (const [index, pixel] of stored.entries()) {
      const [place, channel] = [Math.floor(index / 3), index % 3];
      const plane = 3 * Math.floor(place / 320) + channel;
      expect(values[plane * 320 + (place % 320)]).toBe(pixel - [104, 117, 123][channel]!);
    }
  });
});
