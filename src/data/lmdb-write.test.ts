import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sourceOf } from "./byte-source.ts";
import { readLmdb } from "./lmdb.ts";
import { type LmdbEntry, lmdbPieces } from "./lmdb-write.ts";

/** The file, with a check that its pieces cover it exactly. */
async function fileOf(entries: Iterable<LmdbEntry>): Promise<Uint8Array> {
  const pieces = [];
  for await (const piece of lmdbPieces(entries)) pieces.push(piece);
  expect(pieces.at(-1)?.offset).toBe(0);
  const sorted = pieces.toSorted((a, b) => a.offset - b.offset);
  const file = new Uint8Array(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { offset, bytes } of sorted) {
    expect(offset).toBe(at);
    file.set(bytes, offset);
    at += bytes.length;
  }
  return file;
}

const key = (index: number, more = ""): Uint8Array =>
  new TextEncoder().encode(`${String(index).padStart(8, "0")}_${more}`);

/** Writes, reads back with our reader, and compares. */
async function expectSame(entries: readonly LmdbEntry[]): Promise<Uint8Array> {
  const file = await fileOf(entries);
  const records = await readLmdb(sourceOf(file, "made.mdb"));
  expect(records.length).toBe(entries.length);
  for (const [index, record] of records.entries()) {
    const { key: wanted, value } = entries[index]!;
    const found = file.subarray(record.offset, record.offset + record.length);
    if (!Buffer.from(record.key).equals(wanted)) expect(record.key).toEqual(wanted);
    if (!Buffer.from(found).equals(value)) expect(found).toEqual(value);
  }
  return file;
}

describe("lmdbPieces", () => {
  it("gives a file that reads back, whatever the sizes", async () => {
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: 64 }),
      fc.integer({ min: 1980, max: 2060 }),
      fc.integer({ min: 4070, max: 12_300 }),
    );
    const names = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 502 }));
    const entry = fc.tuple(names, sizes);
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 120 }), async (list) => {
        await expectSame(
          list.map(([name, size], index) => ({
            key: key(index, "n".repeat(name)),
            value: new Uint8Array(size).fill(index),
          })),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("grows branches of several levels, none with a single child", async () => {
    // Long keys make branches of 7 children: 3000 records need five levels.
    const long = "k".repeat(500);
    for (const count of [1, 2, 7, 8, 9, 49, 50, 57, 64, 350, 3000]) {
      const entries = Array.from({ length: count }, (_, index) => ({
        key: key(index, long),
        value: Uint8Array.of(index & 255, 1, 2),
      }));
      const file = await expectSame(entries);
      const view = new DataView(file.buffer);
      for (let page = 2; page * 4096 < file.length; page++) {
        const isBranch = (view.getUint16(page * 4096 + 10, true) & 1) === 1;
        if (isBranch) expect(view.getUint16(page * 4096 + 12, true)).toBeGreaterThanOrEqual(20);
      }
      expect(view.getUint16(4096 + 94, true)).toBeGreaterThan(count > 400 ? 3 : 0);
    }
  });

  it("gives an empty database for no records", async () => {
    expect((await expectSame([])).length).toBe(2 * 4096);
  });

  it("hands out pieces as it goes, and holds none of the past", async () => {
    let made = 0;
    function* many(): Generator<LmdbEntry> {
      for (; made < 2000; made++) yield { key: key(made), value: new Uint8Array(3081).fill(made) };
    }
    const seen: number[] = [];
    for await (const { bytes } of lmdbPieces(many())) {
      seen.push(made);
      expect(bytes.length).toBeLessThan(2 ** 20 + 2 * 4096);
    }
    // A page per value: a piece after every 256 or so.
    expect(seen[0]).toBeLessThan(260);
    expect(seen.length).toBeGreaterThan(7);
  });

  it("refuses keys that do not ascend, and lengths that cannot be", async () => {
    const value = new Uint8Array(1);
    const all = async (...keys: readonly Uint8Array[]): Promise<Uint8Array> =>
      await fileOf(keys.map((one) => ({ key: one, value })));
    await expect(all(key(2), key(1))).rejects.toThrow(/00000001_: the records' keys do not ascend/);
    await expect(all(key(1), key(1))).rejects.toThrow("ascend");
    await expect(all(new Uint8Array(0))).rejects.toThrow("length");
    await expect(all(new Uint8Array(512))).rejects.toThrow("512");
  });
});
