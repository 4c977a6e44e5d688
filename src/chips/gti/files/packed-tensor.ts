/**
 * A constant's values in a chip image, in as few bytes as the chip's ways of storing weights need: a magnitude
 * per kernel and a mask of 1, 2, 3 or 5 bits per tap, or fixed point. Which one is seen from the values alone,
 * so that every constant comes back as it was. IMAGE.md describes the bits.
 */
import { InlayError, usageError } from "../../../error.ts";
import { packBits, packedBytes, unpackBits } from "../../../fixed/bit-packing.ts";
import type { MaskedPrecision } from "../../../fixed/kernel-levels.ts";
import {
  joinMagnitudes,
  type SplitKernels,
  splitMagnitudes,
} from "../../../fixed/kernel-magnitudes.ts";
import { joinBytes } from "../../../tensor/chunks.ts";
import { elementCount, type Shape } from "../../../tensor/shape.ts";
import { elementBytes, type Tensor, tensor } from "../../../tensor/tensor.ts";
import { damaged, type NamedBytes, viewOf } from "./bytes.ts";

type MaskBits = 1 | 2 | 3 | 5;

/** How a constant lies in the file. */
export type Packing =
  /** Magnitudes of all kernels, unsigned; then a code per tap. Each of the two ends with a whole byte. */
  | { readonly kind: "masked"; readonly maskBits: MaskBits; readonly magnitudeBits: number }
  /** Two's complement. */
  | { readonly kind: "fixed"; readonly bits: number }
  /** Little-endian elements. */
  | { readonly kind: "raw" };

/** Element types that an image may hold. */
export const imageDTypes = ["int8", "uint8", "int16", "uint16", "int32", "float32"] as const;
type ImageDType = (typeof imageDTypes)[number];
type ImageArray = Tensor<ImageDType>["data"];

/** A constant without its values. */
export type PackedTensor = {
  readonly dtype: ImageDType;
  readonly shape: Shape;
  readonly packing: Packing;
};

const precisions: Readonly<Record<MaskBits, MaskedPrecision>> = {
  1: "oneBit",
  2: "twoBits",
  3: "threeBits",
  5: "fiveBits",
};
const maskWidths = [1, 2, 3, 5] as const;
/** Widths of fixed point: the chips', then wider ones for weights that no chip holds. */
const fixedWidths = [8, 12, 16, 24, 32] as const;

/** Levels by their code; not a number where a code stands for none. */
const levelCodes: Readonly<Record<MaskBits, readonly number[]>> = {
  1: [1, -1],
  2: [0, 1, Number.NaN, -1],
  3: [0, 1, 2, 4, Number.NaN, -1, -2, -4],
  5: Array.from({ length: 32 }, (_, code) => {
    if (code === 16) return Number.NaN;
    return code < 16 ? code : code - 32;
  }),
};

/** A constant's bytes, and what a reader must know of them. `node` is for the error. */
export function packTensor(
  value: Tensor,
  node: string,
): { readonly packed: PackedTensor; readonly bytes: Uint8Array } {
  const dtype = imageDTypes.find((type) => type === value.dtype);
  if (dtype === undefined) {
    throw usageError("a constant of this type has no place in a chip image", {
      node,
      expected: imageDTypes.join(", "),
      got: value.dtype,
    });
  }
  const { shape } = value;
  const data = value.data as ImageArray;
  const isWeight = shape.length === 4 && dtype !== "float32" && data.length > 0;
  const { packing, bytes } = isWeight
    ? packWeights(new Int32Array(data), tapsOf(shape))
    : { packing: { kind: "raw" } as const, bytes: rawBytes(dtype, data) };
  return { packed: { dtype, shape, packing }, bytes };
}

type Packed = { readonly packing: Packing; readonly bytes: Uint8Array };

/** The narrowest mask that keeps every weight, or fixed point where that is shorter. */
function packWeights(integers: Int32Array, taps: number): Packed {
  const fixed = fixedPacking(integers);
  const size = packedBytes(integers.length, fixed.bits);
  for (const maskBits of maskWidths) {
    const split = splitMagnitudes(integers, taps, precisions[maskBits]);
    if (split === undefined) continue;
    const masked = packMasked(split, maskBits);
    if (masked.bytes.length <= size) return masked;
    break;
  }
  return { packing: fixed, bytes: packBits(integers, { bits: fixed.bits, signed: true }) };
}

function fixedPacking(integers: Int32Array): Extract<Packing, { kind: "fixed" }> {
  // The complement of a negative number needs as many bits as the number itself.
  let largest = 0;
  for (const value of integers) largest = Math.max(largest, value < 0 ? ~value : value);
  return { kind: "fixed", bits: fixedWidths.find((bits) => largest < 2 ** (bits - 1)) ?? 32 };
}

function packMasked({ magnitudes, levels }: SplitKernels, maskBits: MaskBits): Packed {
  let largest = 1;
  for (const magnitude of magnitudes) largest = Math.max(largest, magnitude);
  const magnitudeBits = 32 - Math.clz32(largest);
  const codeOf = codesByLevel(maskBits);
  const codes = new Uint8Array(levels.length);
  for (let tap = 0; tap < codes.length; tap++) codes[tap] = codeOf[(levels[tap] ?? 0) + 16] ?? 0;
  const bytes = joinBytes([
    packBits(magnitudes, { bits: magnitudeBits, signed: false }),
    packBits(codes, { bits: maskBits, signed: false }),
  ]);
  return { packing: { kind: "masked", maskBits, magnitudeBits }, bytes };
}

/** Codes by level + 16. */
function codesByLevel(maskBits: MaskBits): Uint8Array {
  const codes = new Uint8Array(32);
  for (const [code, level] of levelCodes[maskBits].entries())
    if (!Number.isNaN(level)) codes[level + 16] = code;
  return codes;
}

function tapsOf(shape: Shape): number {
  return (shape[2] ?? 1) * (shape[3] ?? 1);
}

function rawBytes(dtype: ImageDType, data: ImageArray): Uint8Array {
  const size = elementBytes[dtype];
  const bytes = new Uint8Array(data.length * size);
  const view = viewOf(bytes);
  for (let index = 0; index < data.length; index++) {
    const element = data[index] ?? 0;
    if (dtype === "float32") view.setFloat32(index * 4, element, true);
    else if (size === 4) view.setInt32(index * 4, element, true);
    else if (size === 2) view.setInt16(index * 2, element, true);
    else view.setInt8(index, element);
  }
  return bytes;
}

/** Bytes that a constant takes. */
export function sizeInFile({ dtype, shape, packing }: PackedTensor): number {
  const count = elementCount(shape);
  if (packing.kind === "raw") return count * elementBytes[dtype];
  if (packing.kind === "fixed") return packedBytes(count, packing.bits);
  const { magnitudeBits, maskBits } = packing;
  return packedBytes(kernelCount(shape), magnitudeBits) + packedBytes(count, maskBits);
}

/** Kernels of no taps do not count. */
function kernelCount(shape: Shape): number {
  const taps = tapsOf(shape);
  return taps === 0 ? 0 : elementCount(shape) / taps;
}

/** The constant at `offset`, where `sizeInFile` bytes must lie. */
export function unpackTensor(file: NamedBytes, offset: number, packed: PackedTensor): Tensor {
  const { dtype, shape } = packed;
  const bytes = file.bytes.subarray(offset, offset + sizeInFile(packed));
  try {
    return tensor(dtype, shape, toArray(packed, unpackValues(bytes, packed)) as never);
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    const { expected, got } = error.fields;
    throw damaged(file, offset, `a constant is damaged: ${error.fields.what}`, { expected, got });
  }
}

function unpackValues(
  bytes: Uint8Array,
  { dtype, shape, packing }: PackedTensor,
): ArrayLike<number> {
  const count = elementCount(shape);
  switch (packing.kind) {
    case "raw":
      return rawValues(bytes, dtype, count);
    case "fixed":
      return unpackBits(bytes, count, { bits: packing.bits, signed: true });
    case "masked": {
      const { maskBits, magnitudeBits } = packing;
      const kernels = kernelCount(shape);
      const head = packedBytes(kernels, magnitudeBits);
      const magnitudes = unpackBits(bytes.subarray(0, head), kernels, {
        bits: magnitudeBits,
        signed: false,
      });
      const codes = unpackBits(bytes.subarray(head), count, { bits: maskBits, signed: false });
      const split = { magnitudes: new Int32Array(magnitudes), levels: toLevels(codes, maskBits) };
      return kernels === 0 ? new Int32Array() : joinMagnitudes(split, tapsOf(shape));
    }
  }
}

function toLevels(codes: ArrayLike<number>, maskBits: MaskBits): Int8Array {
  const known = levelCodes[maskBits];
  const levels = new Int8Array(codes.length);
  for (let tap = 0; tap < levels.length; tap++) {
    const level = known[codes[tap] ?? 0] ?? Number.NaN;
    if (Number.isNaN(level))
      throw usageError("a weight's code is none of its packing", { got: `${codes[tap]}` });
    levels[tap] = level;
  }
  return levels;
}

function rawValues(bytes: Uint8Array, dtype: ImageDType, count: number): ArrayLike<number> {
  const view = viewOf(bytes);
  const size = elementBytes[dtype];
  const values = dtype === "float32" ? new Float32Array(count) : new Int32Array(count);
  for (let index = 0; index < count; index++) {
    if (dtype === "float32") values[index] = view.getFloat32(index * 4, true);
    else if (size === 4) values[index] = view.getInt32(index * 4, true);
    else if (size === 2) values[index] = view.getInt16(index * 2, true);
    else values[index] = view.getInt8(index);
  }
  return values;
}

const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float32: Float32Array,
};

/** The values in the constant's own type. Raw bytes of unsigned types come as negative numbers, which wrap. */
function toArray({ dtype, packing }: PackedTensor, values: ArrayLike<number>): ImageArray {
  const data = new arrays[dtype](values);
  if (packing.kind === "raw") return data;
  for (let index = 0; index < data.length; index++) {
    if (data[index] === values[index]) continue;
    throw usageError("a weight does not fit its type", {
      expected: dtype,
      got: `${values[index]}`,
    });
  }
  return data;
}
