/**
 * Comparison of tensors by the tolerance that belongs to the operator. A failure shows the worst
 * element and the first values of both sides.
 */
import { expect } from "vitest";
import type { Op } from "../src/ir/ops.ts";
import { tolerances } from "../src/run/tolerance.ts";
import { type Tensor, toNumbers } from "../src/tensor/tensor.ts";

const realTypes: ReadonlySet<string> = new Set(["float32", "float64", "float16"]);

/**
 * Fails unless shapes are equal and no element differs by more than the operator's tolerance. `size`: of a sum's terms,
 * where they may cancel; asked for only if it matters.
 */
export function expectWithin(
  op: Op,
  got: Tensor | undefined,
  want: Tensor | undefined,
  size?: () => number,
): void {
  expectClose(got, want, tolerances[op], size);
}

/**
 * The same with a tolerance of its own, relative to the largest finite magnitude of `want`, or to `size()` where that
 * is larger. NaN and infinities must stand at the same places; integers must be equal.
 */
export function expectClose(
  got: Tensor | undefined,
  want: Tensor | undefined,
  tolerance: number,
  size: () => number = () => 0,
): void {
  expect(got?.shape).toEqual(want?.shape);
  if (got === undefined || want === undefined) throw new Error("a tensor is missing");
  const [left, right] = [toNumbers(got), toNumbers(want)];
  const isReal = realTypes.has(got.dtype) && realTypes.has(want.dtype);
  if (!isReal) expect(got.dtype).toBe(want.dtype);
  const largest = right.reduce(
    (max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max),
    0,
  );
  const worst = worstOf(left, right);
  if (worst.error <= (isReal ? tolerance * largest : 0)) return;
  const allowed = isReal ? tolerance * Math.max(largest, size()) : 0;
  if (worst.error <= allowed) return;
  const first = (values: readonly number[]): string => values.slice(0, 5).join(", ");
  expect.fail(
    `element ${worst.at} is ${left[worst.at]}, expected ${right[worst.at]} within ${allowed}\n` +
      `got  [${first(left)}, ...]\nwant [${first(right)}, ...]`,
  );
}

/** The place of the largest difference; a NaN on one side alone counts as infinite. */
function worstOf(
  left: readonly number[],
  right: readonly number[],
): { readonly at: number; readonly error: number } {
  let worst = { at: 0, error: 0 };
  left.forEach((value, at) => {
    const other = right[at] ?? Number.NaN;
    if (Object.is(value, other) || value === other) return;
    const difference = Math.abs(value - other);
    const error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (error > worst.error) worst = { at, error };
  });
  return worst;
}
