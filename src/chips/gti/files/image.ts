/**
 * The chip image: an integer graph in one file, checksummed and without a timestamp, so that equal graphs give
 * equal bytes. It is what the simulator loads where the vendor's tools load coef.dat, whose layout nobody
 * outside knows. IMAGE.md describes every byte:
 *
 *     0  8  magic 89 49 4c 59 43 0d 0a 1a
 *     8  4  format version, 1
 *    12  4  chip number, such as 2801
 *    16  8  length of the whole file
 *    24  4  length of the header
 *    28  4  CRC-32 of the header
 *    32  4  CRC-32 of the data
 *    36  4  CRC-32 of bytes 0..35
 *    40     the header: ASCII JSON {graph, meta}
 *           the data: the constants, in the order of their nodes, without gaps
 *
 * Integers are little-endian and unsigned.
 */
import { InlayError, inputError, usageError } from "../../../error.ts";
import { describe, type Graph } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import { verify } from "../../../ir/verify.ts";
import { joinBytes } from "../../../tensor/chunks.ts";
import type { JsonObject } from "../json-text.ts";
import { checkRange, damaged, type NamedBytes, viewOf } from "./bytes.ts";
import { compactJson } from "./compact-json.ts";
import { crc32 } from "./crc32.ts";
import { attrGuards, isImageOp } from "./image-attrs.ts";
import { type ImageHeader, type ImageNode, parseHeader } from "./image-header.ts";
import { packTensor, sizeInFile, unpackTensor } from "./packed-tensor.ts";

/** What travels beside the graph: the chip's number, and whatever else the writer wants to find again. */
export type ImageMeta = JsonObject & { readonly chipType: number };

const magic: readonly number[] = [0x89, 0x49, 0x4c, 0x59, 0x43, 0x0d, 0x0a, 0x1a];
const version = 1;
const preambleBytes = 40;
/** The header of a network of a thousand layers has well below 1 MiB. */
const longestHeader = 2 ** 26;

/** Operators beyond the chip's, types without a place, and numbers that are not finite are usage errors. */
export function encodeChipImage(graph: Graph, meta: ImageMeta): Uint8Array {
  verify(graph, "integer");
  const parts: Uint8Array[] = [];
  const nodes = graph.nodes.map((node): unknown => {
    const { op, id, inputs } = node;
    if (node.op === "const") {
      const { packed, bytes } = packTensor(node.attrs.tensor, describe(node));
      parts.push(bytes);
      return { op, id, inputs, attrs: packed };
    }
    return { op, id, inputs, attrs: checkedAttrs(node) };
  });
  const { name, outputs, opsets } = graph;
  const header = compactJson({ graph: { name, nodes, outputs, opsets }, meta }, "chip image");
  return assemble(meta.chipType, new TextEncoder().encode(header), joinBytes(parts));
}

function checkedAttrs(node: Node): unknown {
  if (isImageOp(node.op) && attrGuards[node.op](node.attrs)) return node.attrs;
  throw usageError(
    isImageOp(node.op)
      ? "an attribute has no place in a chip image"
      : "this operator does not run on the chip",
    { node: describe(node), expected: `one of ${Object.keys(attrGuards).join(", ")}` },
  );
}

function assemble(chipType: number, header: Uint8Array, data: Uint8Array): Uint8Array {
  if (!(Number.isInteger(chipType) && chipType >= 0 && chipType < 2 ** 32)) {
    throw usageError("a chip number must be an integer of 32 bits", { got: `${chipType}` });
  }
  const preamble = new Uint8Array(preambleBytes);
  const view = viewOf(preamble);
  preamble.set(magic);
  view.setUint32(8, version, true);
  view.setUint32(12, chipType, true);
  view.setBigUint64(16, BigInt(preambleBytes + header.length + data.length), true);
  view.setUint32(24, header.length, true);
  view.setUint32(28, crc32(header), true);
  view.setUint32(32, crc32(data), true);
  view.setUint32(36, crc32(preamble.subarray(0, 36)), true);
  return joinBytes([preamble, header, data]);
}

/** True where the bytes start as a chip image. */
export function isChipImage(bytes: Uint8Array): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/** The graph and what travelled beside it. Every damaged byte is an error. */
export function decodeChipImage(file: NamedBytes): {
  readonly graph: Graph;
  readonly meta: ImageMeta;
} {
  const { chipType, header, data } = checkedSections(file);
  const parsed = parseHeader(file, preambleBytes, header);
  if (parsed.meta["chipType"] !== chipType) {
    throw damaged(file, 12, "the header names another chip", {
      expected: `${chipType}`,
      got: `${parsed.meta["chipType"]}`,
    });
  }
  const { name, outputs, opsets } = parsed.graph;
  const graph = inFile(file.name, () => {
    const nodes = unpackNodes(file, data, parsed);
    return verify({ name, nodes, outputs, opsets }, "integer");
  });
  return { graph, meta: { ...parsed.meta, chipType } };
}

/** Errors of the graph's own rules get the file's name. */
function inFile<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InlayError) || error.fields.where !== undefined) throw error;
    throw new InlayError({ ...error.fields, kind: "input", where });
  }
}

type Sections = {
  readonly chipType: number;
  readonly header: Uint8Array;
  /** Where the data starts. */
  readonly data: number;
};

function checkedSections(file: NamedBytes): Sections {
  const { bytes, name } = file;
  if (!isChipImage(bytes)) {
    throw inputError("not a chip image", {
      where: `${name}:0`,
      expected: hex(Uint8Array.from(magic)),
      got: hex(bytes.subarray(0, magic.length)),
      hint: "A vendor's coef.dat cannot be read; convert the network again.",
    });
  }
  checkRange(file, 0, preambleBytes);
  const view = viewOf(bytes);
  checkVersion(file, view.getUint32(8, true));
  checkCrc(file, { crcAt: 36, start: 0, end: 36, section: "first 36 bytes" });
  const length = view.getBigUint64(16, true);
  if (length !== BigInt(bytes.length)) {
    throw damaged(file, 16, "the file has the wrong length", {
      expected: `${length} bytes`,
      got: `${bytes.length}`,
      hint: "Was it copied whole?",
    });
  }
  const headerLength = view.getUint32(24, true);
  const data = preambleBytes + headerLength;
  if (headerLength > longestHeader || data > bytes.length) {
    throw damaged(file, 24, "the header is too long", {
      expected: `at most ${Math.min(longestHeader, bytes.length - preambleBytes)} bytes`,
      got: `${headerLength}`,
    });
  }
  checkCrc(file, { crcAt: 28, start: preambleBytes, end: data, section: "header" });
  checkCrc(file, { crcAt: 32, start: data, end: bytes.length, section: "data" });
  const header = bytes.subarray(preambleBytes, data);
  return { chipType: view.getUint32(12, true), header, data };
}

function checkVersion(file: NamedBytes, found: number): void {
  if (found === version) return;
  throw damaged(file, 8, "the format version is not known", {
    expected: `${version}`,
    got: `${found}`,
    hint: "It may come from a newer release, or be damaged.",
  });
}

function checkCrc(
  file: NamedBytes,
  at: {
    readonly crcAt: number;
    readonly start: number;
    readonly end: number;
    readonly section: string;
  },
): void {
  const expected = viewOf(file.bytes).getUint32(at.crcAt, true);
  const got = crc32(file.bytes.subarray(at.start, at.end));
  if (got === expected) return;
  throw damaged(file, at.start, `the checksum of the ${at.section} is wrong`, {
    expected: expected.toString(16).padStart(8, "0"),
    got: got.toString(16).padStart(8, "0"),
    hint: "The file is damaged; copy or convert it again.",
  });
}

function unpackNodes(file: NamedBytes, start: number, { graph }: ImageHeader): Node[] {
  let at = start;
  const nodes = graph.nodes.map((node) => {
    const offset = at;
    if (node.op === "const") at += sizeInFile(node.attrs);
    return unpackNode(file, offset, node);
  });
  if (at !== file.bytes.length) {
    throw damaged(file, at, "bytes are left behind the last constant", {
      expected: `${at} bytes`,
      got: `${file.bytes.length}`,
    });
  }
  return nodes;
}

function unpackNode(file: NamedBytes, offset: number, node: ImageNode): Node {
  const { id, inputs } = node;
  if (node.op !== "const") return node as Node;
  checkRange(file, offset, sizeInFile(node.attrs));
  return { op: "const", id, inputs, attrs: { tensor: unpackTensor(file, offset, node.attrs) } };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
