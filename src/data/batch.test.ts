import { describe, expect, it } from "vitest";
import type { Warning } from "../notice.ts";
import { type Batch, batches } from "./batch.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { image } from "./image.ts";
import { defaultPreprocess, type Preprocess } from "./preprocess.ts";

const target = { height: 1, width: 2, channels: 3 };

/** Pictures of two pixels: (i, i+1, i+2) and (i+3, i+4, i+5). */
function counting(count: number, onLoad: (index: number) => void = () => undefined): Dataset {
  const samples = Array.from(
    { length: count },
    (_, index): Sample => ({
      name: `${index}`,
      label: index,
      load: async () => {
        onLoad(index);
        return image(
          2,
          1,
          3,
          Uint8Array.from({ length: 6 }, (_, at) => index + at),
        );
      },
    }),
  );
  return { source: "memory", samples };
}

async function collect(generator: AsyncGenerator<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of generator) all.push(batch);
  return all;
}

const run = (
  dataset: Dataset,
  preprocess: Partial<Preprocess> = {},
  options: Partial<Parameters<typeof batches>[3]> = {},
): AsyncGenerator<Batch> =>
  batches(dataset, { ...defaultPreprocess, ...preprocess }, target, {
    batch: 2,
    readAhead: 1,
    ...options,
  });

describe("batches", () => {
  it("gives every sample once, in order, the last batch smaller", async () => {
    for (const readAhead of [0, 1, 7]) {
      const all = await collect(run(counting(5), {}, { readAhead }));
      expect(all.map(({ names }) => names)).toEqual([["0", "1"], ["2", "3"], ["4"]]);
      expect(all.flatMap(({ labels }) => labels)).toEqual([0, 1, 2, 3, 4]);
      expect(all[1]!.images).toEqual({
        dtype: "uint8",
        shape: [2, 1, 2, 3],
        data: Uint8Array.of(2, 3, 4, 5, 6, 7, 3, 4, 5, 6, 7, 8),
      });
      expect(all[2]!.images.shape).toEqual([1, 1, 2, 3]);
    }
  });

  it("swaps to BGR where asked", async () => {
    const [batch] = await collect(run(counting(1), { order: "bgr" }));
    expect(Array.from(batch!.images.data)).toEqual([2, 1, 0, 5, 4, 3]);
  });

  it("starts no more than the window ahead of the consumer, and stops when the consumer does", async () => {
    let started = 0;
    const generator = run(
      counting(100, () => {
        started += 1;
      }),
      {},
      { batch: 3, readAhead: 2 },
    );
    await generator.next();
    expect(started).toBeGreaterThan(3);
    expect(started).toBeLessThanOrEqual(3 * (2 + 2));
    await generator.return(undefined);
    const before = started;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(started).toBe(before);
  });

  it("throws a sample's error at its turn, after the batches before it", async () => {
    const failing = counting(6, (index) => {
      if (index === 3) throw new Error("sample 3 is broken");
    });
    const generator = run(failing, {}, { readAhead: 5 });
    expect((await generator.next()).done).toBe(false);
    await expect(generator.next()).rejects.toThrow("sample 3 is broken");
  });

  it("resizes what does not fit and says so once, with the flag", async () => {
    const load = async () => image(4, 2, 3, new Uint8Array(24).fill(8));
    const dataset = {
      source: "memory",
      samples: [0, 1, 2].map((label) => ({ name: `p${label}`, label, load })),
    };
    const warnings: Warning[] = [];
    const all = await collect(run(dataset, {}, { onWarning: (warning) => warnings.push(warning) }));
    expect(new Set(all.flatMap(({ images }) => Array.from(images.data)))).toEqual(new Set([8]));
    expect(warnings).toEqual([
      {
        id: "size-mismatch",
        message:
          "pictures are 4x2 after preprocessing and the network's input is 2x1: resized, which may change the proportions; say --resize 2x1 to choose",
        where: "p0",
      },
    ]);
    const silent: Warning[] = [];
    const resize = { kind: "exact", width: 2, height: 1 } as const;
    await collect(run(dataset, { resize }, { onWarning: (warning) => silent.push(warning) }));
    expect(silent).toEqual([]);
  });

  it("refuses a batch that is no count", async () => {
    await expect(collect(run(counting(1), {}, { batch: 0 }))).rejects.toThrow("batch");
    await expect(collect(run(counting(1), {}, { readAhead: -1 }))).rejects.toThrow("readAhead");
  });

  it("gives nothing for an empty data set", async () => {
    expect(await collect(run(counting(0)))).toEqual([]);
  });
});
