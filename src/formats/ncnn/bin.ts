/**
 * The `.bin` file: the weights of all layers one behind the other, little-endian, each at a multiple of four
 * bytes. Large ones begin with a word that tells how they are stored.
 */
import { inputError } from "../../error.ts";
import { bytesOf, type Chunks } from "../../tensor/chunks.ts";
import { fromHalf, toHalf } from "./half.ts";
import type { NcnnLayer } from "./layer.ts";

/** Storage flags of ncnn that we know: float32, and half precision. */
const flags = { float32: 0, half: 0x01306b47 } as const;

/** Length as a multiple of four: `5 -> 8`. */
const aligned = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/**
 * The file. Weights as float32 stay where they are. With `half` flagged weights are halves; a weight beyond their range
 * is an error.
 */
export function encodeBin(layers: readonly NcnnLayer[], half: boolean): Chunks {
  return layers.flatMap(({ name, weights }) =>
    weights.flatMap(({ data, flagged }) => {
      if (!flagged) return [bytesOf(data)];
      const values = half ? halves(data, name) : bytesOf(data);
      return [bytesOf(Uint32Array.of(half ? flags.half : flags.float32)), values];
    }),
  );
}

function halves(data: Float32Array, layer: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(aligned(data.length * 2)));
  for (const [at, value] of data.entries()) view.setUint16(at * 2, halfBits(value, layer), true);
  return bytesOf(view);
}

function halfBits(value: number, layer: string): number {
  const bits = toHalf(value);
  if ((bits & 0x7fff) < 0x7c00) return bits;
  throw inputError("a weight does not fit half precision", {
    node: layer,
    expected: "at most 65504",
    got: `${value}`,
    hint: "Write float32 weights",
  });
}

/** A cursor over a `.bin` file. */
export type BinReader = { readonly name: string; readonly view: DataView; at: number };

export function openBin(name: string, bytes: Uint8Array): BinReader {
  return { name, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
}

/** The next `count` weights of a layer. Throws where the file ends before, or their storage is unknown. */
export function readWeights(
  bin: BinReader,
  count: number,
  flagged: boolean,
  layer: string,
): Float32Array {
  const flag = flagged ? readFlag(bin, layer) : flags.float32;
  const bytes = flag === flags.half ? aligned(count * 2) : count * 4;
  need(bin, bytes, layer);
  const first = bin.at;
  bin.at += bytes;
  const { view } = bin;
  if (flag === flags.half) {
    return Float32Array.from({ length: count }, (_, at) =>
      fromHalf(view.getUint16(first + at * 2, true)),
    );
  }
  return Float32Array.from({ length: count }, (_, at) => view.getFloat32(first + at * 4, true));
}

function readFlag(bin: BinReader, layer: string): number {
  need(bin, 4, layer);
  const flag = bin.view.getUint32(bin.at, true);
  if (flag !== flags.float32 && flag !== flags.half) {
    throw inputError("weights are stored in a way that is not supported", {
      where: `${bin.name}: byte ${bin.at}`,
      node: layer,
      expected: "0x0 (float32) or 0x1306b47 (half precision)",
      got: `0x${flag.toString(16)}`,
      hint: "Check that both files belong together",
    });
  }
  bin.at += 4;
  return flag;
}

function need(bin: BinReader, bytes: number, layer: string): void {
  const left = bin.view.byteLength - bin.at;
  if (bytes <= left) return;
  throw inputError("the file ends in the weights of a layer", {
    where: `${bin.name}: byte ${bin.at}`,
    node: layer,
    expected: `${bytes} more bytes`,
    got: `${left}`,
    hint: "Check that both files belong together and are complete",
  });
}

/** Throws unless every byte was read. */
export function assertBinRead(bin: BinReader): void {
  const left = bin.view.byteLength - bin.at;
  if (left === 0) return;
  throw inputError("weights are left over", {
    where: `${bin.name}: byte ${bin.at}`,
    expected: "the end of the file",
    got: `${left} more bytes`,
    hint: "Check that both files belong together",
  });
}
