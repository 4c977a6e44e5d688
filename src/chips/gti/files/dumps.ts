/**
 * The dumps of an evaluation of one picture: the levels of every sublayer, a byte each, [channel][row][column],
 * in a file per convolution. The reference's are named after the convolution, the chip's after its place.
 */
import { inputError, usageError } from "../../../error.ts";
import { elementCount, formatShape, type Shape } from "../../../tensor/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { type Layout, outputSize } from "../layout.ts";

/** `dump_sublayer2-1.bin`: major layer and sublayer, both counted from 1. */
export function chipDumpName(major: number, sublayer: number): string {
  return `dump_sublayer${major}-${sublayer}.bin`;
}

/** `conv1_1 -> conv1_1.bin`. What a file name cannot hold everywhere becomes an underscore: `a/b -> a_b.bin`. */
export function referenceDumpName(conv: string): string {
  return `${conv.replace(/[^\w.+=@ -]|^\.+/g, "_")}.bin`;
}

/** In FC mode the chip puts its 5 bits into bits 3..7 of a byte. */
export const fcModeFactor = 8;

/** FC mode is for a last major layer that ends at 7x7: at 14, with pooling. */
export function endsInFcMode({ majors }: Layout): boolean {
  const last = majors.at(-1);
  return last !== undefined && last.pooling !== undefined && outputSize(last) === 7;
}

/**
 * The levels of one picture as bytes, times `factor` (1, or 8 in FC mode). Values must be integers that fit in a
 * byte: 10-bit levels have no dump.
 */
export function encodeDump(levels: Tensor, factor: number, node: string): Uint8Array {
  const bytes = new Uint8Array(levels.data.length);
  for (const [index, level] of levels.data.entries()) {
    const value = Number(level) * factor;
    if (!(Number.isInteger(value) && value >= 0 && value <= 255)) {
      throw usageError("a level does not fit in a byte of a dump", {
        node,
        expected: "0..255",
        got: `${value} at ${index}`,
      });
    }
    bytes[index] = value;
  }
  return bytes;
}

/** A sublayer whose dump is looked for. */
export type DumpedLayer = {
  readonly conv: string;
  readonly major: number;
  readonly sublayer: number;
  /** [channels, rows, columns], perhaps with a leading 1. */
  readonly shape: Shape;
  readonly factor: number;
};

export type Dump = {
  readonly layer: DumpedLayer;
  readonly file: string;
  readonly levels: Uint8Array;
};

/**
 * The dumps of these layers among a folder's files, in the order of the layers; those that are not there are left
 * out. `source` says whose names to look for. A file of another length, or one whose bytes are no multiples of
 * the factor, is an input error.
 */
export function readDumps(
  files: ReadonlyMap<string, Uint8Array>,
  layers: readonly DumpedLayer[],
  source: "chip" | "reference",
): Dump[] {
  const names = layers.map((layer) =>
    source === "chip" ? chipDumpName(layer.major, layer.sublayer) : referenceDumpName(layer.conv),
  );
  checkDistinct(names, layers);
  return layers.flatMap((layer, index) => {
    const file = names[index] ?? "";
    const bytes = files.get(file);
    return bytes === undefined ? [] : [{ layer, file, levels: levelsOf(bytes, layer, file) }];
  });
}

function checkDistinct(names: readonly string[], layers: readonly DumpedLayer[]): void {
  const seen = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    const conv = layers[index]?.conv ?? "";
    const earlier = seen.get(name);
    if (earlier !== undefined) {
      throw usageError("two layers have dumps of one name", {
        node: conv,
        got: `${name}, as for ${earlier}`,
      });
    }
    seen.set(name, conv);
  }
}

function levelsOf(bytes: Uint8Array, layer: DumpedLayer, where: string): Uint8Array {
  const { conv, shape, factor } = layer;
  if (bytes.length !== elementCount(shape)) {
    throw inputError("a dump has the wrong length", {
      where,
      node: conv,
      expected: `${formatShape(shape)} = ${elementCount(shape)} bytes`,
      got: `${bytes.length}`,
    });
  }
  const wrong = bytes.findIndex((byte) => byte % factor !== 0);
  if (wrong >= 0) {
    throw inputError(`a dump's bytes must be multiples of ${factor}`, {
      where: `${where}:${wrong}`,
      node: conv,
      got: `${bytes[wrong]}`,
      hint: "Only a chip in FC mode writes levels times 8.",
    });
  }
  return bytes.map((byte) => byte / factor);
}
