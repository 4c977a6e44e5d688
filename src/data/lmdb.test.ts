import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { sourceOf } from "./byte-source.ts";
import { keyText, readLmdb } from "./lmdb.ts";

const pageBytes = 512;
type Entry = readonly [key: string, value: Uint8Array];

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function metaPage(
  number: number,
  transaction: number,
  root: number,
  entries: number,
  last: number,
): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const at = view(bytes);
  at.setBigUint64(0, BigInt(number), true);
  at.setUint16(10, 0x08, true);
  at.setUint32(16, 0xbeefc0de, true);
  at.setUint32(20, 1, true);
  at.setUint32(40, pageBytes, true);
  at.setBigUint64(120, BigInt(entries), true);
  at.setBigUint64(128, root < 0 ? 2n ** 64n - 1n : BigInt(root), true);
  at.setBigUint64(136, BigInt(last), true);
  at.setBigUint64(144, BigInt(transaction), true);
  return bytes;
}

/** A branch or leaf page; nodes are filled in from the end, as liblmdb does. */
function treePage(number: number, flags: number, nodes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const at = view(bytes);
  let upper = pageBytes;
  for (const [index, node] of nodes.entries()) {
    upper -= node.length + (node.length % 2);
    bytes.set(node, upper);
    at.setUint16(16 + 2 * index, upper, true);
  }
  at.setBigUint64(0, BigInt(number), true);
  at.setUint16(10, flags, true);
  at.setUint16(12, 16 + 2 * nodes.length, true);
  at.setUint16(14, upper, true);
  return bytes;
}

function node(low: number, flags: number, key: string, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + key.length + payload.length);
  const at = view(bytes);
  at.setUint32(0, low, true);
  at.setUint16(4, flags, true);
  at.setUint16(6, key.length, true);
  bytes.set(new TextEncoder().encode(key), 8);
  bytes.set(payload, 8 + key.length);
  return bytes;
}

function overflowPages(number: number, value: Uint8Array): Uint8Array {
  const pages = Math.ceil((16 + value.length) / pageBytes);
  const bytes = new Uint8Array(pages * pageBytes);
  const at = view(bytes);
  at.setBigUint64(0, BigInt(number), true);
  at.setUint16(10, 0x04, true);
  at.setUint32(12, pages, true);
  bytes.set(value, 16);
  return bytes;
}

/** A database of one leaf page for every two entries below one branch page; values above 100 bytes overflow. */
function database(entries: readonly Entry[]): Uint8Array {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const pages: Uint8Array[] = [];
  let next = 3;
  const add = (page: Uint8Array): void => {
    pages.push(page);
    next += page.length / pageBytes;
  };
  const children: Uint8Array[] = [];
  for (let at = 0; at < sorted.length; at += 2) {
    const nodes = sorted.slice(at, at + 2).map(([key, value]) => {
      if (value.length <= 100) return node(value.length, 0, key, value);
      const pointer = new Uint8Array(8);
      view(pointer).setBigUint64(0, BigInt(next), true);
      add(overflowPages(next, value));
      return node(value.length, 1, key, pointer);
    });
    children.push(node(next, 0, sorted[at]![0], new Uint8Array(0)));
    add(treePage(next, 0x02, nodes));
  }
  const root = entries.length === 0 ? -1 : 2;
  const metas = [metaPage(0, 4, -1, 0, 1), metaPage(1, 5, root, entries.length, next - 1)];
  return concat([...metas, treePage(2, 0x01, children), ...pages]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function contents(bytes: Uint8Array, limit?: number): Promise<[string, Uint8Array][]> {
  const records = await readLmdb(sourceOf(bytes, "data.mdb"), limit);
  return records.map(({ key, offset, length }) => [
    keyText(key),
    bytes.subarray(offset, offset + length),
  ]);
}

const sample: readonly Entry[] = Array.from({ length: 9 }, (_, index) => [
  `${index}`.padStart(8, "0"),
  new Uint8Array(index * 90).fill(index),
]);

describe("readLmdb", () => {
  it("gives every record in key order, inline and overflow values", async () => {
    const entry = fc.tuple(
      fc.stringMatching(/^[a-z0-9]{1,12}$/),
      fc.uint8Array({ maxLength: 1200 }),
    );
    const entries = fc.uniqueArray(entry, { maxLength: 20, selector: ([key]) => key });
    await fc.assert(
      fc.asyncProperty(entries, async (given) => {
        const expected = given.toSorted(([a], [b]) => (a < b ? -1 : 1));
        expect(await contents(database(given))).toEqual(expected);
      }),
    );
  });

  it("stops at the limit", async () => {
    expect((await contents(database(sample), 3)).map(([key]) => key)).toEqual([
      "00000000",
      "00000001",
      "00000002",
    ]);
  });

  it("uses the older meta page where the newer is damaged", async () => {
    const bytes = database(sample);
    bytes.set(bytes.slice(pageBytes, 2 * pageBytes), 0);
    bytes.fill(0, pageBytes, 2 * pageBytes);
    expect(await contents(bytes)).toHaveLength(sample.length);
  });

  it("names what is wrong", async () => {
    const patched = (offset: number, ...values: number[]): Promise<unknown> => {
      const bytes = database(sample);
      bytes.set(values, offset);
      return contents(bytes);
    };
    const branch = 2 * pageBytes;
    const lastChild = view(database(sample)).getUint16(branch + 16 + 2 * 4, true);
    const firstChild = view(database(sample)).getUint16(branch + 16, true);
    await expect(contents(new Uint8Array(4096))).rejects.toThrow("not an LMDB file");
    await expect(patched(pageBytes + 128, 200)).rejects.toThrow(
      "a page number: the LMDB is damaged: expected 2..17, got 200",
    );
    await expect(patched(branch, 9)).rejects.toThrow("page 2");
    await expect(patched(branch + 10, 0x10)).rejects.toThrow("a branch or leaf page");
    await expect(patched(branch + 12, 0xff, 0xff)).rejects.toThrow("a node table inside it");
    await expect(patched(branch + firstChild, 2)).rejects.toThrow("one reference");
    await expect(patched(branch + lastChild, 3)).rejects.toThrow("one reference");
    await expect(patched(pageBytes + 120, 99)).rejects.toThrow("expected 99 records, got 9");
    await expect(patched(pageBytes + 120, 4)).rejects.toThrow("expected 4 records, got more");
    await expect(patched(pageBytes + 92, 4)).rejects.toThrow("database flags 0x4");
    const twice = database([
      ["a", new Uint8Array(1)],
      ["b", new Uint8Array(1)],
    ]);
    twice[twice.lastIndexOf(0x62)] = 0x61;
    await expect(contents(twice)).rejects.toThrow("ascending keys");
  });

  it("meets any damage with the right records or an InlayError, and soon", async () => {
    const whole = database(sample);
    const flip = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 0, max: 255 }));
    const damage = fc.record({
      flips: fc.array(flip, { maxLength: 6 }),
      length: fc.oneof(fc.constant(whole.length), fc.nat({ max: whole.length })),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ flips, length }) => {
        const bytes = whole.slice();
        for (const [at, value] of flips) bytes[at] = value;
        try {
          const found = await contents(bytes.subarray(0, length));
          expect(found.length).toBeLessThanOrEqual(sample.length);
        } catch (error) {
          expect(error).toBeInstanceOf(InlayError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
