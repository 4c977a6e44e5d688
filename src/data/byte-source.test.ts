import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cachedSource, readWithin, sourceOf } from "./byte-source.ts";

const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7 + (index >> 8)) % 251);

describe("byte source", () => {
  it("gives the same bytes through the cache, in fewer reads", async () => {
    const plain = sourceOf(bytes, "x");
    let reads = 0;
    const counted = {
      ...plain,
      read: (offset: number, length: number) => {
        reads += 1;
        return plain.read(offset, length);
      },
    };
    const cached = cachedSource(counted);
    const range = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 20_000 }));
    await fc.assert(
      fc.asyncProperty(range, async ([offset, wanted]) => {
        const length = Math.min(wanted, bytes.length - offset);
        const expected = bytes.subarray(offset, offset + length);
        expect(Buffer.compare(await cached.read(offset, length), expected)).toBe(0);
      }),
    );
    reads = 0;
    for (let at = 0; at < 90_000; at += 64) await cached.read(at, 64);
    expect(reads).toBeLessThanOrEqual(7);
  });

  it("refuses ranges outside the source before it reads them", async () => {
    const source = sourceOf(bytes, "x.bin");
    for (const [offset, length] of [
      [99_999, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
      [2 ** 60, 1],
    ] as const) {
      await expect(readWithin(source, offset, length)).rejects.toThrow(
        "x.bin: the file ends too early",
      );
    }
    expect(await readWithin(source, 99_999, 1)).toHaveLength(1);
  });
});
