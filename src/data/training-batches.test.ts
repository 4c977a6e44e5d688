import { describe, expect, it } from "vitest";
import type { Augmentation } from "./augmentation.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { image } from "./image.ts";
import { defaultPreprocess } from "./preprocess.ts";
import {
  openTrainingBatches,
  type TrainingBatch,
  type TrainingBatchOptions,
} from "./training-batches.ts";

const size = { height: 4, width: 4, channels: 3 };

/** Pictures of 4x4 whose bytes tell which sample they are. */
function memory(count: number, onLoad: (index: number) => void = () => undefined): Dataset {
  const samples = Array.from(
    { length: count },
    (_, index): Sample => ({
      name: `p${index}`,
      label: index % 10,
      load: async () => {
        onLoad(index);
        const bytes = Uint8Array.from({ length: 48 }, (_, at) => 50 * (index % 5) + at + 1);
        return image(4, 4, 3, bytes);
      },
    }),
  );
  return { source: "memory", samples };
}

const defaults: TrainingBatchOptions = {
  preprocess: defaultPreprocess,
  size,
  batch: 4,
  shuffle: true,
  seed: 7,
  augment: {},
  readAhead: 2,
  start: 0,
};

async function take(
  dataset: Dataset,
  count: number,
  options: Partial<TrainingBatchOptions> = {},
): Promise<TrainingBatch[]> {
  const batches = openTrainingBatches(dataset, { ...defaults, ...options });
  const all: TrainingBatch[] = [];
  for (let done = 0; done < count; done++) all.push(await batches.next());
  batches.close();
  return all;
}

const everything: Augmentation = {
  resizedCrop: { size: 6, scale: [0.3, 1], ratio: [0.7, 1.4] },
  padAndCrop: { pad: 1 },
  crop: { size: 4, place: "random" },
  flip: true,
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 },
};

describe("training batches", () => {
  it("go round in order without shuffling, across the end", async () => {
    const all = await take(memory(5), 3, { shuffle: false });
    expect(all.flatMap(({ names }) => names)).toEqual(
      [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1].map((index) => `p${index}`),
    );
    expect(Array.from(all[1]!.labels)).toEqual([4, 0, 1, 2]);
    expect(all[0]!.images.shape).toEqual([4, 4, 4, 3]);
    expect(Array.from(all[1]!.images.data.subarray(0, 3))).toEqual([201, 202, 203]);
  });

  it("shuffle anew in every epoch, each sample once", async () => {
    const all = await take(memory(10), 5);
    const names = all.flatMap((batch) => batch.names);
    const first = names.slice(0, 10);
    const second = names.slice(10, 20);
    expect(new Set(first).size).toBe(10);
    expect(new Set(second).size).toBe(10);
    expect(first).not.toEqual(second);
    const other = await take(memory(10), 3, { seed: 8 });
    expect(other.flatMap((batch) => batch.names).slice(0, 10)).not.toEqual(first);
  });

  it("depend on the seed and the iteration alone", async () => {
    const whole = await take(memory(7), 12, { augment: everything });
    for (const start of [1, 5, 11]) {
      const rest = await take(memory(7), 12 - start, { augment: everything, start });
      expect(rest).toEqual(whole.slice(start));
    }
    const slow = await take(memory(7), 12, { augment: everything, readAhead: 0, cacheBytes: 0 });
    expect(slow).toEqual(whole);
    const other = await take(memory(7), 1, { augment: everything, seed: 9 });
    expect(other).not.toEqual(whole.slice(0, 1));
  });

  it("give the same bytes on every machine", async () => {
    const [batch] = await take(memory(3), 1, { augment: everything, batch: 1 });
    expect(Array.from(batch!.images.data).join(" ")).toMatchInlineSnapshot(
      `"8 11 12 11 14 17 13 16 17 16 17 18 20 23 24 23 26 27 26 27 28 27 28 29 32 35 36 36 37 38 37 38 42 37 41 43 45 46 49 47 50 51 50 51 52 51 52 53"`,
    );
  });

  it("change a sample each time it comes, and only at random where asked", async () => {
    const plain = await take(memory(1), 2, { batch: 1 });
    expect(plain[0]).toEqual(plain[1]);
    const padded = await take(memory(1), 9, { batch: 1, augment: { padAndCrop: { pad: 2 } } });
    expect(new Set(padded.map(({ images }) => images.data.join())).size).toBeGreaterThan(5);
  });

  it("decode each picture once while the cache has room, and again where it has none", async () => {
    const loads = new Map<number, number>();
    const count = (index: number): void => void loads.set(index, (loads.get(index) ?? 0) + 1);
    await take(memory(8, count), 20, { readAhead: 1, shuffle: false });
    expect([...loads.values()]).toEqual(new Array(8).fill(1));
    loads.clear();
    // Room for three pictures of 48 bytes.
    await take(memory(8, count), 20, { readAhead: 0, cacheBytes: 150, shuffle: false });
    expect([...loads.values()]).toEqual([1, 1, 1, 10, 10, 10, 10, 10]);
  });

  it("swap to BGR, also in a mirrored copy", async () => {
    const options = { shuffle: false, batch: 8, augment: { flip: true } };
    const [rgb] = await take(memory(8), 1, options);
    const preprocess = { ...defaultPreprocess, order: "bgr" } as const;
    const [bgr] = await take(memory(8), 1, { ...options, preprocess });
    const swapped = Array.from(
      rgb!.images.data,
      (_, at) => rgb!.images.data[at - (at % 3) + 2 - (at % 3)],
    );
    expect(Array.from(bgr!.images.data)).toEqual(swapped);
  });

  it("replace the centre crop by the random one", async () => {
    const preprocess = { ...defaultPreprocess, crop: 2 };
    const small = { height: 2, width: 2, channels: 3 };
    const centre = await take(memory(1), 1, { preprocess, size: small, batch: 1 });
    expect(centre[0]!.images.data[0]).toBe(1 + (4 + 1) * 3);
    const crop = { size: 2, place: "random" } as const;
    const random = await take(memory(1), 30, {
      ...{ preprocess, size: small, batch: 1, augment: { crop } },
    });
    expect(new Set(random.map(({ images }) => images.data[0])).size).toBe(9);
  });

  it("name the sample that has no label, or cannot be read, at its turn", async () => {
    const bare = memory(6);
    const samples = bare.samples.map((sample, index) =>
      index === 5 ? { ...sample, label: undefined } : sample,
    );
    const batches = openTrainingBatches({ ...bare, samples }, { ...defaults, shuffle: false });
    await batches.next();
    await expect(batches.next()).rejects.toThrow(/memory: p5: a sample has no label/);
    const broken = memory(6, (index) => {
      if (index === 4) throw new Error("p4 is broken");
    });
    const failing = openTrainingBatches(broken, { ...defaults, shuffle: false });
    await failing.next();
    await expect(failing.next()).rejects.toThrow("p4 is broken");
  });

  it("refuse an empty data set and wrong numbers, and stop when closed", async () => {
    const open = (options: Partial<TrainingBatchOptions>) =>
      openTrainingBatches(memory(3), { ...defaults, ...options });
    expect(() => open({ batch: 0 })).toThrow("batch");
    expect(() => open({ readAhead: -1 })).toThrow("readAhead");
    expect(() => open({ start: 0.5 })).toThrow("iteration");
    expect(() => openTrainingBatches({ source: "m", samples: [] }, defaults)).toThrow("empty");
    const batches = open({});
    batches.close();
    await expect(batches.next()).rejects.toThrow("closed");
  });
});
