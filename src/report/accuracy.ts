/**
 * Accuracy of a sample, with the interval that its size allows.
 */
import { usageError } from "../error.ts";
import type { Accuracy } from "./reports.ts";

/** 97.5 % quantile of the standard normal distribution. */
const z95 = 1.959963984540054;

/**
 * Wilson score interval (95 %) of `count` of `total`, in percent: within 0..100 for every count,
 * also 0 and all of them. E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
 * 353 of 500 -> [66.46, 74.42].
 */
export function wilsonInterval(count: number, total: number): readonly [lo: number, hi: number] {
  checkCounts(count, total);
  const share = count / total;
  const z2 = z95 * z95;
  const centre = share + z2 / (2 * total);
  const spread = z95 * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total * total));
  const scale = 100 / (1 + z2 / total);
  return [
    count === 0 ? 0 : Math.max(0, scale * (centre - spread)),
    count === total ? 100 : Math.min(100, scale * (centre + spread)),
  ];
}

/** `count` of `total` (one at least) as count, percent and 95 % interval. */
export function accuracyOf(count: number, total: number): Accuracy {
  const interval = wilsonInterval(count, total);
  return { count, percent: (100 * count) / total, interval };
}

function checkCounts(count: number, total: number): void {
  const fits = Number.isInteger(count) && Number.isInteger(total) && count >= 0 && total > 0;
  if (fits && count <= total) return;
  throw usageError("an accuracy needs 0 <= count <= total, total at least 1", {
    got: `${count} of ${total}`,
  });
}
