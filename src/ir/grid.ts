/**
 * The grid of integers that a quantized value lies on: `real = (q - zero) * scale`, `lo <= q <= hi`.
 */
import { quantizeValue } from "../fixed/affine.ts";
import type { DType, Tensor } from "../tensor/tensor.ts";

export type Grid = {
  /** Size of one step; a float32 value. */
  readonly scale: number;
  /** The integer that stands for 0. */
  readonly zero: number;
  readonly lo: number;
  readonly hi: number;
};

/** 8-bit grids; wider ones of other tools' files stay in float. */
const ranges: { readonly [D in DType]?: readonly [lo: number, hi: number] } = {
  int8: [-128, 127],
  uint8: [0, 255],
};

/** The grid that per-tensor scale and zero-point tensors describe; undefined where they do not. */
export function gridOf(scale: Tensor | undefined, zeroPoint: Tensor | undefined): Grid | undefined {
  const range = zeroPoint === undefined ? undefined : ranges[zeroPoint.dtype];
  const [step, zero] = [scale?.data[0], zeroPoint?.data[0]];
  const perTensor = scale?.data.length === 1 && zeroPoint?.data.length === 1;
  if (!perTensor || range === undefined || step === undefined || zero === undefined) {
    return undefined;
  }
  return { scale: Number(step), zero: Number(zero), lo: range[0], hi: range[1] };
}

export function sameGrid(a: Grid, b: Grid): boolean {
  return a.scale === b.scale && a.zero === b.zero && a.lo === b.lo && a.hi === b.hi;
}

/** The integer that a real value becomes: ONNX's QuantizeLinear, round half to even. */
export function quantizeOnto(grid: Grid, real: number): number {
  const format = { qMin: grid.lo, qMax: grid.hi, rounding: "halfEven" } as const;
  return quantizeValue(real, { scale: grid.scale, zeroPoint: grid.zero }, format);
}
