/**
 * The data side against real data: the decoder oracle, MNIST, CIFAR, LMDBs and the transform vectors.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { batches } from "../src/data/batch.ts";
import { take } from "../src/data/dataset.ts";
import { openDataset } from "../src/data/open.node.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";

const dataDir = process.env["INLAY_DATA"];

describe.skipIf(dataDir === undefined)("real data (INLAY_DATA)", () => {
  const at = (...parts: string[]): string => join(dataDir ?? "", ...parts);

  it("decodes the first 16 validation pictures exactly as the oracle", async () => {
    const oracle = readFileSync(at("imagenet", "oracle", "first16_227_bgr.u8"));
    const whole = await openDataset(at("imagenet", "val", "labels.txt"), { seed: 1 });
    expect(whole.samples.length).toBe(500);
    const size = { height: 227, width: 227, channels: 3 };
    const preprocess = { ...defaultPreprocess, order: "bgr" } as const;
    let compared = 0;
    for await (const batch of batches(take(whole, 16), preprocess, size, {
      batch: 5,
      readAhead: 1,
    })) {
      const { data } = batch.images;
      const differing = data.filter((value, index) => value !== oracle[compared + index]).length;
      expect(differing).toBe(0);
      compared += data.length;
    }
    expect(compared).toBe(oracle.length);
  });
});
