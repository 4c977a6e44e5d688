/**
 * A small LMDB of Caffe's Datum for tests: one leaf page, every value in overflow pages of its own.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { caffeBlobMessages } from "../src/protobuf/caffe-blob.ts";
import { encode } from "../src/protobuf/encode.ts";

export type Picture = {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Planes, as Datum has them. */
  readonly data: Uint8Array;
  readonly label: number;
};

const pageBytes = 4096;
const schema = { enums: {}, messages: caffeBlobMessages } as const;

/** Writes `folder/data.mdb`. At most 100 pictures fit into the leaf. */
export function writeLmdb(folder: string, pictures: readonly Picture[]): void {
  const leaf = new Uint8Array(pageBytes);
  const values: Uint8Array[] = [];
  let [next, upper] = [3, pageBytes];
  for (const [index, picture] of pictures.entries()) {
    const value = encode(schema, "Datum", picture);
    const key = new TextEncoder().encode(String(index).padStart(8, "0"));
    upper -= 8 + key.length + 8;
    const node = new DataView(leaf.buffer, upper);
    node.setUint32(0, value.length, true);
    node.setUint16(4, 1, true);
    node.setUint16(6, key.length, true);
    leaf.set(key, upper + 8);
    node.setBigUint64(8 + key.length, BigInt(next), true);
    new DataView(leaf.buffer).setUint16(16 + 2 * index, upper, true);
    const pages = Math.ceil((16 + value.length) / pageBytes);
    values.push(page(next, 0x04, pages, value));
    next += pages;
  }
  const view = new DataView(leaf.buffer);
  view.setBigUint64(0, 2n, true);
  view.setUint16(10, 0x02, true);
  view.setUint16(12, 16 + 2 * pictures.length, true);
  view.setUint16(14, upper, true);
  const metas = [meta(0, 1, 0, next - 1), meta(1, 2, pictures.length, next - 1)];
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "data.mdb"), Buffer.concat([...metas, leaf, ...values]));
}

function page(number: number, flags: number, count: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(count * pageBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint16(10, flags, true);
  view.setUint32(12, count, true);
  bytes.set(value, 16);
  return bytes;
}

function meta(number: number, transaction: number, entries: number, last: number): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint16(10, 0x08, true);
  view.setUint32(16, 0xbeefc0de, true);
  view.setUint32(20, 1, true);
  view.setUint32(40, pageBytes, true);
  view.setBigUint64(120, BigInt(entries), true);
  view.setBigUint64(128, entries === 0 ? 2n ** 64n - 1n : 2n, true);
  view.setBigUint64(136, BigInt(last), true);
  view.setBigUint64(144, BigInt(transaction), true);
  return bytes;
}
