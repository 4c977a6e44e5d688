/**
 * Reads LMDB files (liblmdb 0.9, 64-bit, little-endian) page by page: meta pages, the main database's B+tree, overflow
 * pages. Read-only, no locks, no named sub-databases, no duplicate keys. Every number that the file supplies is
 * checked before use. Layout: mdb.c's MDB_meta, MDB_db, MDB_page and MDB_node.
 */
import { inputError } from "../error.ts";
import { type ByteSource, readWithin } from "./byte-source.ts";

/** Where a record's value lies in the file. */
export type LmdbRecord = {
  readonly key: Uint8Array;
  readonly offset: number;
  readonly length: number;
};

type Meta = {
  readonly pageBytes: number;
  readonly root: number | undefined;
  readonly entries: number;
  readonly lastPage: number;
  readonly transaction: number;
};

type Page = {
  readonly number: number;
  readonly depth: number;
  readonly kind: "branch" | "leaf";
  readonly view: DataView;
  readonly nodes: readonly number[];
};

type Walk = {
  readonly source: ByteSource;
  readonly meta: Meta;
  readonly seen: Set<number>;
  readonly records: LmdbRecord[];
};

/** MDB_MAGIC. */
export const magic = 0xbeefc0de;
const headerBytes = 16;
const nodeBytes = 8;
/** liblmdb's cursor stack. */
const maxDepth = 32;
export const pageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04 } as const;
const bigValue = 0x01;
/** MDB_REVERSEKEY, DUPSORT, INTEGERKEY, DUPFIXED, INTEGERDUP, REVERSEDUP. */
const otherOrders = 0x7e;

/**
 * The records in key order; with `limit` only the first ones, and the rest of the tree is not visited. Values are not read. Throws an
 * input error that names the page where the file is damaged, truncated, or uses what is not supported.
 */
export async function readLmdb(
  source: ByteSource,
  limit: number = Infinity,
): Promise<LmdbRecord[]> {
  const meta = await readMeta(source);
  const walk: Walk = { source, meta, seen: new Set([0, 1]), records: [] };
  const stack = meta.root === undefined ? [] : [{ page: meta.root, depth: 1 }];
  while (walk.records.length < limit) {
    const next = stack.pop();
    if (next === undefined) break;
    const page = await readPage(walk, next.page, next.depth);
    if (page.kind === "leaf") await readLeaf(walk, page, limit);
    else {
      const below = page.nodes.map((node) => ({ page: child(page, node), depth: page.depth + 1 }));
      stack.push(...below.reverse());
    }
  }
  if (stack.length === 0 && walk.records.length < Math.min(meta.entries, limit)) {
    throw damaged(source, "the tree", `${meta.entries} records`, `${walk.records.length}`);
  }
  return walk.records;
}

/** The newer of the two meta pages that is whole. */
async function readMeta(source: ByteSource): Promise<Meta> {
  const first = await metaAt(source, 0);
  const second = await metaAt(source, first?.pageBytes ?? 4096);
  const metas = [first, second].filter((meta) => meta !== undefined);
  const [newest] = metas.sort((a, b) => b.transaction - a.transaction);
  if (newest === undefined) {
    throw inputError("not an LMDB file", {
      where: source.name,
      expected: "a meta page of liblmdb 0.9 (64-bit, little-endian)",
      got: `${source.size} bytes of something else`,
    });
  }
  return newest;
}

async function metaAt(source: ByteSource, offset: number): Promise<Meta | undefined> {
  if (offset + 152 > source.size) return undefined;
  const view = viewOf(await readWithin(source, offset, 152));
  if (view.getUint32(16, true) !== magic || view.getUint32(20, true) !== 1) return undefined;
  const pageBytes = view.getUint32(40, true);
  const isPower = (pageBytes & (pageBytes - 1)) === 0;
  if (!isPower || pageBytes < 256 || pageBytes > 65_536) return undefined;
  checkFlags(source, view.getUint16(92, true));
  const root = view.getBigUint64(128, true);
  return {
    pageBytes,
    root: root === 0xffff_ffff_ffff_ffffn ? undefined : Number(root),
    entries: Number(view.getBigUint64(120, true)),
    lastPage: Number(view.getBigUint64(136, true)),
    transaction: Number(view.getBigUint64(144, true)),
  };
}

function checkFlags(source: ByteSource, flags: number): void {
  if ((flags & otherOrders) === 0) return;
  throw inputError("this kind of LMDB is not supported", {
    where: source.name,
    expected: "plain keys, one value each",
    got: `database flags 0x${flags.toString(16)}`,
  });
}

async function readPage(walk: Walk, number: number, depth: number): Promise<Page> {
  const { source, meta } = walk;
  if (depth > maxDepth)
    throw damaged(source, `page ${number}`, `at most ${maxDepth} levels`, "more");
  const bytes = await pageBytesAt(walk, number, meta.pageBytes);
  const view = viewOf(bytes);
  const flags = view.getUint16(10, true) & 0x0f;
  if (flags !== pageFlag.branch && flags !== pageFlag.leaf) {
    throw damaged(
      source,
      `page ${number}`,
      "a branch or leaf page",
      `flags 0x${flags.toString(16)}`,
    );
  }
  const kind = flags === pageFlag.leaf ? "leaf" : "branch";
  return { number, depth, kind, view, nodes: nodeOffsets(walk, number, view) };
}

/** The first `length` bytes of a page that must be in range and not have been met before. */
async function pageBytesAt(walk: Walk, number: number, length: number): Promise<Uint8Array> {
  const { source, meta, seen } = walk;
  if (!Number.isSafeInteger(number) || number < 2 || number > meta.lastPage) {
    throw damaged(source, "a page number", `2..${meta.lastPage}`, `${number}`);
  }
  if (seen.has(number)) throw damaged(source, `page ${number}`, "one reference", "a second one");
  seen.add(number);
  const bytes = await readWithin(source, number * meta.pageBytes, length);
  const own = Number(viewOf(bytes).getBigUint64(0, true));
  if (own !== number) throw damaged(source, `page ${number}`, "its own number", `${own}`);
  return bytes;
}

/** Offsets of the page's nodes, each with room for its header. */
function nodeOffsets(walk: Walk, number: number, view: DataView): number[] {
  const lower = view.getUint16(12, true);
  if (lower < headerBytes || lower > view.byteLength || lower % 2 !== 0) {
    throw damaged(walk.source, `page ${number}`, "a node table inside it", `end ${lower}`);
  }
  const offsets: number[] = [];
  for (let at = headerBytes; at < lower; at += 2) {
    const offset = view.getUint16(at, true);
    if (offset < lower || offset + nodeBytes + keyLength(view, offset) > view.byteLength) {
      throw damaged(walk.source, `page ${number}`, "nodes inside it", `one at ${offset}`);
    }
    offsets.push(offset);
  }
  return offsets;
}

function keyLength(view: DataView, node: number): number {
  return node + nodeBytes <= view.byteLength ? view.getUint16(node + 6, true) : 0;
}

/** A branch node's child: 48 bits, the upper 16 in the flags' place. */
function child(page: Page, node: number): number {
  return page.view.getUint32(node, true) + page.view.getUint16(node + 4, true) * 2 ** 32;
}

async function readLeaf(walk: Walk, page: Page, limit: number): Promise<void> {
  for (const node of page.nodes) {
    if (walk.records.length >= limit) return;
    const record = await readNode(walk, page, node);
    const last = walk.records.at(-1);
    if (last !== undefined && compareKeys(last.key, record.key) >= 0) {
      throw damaged(walk.source, `page ${page.number}`, "ascending keys", keyText(record.key));
    }
    if (walk.records.length >= walk.meta.entries) {
      throw damaged(walk.source, "the tree", `${walk.meta.entries} records`, "more");
    }
    walk.records.push(record);
  }
}

async function readNode(walk: Walk, page: Page, node: number): Promise<LmdbRecord> {
  const { view } = page;
  const length = view.getUint32(node, true);
  const flags = view.getUint16(node + 4, true);
  const key = new Uint8Array(
    view.buffer,
    view.byteOffset + node + nodeBytes,
    keyLength(view, node),
  ).slice();
  const start = node + nodeBytes + key.length;
  if (flags !== 0 && flags !== bigValue) {
    throw inputError("this kind of LMDB is not supported", {
      where: walk.source.name,
      expected: "plain records",
      got: `record "${keyText(key)}" with flags 0x${flags.toString(16)}`,
    });
  }
  const stored = flags === bigValue ? 8 : length;
  if (start + stored > view.byteLength) {
    throw damaged(
      walk.source,
      `page ${page.number}`,
      "values inside it",
      `${length} bytes at ${start}`,
    );
  }
  if (flags !== bigValue) return { key, offset: page.number * walk.meta.pageBytes + start, length };
  const overflow = Number(view.getBigUint64(start, true));
  return { key, offset: await overflowValue(walk, overflow, length), length };
}

/** A large value lies in consecutive pages behind one header. */
async function overflowValue(walk: Walk, number: number, length: number): Promise<number> {
  const { source, meta } = walk;
  const view = viewOf(await pageBytesAt(walk, number, headerBytes));
  const pages = view.getUint32(12, true);
  const isOverflow = (view.getUint16(10, true) & pageFlag.overflow) !== 0;
  const start = number * meta.pageBytes + headerBytes;
  const isHeld = headerBytes + length <= pages * meta.pageBytes && start + length <= source.size;
  if (!isOverflow || !isHeld || number + pages - 1 > meta.lastPage) {
    throw damaged(source, `page ${number}`, `overflow pages for ${length} bytes`, `${pages} pages`);
  }
  return start;
}

/** As memcmp; of two keys with a common start the shorter is first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) {
    if (a[at] !== b[at]) return a[at]! - b[at]!;
  }
  return a.length - b.length;
}

/** The key as text, for names and messages. */
export function keyText(key: Uint8Array): string {
  return new TextDecoder().decode(key).replaceAll("\0", "");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(source: ByteSource, part: string, expected: string, got: string): Error {
  return inputError("the LMDB is damaged", { where: `${source.name}: ${part}`, expected, got });
}
