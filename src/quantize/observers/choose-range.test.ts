import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseAffine } from "../../fixed/choose-scale.ts";
import { numberFormats } from "../../fixed/number-format.ts";
import { chooseRange, rangeMethods } from "./choose-range.ts";
import { prefixSums, windowDivergence } from "./entropy.ts";
import { noExtremes, observeExtremes } from "./extremes.ts";
import { emptyHistogram, observeHistogram } from "./histogram.ts";
import { observeBatch, startMovingAverage } from "./moving-average.ts";
import { mergeStatistics, type RangeFormat, type Statistics } from "./statistics.ts";
import { weightLimits } from "./weight-ranges.ts";

const statisticsOf = (values: Float32Array): Required<Statistics> => {
  const extremes = observeExtremes(noExtremes, values);
  return {
    extremes,
    histogram: observeHistogram(emptyHistogram(), values),
    average: observeBatch(startMovingAverage(), extremes),
  };
};
const affine: RangeFormat = { number: numberFormats.uint8 };
const formats: readonly RangeFormat[] = [
  affine,
  { number: numberFormats.uint8, symmetric: true },
  { number: numberFormats.int8 },
  { number: numberFormats.int8, symmetric: true },
  { number: numberFormats.int8, symmetric: true, powerOfTwo: true },
];

/** Sum of 12 uniform numbers less 6: close to a normal distribution, from a fixed seed. */
function gaussian(count: number): Float32Array {
  let state = 12345;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => {
    let sum = -6;
    for (let term = 0; term < 12; term += 1) sum += uniform();
    return sum;
  });
}
const normal = gaussian(100_000);
const rectified = normal.map((value) => Math.max(value, 0));
function withOutlier(values: Float32Array, outlier: number): Float32Array {
  const result = new Float32Array(values.length + 1).fill(outlier);
  result.set(values);
  return result;
}

function squaredError(values: Float32Array, range: { min: number; max: number }): number {
  const { scale, zeroPoint } = chooseAffine(range.min, range.max, affine.number, affine);
  let sum = 0;
  for (const value of values) {
    const steps = Math.min(Math.max(Math.round(value / scale) + zeroPoint, 0), 255);
    sum += (value - (steps - zeroPoint) * scale) ** 2;
  }
  return sum;
}

describe.each(rangeMethods)("%s", (method) => {
  it("stays within what was observed", () => {
    const value = fc.float({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 50 }),
        fc.constantFrom(...formats),
        (list, format) => {
          const statistics = statisticsOf(Float32Array.from(list));
          const { min, max } = chooseRange(method, statistics, format);
          expect(min).toBeGreaterThanOrEqual(statistics.extremes.min);
          expect(max).toBeLessThanOrEqual(statistics.extremes.max);
          expect(min).toBeLessThanOrEqual(max);
        },
      ),
    );
  });

  it.each(formats)("takes zeros, constants, single values and NaN: %#", (format) => {
    const choose = (...values: readonly number[]): unknown =>
      chooseRange(method, statisticsOf(Float32Array.from(values)), format);
    expect(choose()).toEqual({ min: 0, max: 0 });
    expect(choose(Number.NaN, Infinity)).toEqual({ min: 0, max: 0 });
    expect(choose(0, 0, 0)).toEqual({ min: 0, max: 0 });
    expect(choose(3)).toEqual({ min: 3, max: 3 });
    expect(choose(-2, -2, Number.NaN)).toEqual({ min: -2, max: -2 });
  });

  it("is the same whether values come together or in shards", () => {
    const parts = [normal.subarray(0, 100), normal.subarray(100, 5000)].map(statisticsOf);
    const merged = mergeStatistics(parts[0]!, parts[1]!);
    const together = statisticsOf(normal.subarray(0, 5000));
    const known = method === "movingAverage" ? { ...together, average: merged.average! } : together;
    expect(chooseRange(method, merged, affine)).toEqual(chooseRange(method, known, affine));
  });
});

describe("minmax and the moving average", () => {
  it("keep the extremes", () => {
    const statistics = statisticsOf(Float32Array.of(-1, 5, 2));
    expect(chooseRange("minmax", statistics, affine)).toEqual({ min: -1, max: 5 });
    expect(chooseRange("movingAverage", statistics, affine)).toEqual({ min: -1, max: 5 });
  });

  it("say what is missing", () => {
    const { extremes } = statisticsOf(normal);
    expect(() => chooseRange("mse", { extremes }, affine)).toThrow(
      'method "mse" needs a histogram',
    );
    expect(() => chooseRange("movingAverage", { extremes }, affine)).toThrow("a moving average");
  });
});

describe("percentile", () => {
  it("leaves the asked share out at each end", () => {
    const values = Float32Array.from({ length: 1000 }, (_, at) => at - 500);
    const { min, max } = chooseRange("percentile", statisticsOf(values), affine, { percent: 99 });
    // Ten values lie below -490 and ten above 489; bins are a quarter wide.
    expect([min, max]).toEqual([-490, 489.25]);
  });

  it("refuses a share that makes no sense", () => {
    const call = (): unknown =>
      chooseRange("percentile", statisticsOf(normal), affine, { percent: 0.99 });
    expect(call).toThrow("percentile is out of range");
  });

  it("is not moved by an outlier", () => {
    const { max } = chooseRange("percentile", statisticsOf(withOutlier(rectified, 1000)), affine);
    expect(max).toBeLessThan(5);
  });
});

describe("mse", () => {
  it.each([
    { name: "normal", values: normal.subarray(0, 20_000) },
    { name: "rectified", values: rectified.subarray(0, 20_000) },
    { name: "heavy-tailed", values: normal.subarray(0, 20_000).map((value) => value ** 5) },
    { name: "skewed", values: normal.subarray(0, 20_000).map((value) => Math.exp(value)) },
  ])("comes within 1 % of the least error of any range on a grid: $name", ({ values }) => {
    const statistics = statisticsOf(values);
    const { min, max } = statistics.extremes;
    const shares = Array.from({ length: 24 }, (_, at) => 2 ** (-at / 4));
    const errors = shares.flatMap((low) =>
      shares.map((high) => squaredError(values, { min: Math.min(min, 0) * low, max: max * high })),
    );
    const chosen = squaredError(values, chooseRange("mse", statistics, affine));
    expect(chosen).toBeLessThanOrEqual(1.01 * Math.min(...errors));
  });

  it("weighs one clipped value against the rounding of all others", () => {
    // (12 - t)^2 + n * (t / 255)^2 / 12 is least at t = 12 / (1 + n / (12 * 255^2)).
    const positive = rectified.filter((value) => value > 0).length;
    const { max } = chooseRange("mse", statisticsOf(withOutlier(rectified, 12)), affine);
    expect(Math.abs(max / (12 / (1 + positive / (12 * 255 ** 2))) - 1)).toBeLessThan(0.02);
    const common = rectified.map((value, at) => (at % 10 === 0 ? 12 : value));
    expect(chooseRange("mse", statisticsOf(common), affine).max).toBeGreaterThan(11.8);
  });

  it("chooses among powers of two by their own error", () => {
    const format: RangeFormat = { number: numberFormats.int8, symmetric: true, powerOfTwo: true };
    // One value in 100,000 asks for twice the step.
    const { min, max } = chooseRange("mse", statisticsOf(withOutlier(normal, 8.5)), format);
    expect(chooseAffine(min, max, format.number, format).scale).toBeLessThanOrEqual(2 ** -4);
  });
});

describe("entropy", () => {
  it("computes the divergence of the definition", () => {
    const count = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(
        fc.array(count, { minLength: 12, maxLength: 40 }),
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 0, max: 5 }),
        (list, levels, from) => {
          const counts = Float64Array.from(list);
          const to = Math.max(from + levels, counts.length - 2);
          const fast = windowDivergence(counts, prefixSums(counts), from, to, levels);
          const slow = slowDivergence(list, from, to, levels);
          if (slow === Infinity) expect(fast).toBe(Infinity);
          else expect(fast).toBeCloseTo(slow, 9);
        },
      ),
    );
  });

  it("keeps a uniform range whole and cuts a long tail off", () => {
    const uniform = Float32Array.from({ length: 50_000 }, (_, at) => at / 50_000);
    expect(chooseRange("entropy", statisticsOf(uniform), affine).max).toBeGreaterThan(0.97);
    const tail = chooseRange("entropy", statisticsOf(withOutlier(rectified, 20)), affine);
    expect(tail.max).toBeLessThan(8);
    expect(tail.max).toBeGreaterThan(2);
  });

  it("does not let the zeros of a ReLU decide", () => {
    const positive = rectified.filter((value) => value > 0);
    const sparse = new Float32Array(300_000);
    sparse.set(rectified);
    const ranges = [positive, sparse].map(
      (values) => chooseRange("entropy", statisticsOf(values), affine).max,
    );
    expect(Math.abs(ranges[0]! / ranges[1]! - 1)).toBeLessThan(0.1);
  });
});

/** Kullback-Leibler divergence straight from the definition, in normalised distributions. */
function slowDivergence(
  counts: readonly number[],
  from: number,
  to: number,
  levels: number,
): number {
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  const own = counts.slice(from, to);
  if (sum(own) === 0) return Infinity;
  const p = own.slice();
  p[0]! += sum(counts.slice(0, from));
  p[p.length - 1]! += sum(counts.slice(to));
  let divergence = 0;
  for (let level = 0; level < levels; level += 1) {
    const start = Math.floor((level * own.length) / levels);
    const end = Math.floor(((level + 1) * own.length) / levels);
    const cells = p.slice(start, end).filter((mass) => mass > 0).length;
    const q = (sum(own.slice(start, end)) || 1) / cells / sum(own);
    for (const mass of p.slice(start, end)) {
      if (mass > 0) divergence += (mass / sum(p)) * Math.log(mass / sum(p) / q);
    }
  }
  return divergence;
}

describe("weights", () => {
  const format: RangeFormat = { number: numberFormats.int8 };
  const weights = Float32Array.of(1, -2, 0.5, 0, 0, 0, Number.NaN, 4, -3);

  it("are limited by their largest magnitude, per channel or together", () => {
    const limits = (unit: "channel" | "tensor"): number[] => [
      ...weightLimits(weights, 3, format, { unit, method: "maxAbs" }),
    ];
    expect(limits("channel")).toEqual([2, 0, 4]);
    expect(limits("tensor")).toEqual([4]);
  });

  it("are clipped where that costs less error, value by value or on a histogram", () => {
    const limitOf = (values: Float32Array): number =>
      weightLimits(values, 1, format, { unit: "channel", method: "mse" })[0]!;
    const few = limitOf(withOutlier(normal.subarray(0, 8_000), 8));
    const many = limitOf(withOutlier(normal.subarray(0, 9_000), 8));
    expect(few).toBeLessThan(7.9);
    expect(Math.abs(few / many - 1)).toBeLessThan(0.05);
    expect(limitOf(weights.subarray(3, 6))).toBe(0);
  });
});
