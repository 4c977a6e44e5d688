/**
 * What a training step is fed with: pictures cut and mirrored by chance, and with each its own part of the mean image.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Values } from "../src/engine/runtime.ts";
import { type OpenNetwork, openNetwork } from "../src/job/train/open-network.node.ts";
import { openTrainingFeeds } from "../src/job/train/training-feeds.ts";
import { caffeBlobMessages } from "../src/protobuf/caffe-blob.ts";
import { encode } from "../src/protobuf/encode.ts";
import { drawnPicture, netText, side, trainFolder } from "./train-setup.ts";
import { writeLmdb } from "./write-lmdb.ts";

let folder = "";
beforeAll(() => {
  folder = trainFolder();
  // One picture, which is its own mean.
  const picture = drawnPicture(4);
  writeLmdb(join(folder, "one_lmdb"), [picture]);
  const mean = { num: 1, channels: 3, height: side, width: side };
  const data = Float32Array.from(picture.data);
  const schema = { enums: {}, messages: caffeBlobMessages } as const;
  writeFileSync(join(folder, "own.binaryproto"), encode(schema, "BlobProto", { ...mean, data }));
  const less = { ...mean, height: side - 1, data: data.subarray(0, 3 * side * (side - 1)) };
  writeFileSync(join(folder, "less.binaryproto"), encode(schema, "BlobProto", less));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function open(transform: string, phase: "TRAIN" | "TEST" = "TRAIN"): Promise<OpenNetwork> {
  const name = join(folder, "feeds.prototxt");
  writeFileSync(name, netText({ transform, trainSource: "one_lmdb" }));
  return await openNetwork(
    { name, bytes: readFileSync(name) },
    {
      ...{ phase, folder, seed: 1, augmented: phase === "TRAIN" },
      ...{ state: { level: 0, stages: [] }, onWarning: () => {} },
    },
  );
}

async function passes(opened: OpenNetwork, start: number, count: number): Promise<Values[]> {
  const feeds = openTrainingFeeds(opened.fed, opened.data, { seed: 3, start, keep: 2 });
  const all: Values[] = [];
  for (let pass = 0; pass < count; pass += 1) all.push(await feeds.next(start + pass));
  expect(feeds.recent()).toEqual(all.slice(-2));
  feeds.close();
  return all;
}

describe("feeds", () => {
  it.each([
    ["crop and mirror", "crop_size: 6 mirror: true", 6],
    ["mirror alone", "mirror: true", side],
  ])("%s: a mean image moves with its pictures", async (_, transform, size) => {
    const opened = await open(`${transform} mean_file: "own.binaryproto"`);
    const { pictures, mean = "", label = "" } = opened.fed;
    const seen = new Set<string>();
    for (const feeds of await passes(opened, 0, 4)) {
      const [images, means] = [feeds.get(pictures), feeds.get(mean)];
      expect([images?.shape, means?.shape]).toEqual([
        [6, size, size, 3],
        [6, 3, size, size],
      ]);
      expect(feeds.get(label)?.data).toEqual(new Float32Array(6).fill(1));
      const area = size * size;
      const isEqual = [...(images?.data ?? [])].map((value, at) => {
        const [n, pixel, c] = [Math.floor(at / (3 * area)), Math.floor(at / 3) % area, at % 3];
        return Number(value) === means?.data[(n * 3 + c) * area + pixel];
      });
      expect(isEqual.every(Boolean)).toBe(true);
      for (let n = 0; n < 6; n += 1) {
        seen.add(`${images?.data.slice(n * 3 * area, (n + 1) * 3 * area)}`);
      }
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  it("are a function of the pass", async () => {
    const opened = await open("crop_size: 6 mirror: true");
    expect(opened.fed.mean).toBeUndefined();
    const all = await passes(opened, 0, 5);
    expect(await passes(opened, 3, 2)).toEqual(all.slice(3));
    expect(all[0]).not.toEqual(all[1]);
  });

  it("need no means of their own where nothing moves, and in the test", async () => {
    expect((await open('mean_file: "own.binaryproto"')).fed.mean).toBeUndefined();
    const moved = 'crop_size: 6 mirror: true mean_file: "own.binaryproto"';
    const test = await open(moved, "TEST");
    expect(test.fed.mean).toBeUndefined();
    // In the middle, as Caffe crops at test time.
    expect(test.data.preprocess.crop).toBe(6);
  });

  it("refuse a picture that the mean image does not cover", async () => {
    const opened = await open('crop_size: 9 mirror: true mean_file: "less.binaryproto"');
    await expect(passes(opened, 0, 8)).rejects.toThrow("larger than the mean image");
  });
});
