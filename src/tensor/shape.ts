/**
 * Shapes. Activations of a CNN are `[n, c, h, w]`; other ranks occur at its edges.
 */
import { inputError } from "../error.ts";

export type Shape = readonly number[];
/** `[n, c, h, w]`: batch, channels, rows, columns. */
export type Nchw = readonly [n: number, c: number, h: number, w: number];
/** `[rows, columns]`. */
export type Pair = readonly [h: number, w: number];
/** Padding in pixels: `[top, left, bottom, right]`. */
export type Pads = readonly [top: number, left: number, bottom: number, right: number];

/** Largest number of elements that one tensor may have; larger claims are taken for damage. */
export const maxElements: number = 2 ** 31 - 1;

/** Product of the dimensions. Throws where it overflows `maxElements` or a dimension is no count. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isInteger(dim) || dim < 0) {
      throw inputError("a dimension must be a non-negative integer", {
        got: `[${shape.join(", ")}]`,
      });
    }
    count *= dim;
    if (count > maxElements) {
      throw inputError("shape is too large", {
        expected: `at most ${maxElements} elements`,
        got: `[${shape.join(", ")}]`,
      });
    }
  }
  return count;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** The shape as a 4-tuple. Throws unless it has rank 4. */
export function asNchw(shape: Shape, node?: string): Nchw {
  const [n, c, h, w, ...rest] = shape;
  if (n === undefined || c === undefined || h === undefined || w === undefined || rest.length > 0) {
    throw inputError("needs a tensor of rank 4 [n, c, h, w]", { node, got: formatShape(shape) });
  }
  return [n, c, h, w];
}

/** `1x3x224x224`; `scalar` for rank 0. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? "scalar" : shape.join("x");
}

/** The axis as 0..rank-1; negative axes count from the end. */
export function normalizeAxis(axis: number, rank: number, node?: string): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= Math.max(rank, 1)) {
    throw inputError("axis is out of range", {
      node,
      expected: `-${rank}..${rank - 1}`,
      got: `${axis}`,
    });
  }
  return positive;
}
