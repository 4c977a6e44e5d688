/**
 * What both forms of `.param` announce, and whether the layers keep to it: counts, and blobs that are made
 * once, before they are read, and read once.
 */
import { inputError } from "../../error.ts";
import type { ReadLayer } from "./layer.ts";

export type ParsedNetwork = {
  readonly layerCount: number;
  readonly blobCount: number;
  readonly layers: readonly ReadLayer[];
  /** The place of the counts. */
  readonly where: string;
};

/** The largest count that ncnn takes. */
export const maxCount = 1_000_000;

/** A count in text. */
export function decodeCount(text: string | undefined, where: string, what: string): number {
  const value = Number(text);
  if (text !== undefined && /^\d{1,9}$/.test(text) && value <= maxCount) return value;
  throw inputError(`the ${what} is no number`, {
    where,
    expected: `0..${maxCount}`,
    got: text === undefined ? "nothing" : `"${text.slice(0, 40)}"`,
  });
}

/** Blobs that no layer reads, in the order in which they are made. Throws where the layers do not fit. */
export function unreadBlobs(network: ParsedNetwork): readonly string[] {
  assertCount(network, "layers", network.layerCount, network.layers.length);
  const open = new Set<string>();
  const made = new Set<string>();
  for (const layer of network.layers) {
    for (const blob of layer.bottoms) read(layer, blob, open, made);
    for (const blob of layer.tops) make(layer, blob, open, made);
  }
  assertCount(network, "blobs", network.blobCount, made.size);
  return [...open];
}

function assertCount(network: ParsedNetwork, what: string, expected: number, got: number): void {
  if (expected === got) return;
  throw inputError(`the file has another number of ${what} than it says`, {
    where: network.where,
    expected: `${expected}`,
    got: `${got}`,
    hint: "Is the file complete?",
  });
}

function read(layer: ReadLayer, blob: string, open: Set<string>, made: Set<string>): void {
  if (open.delete(blob)) return;
  throw inputError(made.has(blob) ? "a blob is read twice" : "a blob is read that no layer made", {
    where: layer.where,
    node: `${layer.type} "${layer.name}"`,
    got: blob,
    hint: made.has(blob) ? "A Split layer gives each reader a blob of its own" : undefined,
  });
}

function make(layer: ReadLayer, blob: string, open: Set<string>, made: Set<string>): void {
  if (made.has(blob)) {
    throw inputError("a blob is made twice", { where: layer.where, got: blob });
  }
  open.add(blob);
  made.add(blob);
}
