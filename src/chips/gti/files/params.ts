/**
 * The converter's debug files cnn.param, fc.param and fxp_shift_bits.txt: a network's numbers without names or
 * sizes. Readers are told the sizes.
 */
import { inputError } from "../../../error.ts";
import { roundHalfEven } from "../../../fixed/rounding.ts";
import { bytesOf, type Chunks, joinBytes } from "../../../tensor/chunks.ts";
import { checkLength, int32Bytes, type NamedBytes, readFloat32s, readInt32s } from "./bytes.ts";
import {
  type ChipLayer,
  chipLayerSizes,
  type FcLayer,
  fcLayerSizes,
  type LayerSizes,
} from "./layers.ts";

/** Shifts of a float32 grid: beyond these nothing is left of a coefficient. */
const widestShift = 126;

/** A layer as integers on its grid. */
export type IntegerLayer = {
  readonly shift: number;
  readonly weight: Int32Array;
  readonly bias: Int32Array;
};

/** cnn.param: int32 shifts of all layers, then weights and biases of each as int32, `round(x * 2^shift)`. */
export function encodeCnnParam(layers: readonly ChipLayer[]): Uint8Array {
  const shifts = int32Bytes(layers.map((layer) => layer.shift));
  const values = layers.flatMap((layer) => {
    chipLayerSizes(layer);
    if (!isShift(layer.shift)) throw shiftError({ node: layer.name }, layer.shift);
    return [onGrid(layer, layer.weight), onGrid(layer, layer.bias)].map(int32Bytes);
  });
  return joinBytes([shifts, ...values]);
}

function onGrid({ name, shift }: ChipLayer, values: Float32Array): Int32Array {
  const integers = new Int32Array(values.length);
  for (const [index, value] of values.entries()) {
    const integer = roundHalfEven(value * 2 ** shift);
    integers[index] = integer;
    if (integers[index] !== integer) {
      throw inputError("a coefficient does not fit in 32 bits on the layer's grid", {
        node: name,
        got: `${value} * 2^${shift}`,
      });
    }
  }
  return integers;
}

/** The layers of a cnn.param whose sizes are known. */
export function decodeCnnParam(file: NamedBytes, sizes: readonly LayerSizes[]): IntegerLayer[] {
  const values = sizes.reduce((sum, { weights, biases }) => sum + weights + biases, 0);
  checkLength(file, 4 * (sizes.length + values), `${sizes.length} shifts and ${values} values`);
  const shifts = readInt32s(file, 0, sizes.length);
  let at = 4 * sizes.length;
  return sizes.map(({ weights, biases }, index) => {
    const shift = shifts[index] ?? 0;
    if (!isShift(shift)) throw shiftError({ where: `${file.name}:${index * 4}` }, shift);
    const weight = readInt32s(file, at, weights);
    const bias = readInt32s(file, at + 4 * weights, biases);
    at += 4 * (weights + biases);
    return { shift, weight, bias };
  });
}

function isShift(shift: number): boolean {
  return Number.isInteger(shift) && Math.abs(shift) <= widestShift;
}

function shiftError(
  place: { readonly where?: string; readonly node?: string },
  shift: number,
): Error {
  return inputError("a shift is out of range", {
    ...place,
    expected: `an integer in -${widestShift}..${widestShift}`,
    got: `${shift}`,
  });
}

/** fc.param: weights and biases of each layer as float32, which stay where they are. */
export function encodeFcParam(layers: readonly FcLayer[]): Chunks {
  return layers.flatMap((layer) => {
    fcLayerSizes(layer);
    return [bytesOf(layer.weight), bytesOf(layer.bias)];
  });
}

/** The values of an fc.param whose sizes are known. */
export function decodeFcParam(
  file: NamedBytes,
  sizes: readonly LayerSizes[],
): Pick<FcLayer, "weight" | "bias">[] {
  const values = sizes.reduce((sum, { weights, biases }) => sum + weights + biases, 0);
  checkLength(file, 4 * values, `${values} values`);
  let at = 0;
  return sizes.map(({ weights, biases }) => {
    const weight = readFloat32s(file, at, weights);
    const bias = readFloat32s(file, at + 4 * weights, biases);
    at += 4 * (weights + biases);
    return { weight, bias };
  });
}

/** fxp_shift_bits.txt: a shift per line. `[12, 11] -> "12\n11\n"`. */
export function shiftsText(shifts: readonly number[]): string {
  return shifts.map((shift) => `${shift}\n`).join("");
}

/** As many shifts as there are layers; CRLF is taken. */
export function parseShiftsText(file: NamedBytes, layers: number): number[] {
  // A line of a shift has at most four characters and its end: nothing long is looked at.
  const isShort = file.bytes.length <= layers * 6;
  const text = isShort ? new TextDecoder("latin1").decode(file.bytes) : "";
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  if (!isShort || lines.length !== layers || text === "") {
    throw inputError("the file has the wrong number of shifts", {
      where: file.name,
      expected: `${layers} lines`,
      got: isShort ? `${text === "" ? 0 : lines.length}` : `${file.bytes.length} bytes`,
    });
  }
  return lines.map((line, index) => {
    const shift = /^[+-]?\d{1,3}$/.test(line) ? Number(line) : Number.NaN;
    if (isShift(shift)) return shift;
    const where = `${file.name}:${index + 1}`;
    throw inputError("not a shift", { where, expected: "an integer", got: JSON.stringify(line) });
  });
}
