/**
 * Writes LMDB files (liblmdb 0.9, 64-bit, little-endian): the bytes of a data.mdb from records in key order, piece by piece, so
 * that memory does not grow with them. One database, no lock file, nothing on the free list. `lmdb.ts` reads them.
 * Layout: mdb.c's MDB_meta, MDB_db, MDB_page and MDB_node.
 */
import { inputError } from "../error.ts";
import { joinBytes } from "../tensor/chunks.ts";
import { compareKeys, keyText, magic, pageFlag } from "./lmdb.ts";

export type LmdbEntry = { readonly key: Uint8Array; readonly value: Uint8Array };

/** Bytes and where they belong in the file. All pieces together cover it, each place once. */
export type LmdbPiece = { readonly offset: number; readonly bytes: Uint8Array };

/** liblmdb's MDB_MAXKEYSIZE. */
export const maxKeyBytes = 511;
/** liblmdb counts a value's bytes in 32 bits. */
const maxValueBytes = 2 ** 32 - 1;

const pageBytes = 4096;
const headerBytes = 16;
const nodeBytes = 8;
const pageNumberBytes = 8;
/** Two nodes must fit a page: me_nodemax. */
const maxNodeBytes = ((pageBytes - headerBytes) >> 2) * 2 - 2;
const bigValue = 0x01;
const metaPages = 2;
/** Pieces are about so large. */
const pieceBytes = 2 ** 20;

/** What a node of a page holds: a value, an overflow page or, in a branch, a child. */
type Node = { readonly key: Uint8Array; readonly content: NodeContent };
type NodeContent =
  | { readonly kind: "value"; readonly value: Uint8Array }
  | { readonly kind: "overflow"; readonly page: number; readonly length: number }
  | { readonly kind: "child"; readonly page: number };

/** The pages of one level of the tree: one is being filled. */
type Level = { nodes: Node[]; bytes: number; pages: number };

type Writing = {
  /** From the leaves up. */
  readonly levels: Level[];
  /** Finished pages that are not given out yet. */
  readonly pending: Uint8Array[];
  pendingBytes: number;
  /** File offset of the first of them. */
  offset: number;
  nextPage: number;
  overflowPages: number;
  entries: number;
};

/**
 * The pieces of the file; the last is its start, whose meta page makes the file valid. Keys must ascend (as memcmp) and have
 * 1..511 bytes; otherwise an input error names the key.
 */
export async function* lmdbPieces(
  entries: AsyncIterable<LmdbEntry> | Iterable<LmdbEntry>,
): AsyncGenerator<LmdbPiece> {
  const writing: Writing = {
    levels: [{ nodes: [], bytes: 0, pages: 0 }],
    pending: [],
    pendingBytes: 0,
    offset: metaPages * pageBytes,
    nextPage: metaPages,
    overflowPages: 0,
    entries: 0,
  };
  let last: Uint8Array | undefined;
  for await (const entry of entries) {
    checkEntry(entry, last);
    last = entry.key;
    addEntry(writing, entry);
    if (writing.pendingBytes >= pieceBytes) yield takePiece(writing);
  }
  const root = finishLevels(writing);
  if (writing.pendingBytes > 0) yield takePiece(writing);
  yield {
    offset: 0,
    bytes: joinBytes([metaPage(0, undefined), metaPage(1, { ...writing, root })]),
  };
}

function checkEntry({ key, value }: LmdbEntry, last: Uint8Array | undefined): void {
  if (key.length === 0 || key.length > maxKeyBytes) {
    throw inputError("a record's key has no possible length", {
      where: keyText(key),
      expected: `1..${maxKeyBytes} bytes`,
      got: `${key.length}`,
    });
  }
  if (value.length > maxValueBytes) {
    throw inputError("a record is too large", {
      where: keyText(key),
      got: `${value.length} bytes`,
    });
  }
  if (last !== undefined && compareKeys(last, key) >= 0) {
    throw inputError("the records' keys do not ascend", {
      where: keyText(key),
      got: `${keyText(last)} before it`,
    });
  }
}

function addEntry(writing: Writing, { key, value }: LmdbEntry): void {
  writing.entries += 1;
  const fits = nodeBytes + key.length + value.length <= maxNodeBytes;
  const content: NodeContent = fits
    ? { kind: "value", value }
    : { kind: "overflow", page: writeOverflow(writing, value), length: value.length };
  addNode(writing, 0, { key, content });
}

/** A large value in pages of its own behind one header; gives the first page's number. */
function writeOverflow(writing: Writing, value: Uint8Array): number {
  const count = Math.ceil((headerBytes + value.length) / pageBytes);
  const bytes = new Uint8Array(count * pageBytes);
  bytes.set(value, headerBytes);
  writing.overflowPages += count;
  const number = putPages(writing, bytes, pageFlag.overflow);
  new DataView(bytes.buffer).setUint32(12, count, true);
  return number;
}

/** Numbers the pages and hands them on. */
function putPages(writing: Writing, bytes: Uint8Array, flags: number): number {
  const number = writing.nextPage;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint16(10, flags, true);
  writing.nextPage += bytes.length / pageBytes;
  writing.pending.push(bytes);
  writing.pendingBytes += bytes.length;
  return number;
}

function takePiece(writing: Writing): LmdbPiece {
  const piece = { offset: writing.offset, bytes: joinBytes(writing.pending) };
  writing.offset += piece.bytes.length;
  writing.pending.length = 0;
  writing.pendingBytes = 0;
  return piece;
}

/** Bytes of a node with its place in the page's table; nodes start at even offsets. */
function nodeSize({ key, content }: Node): number {
  const inside = contentSize(content);
  return 2 + Math.ceil((nodeBytes + key.length + inside) / 2) * 2;
}

function contentSize(content: NodeContent): number {
  if (content.kind === "value") return content.value.length;
  return content.kind === "overflow" ? pageNumberBytes : 0;
}

/**
 * Adds a node to a level, after writing the level's page where that is full. A full branch keeps its last child for the next page, because
 * liblmdb takes a branch of a single child for damage.
 */
function addNode(writing: Writing, depth: number, node: Node): void {
  const level = levelAt(writing, depth);
  const size = nodeSize(node);
  if (headerBytes + level.bytes + size > pageBytes) {
    const kept = depth === 0 ? [] : level.nodes.splice(-1);
    flushLevel(writing, depth);
    for (const held of kept) append(level, held);
  }
  append(level, node);
}

function levelAt(writing: Writing, depth: number): Level {
  const known = writing.levels[depth];
  if (known !== undefined) return known;
  const made: Level = { nodes: [], bytes: 0, pages: 0 };
  writing.levels.push(made);
  return made;
}

function append(level: Level, node: Node): void {
  level.nodes.push(node);
  level.bytes += nodeSize(node);
}

/** Writes the level's page and names it to the level above. */
function flushLevel(writing: Writing, depth: number): void {
  const level = levelAt(writing, depth);
  const key = level.nodes[0]?.key ?? new Uint8Array(0);
  const page = writeLevel(writing, depth);
  addNode(writing, depth + 1, { key, content: { kind: "child", page } });
}

function writeLevel(writing: Writing, depth: number): number {
  const level = levelAt(writing, depth);
  const bytes = treePage(level.nodes, depth > 0);
  level.nodes = [];
  level.bytes = 0;
  level.pages += 1;
  return putPages(writing, bytes, depth > 0 ? pageFlag.branch : pageFlag.leaf);
}

/** Writes what is left of every level, and gives the root's page; undefined for no records. */
function finishLevels(writing: Writing): number | undefined {
  if (writing.entries === 0) return undefined;
  for (let depth = 0; ; depth++) {
    if (depth === writing.levels.length - 1) return writeLevel(writing, depth);
    flushLevel(writing, depth);
  }
}

/** Offsets of the nodes in key order at the page's start, the nodes themselves from its end on down. */
function treePage(nodes: readonly Node[], isBranch: boolean): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const view = new DataView(bytes.buffer);
  let upper = pageBytes;
  for (const [index, node] of nodes.entries()) {
    // A branch's first key is never compared, and liblmdb leaves it out.
    const stored = isBranch && index === 0 ? { ...node, key: new Uint8Array(0) } : node;
    upper -= nodeSize(stored) - 2;
    view.setUint16(headerBytes + 2 * index, upper, true);
    writeNode(bytes, upper, stored);
  }
  view.setUint16(12, headerBytes + 2 * nodes.length, true);
  view.setUint16(14, upper, true);
  return bytes;
}

function writeNode(bytes: Uint8Array, at: number, { key, content }: Node): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(at + 6, key.length, true);
  bytes.set(key, at + nodeBytes);
  const inside = at + nodeBytes + key.length;
  if (content.kind === "child") {
    view.setUint32(at, content.page % 2 ** 32, true);
    view.setUint16(at + 4, Math.floor(content.page / 2 ** 32), true);
  } else if (content.kind === "overflow") {
    view.setUint32(at, content.length, true);
    view.setUint16(at + 4, bigValue, true);
    view.setBigUint64(inside, BigInt(content.page), true);
  } else {
    view.setUint32(at, content.value.length, true);
    bytes.set(content.value, inside);
  }
}

const noPage = 2n ** 64n - 1n;
const integerKeys = 0x08;
const metaFlag = 0x08;

/** Meta page 0 is that of an empty file, page 1 that of the whole: the one with the higher transaction counts. */
function metaPage(
  transaction: 0 | 1,
  tree: (Writing & { readonly root: number | undefined }) | undefined,
): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const view = new DataView(bytes.buffer);
  const put = (offset: number, value: number): void =>
    view.setBigUint64(offset, BigInt(value), true);
  put(0, transaction);
  view.setUint16(10, metaFlag, true);
  view.setUint32(16, magic, true);
  view.setUint32(20, 1, true);
  const pages = tree?.nextPage ?? metaPages;
  // The size of the map, in MiB: as much as is used.
  put(32, Math.ceil((pages * pageBytes) / 2 ** 20) * 2 ** 20);
  // The free list, whose padding is the page size, and the main database.
  view.setUint32(40, pageBytes, true);
  view.setUint16(44, integerKeys, true);
  view.setBigUint64(80, noPage, true);
  const [leaves, ...branches] = tree?.root === undefined ? [] : tree.levels;
  view.setUint16(94, leaves === undefined ? 0 : 1 + branches.length, true);
  put(
    96,
    branches.reduce((sum, level) => sum + level.pages, 0),
  );
  put(104, leaves?.pages ?? 0);
  put(112, tree?.overflowPages ?? 0);
  put(120, tree?.entries ?? 0);
  view.setBigUint64(128, tree?.root === undefined ? noPage : BigInt(tree.root), true);
  put(136, pages - 1);
  put(144, transaction);
  return bytes;
}
