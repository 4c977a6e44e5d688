/** The capped ReLU in training against its definition and the formulas of its straight-through gradients. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runModel } from "../../../test/gradient-check.ts";
import { normals } from "../../../test/small-case.ts";
import { smallGraph } from "../../../test/small-graph.ts";
import { expectClose } from "../../../test/within.ts";
import { cappedRelu, slopedRelu } from "../../fixed/capped-relu.ts";
import { float32, type Tensor, toNumbers } from "../../tensor/tensor.ts";
import { gradientModel, gradientName } from "../gradient-model.ts";

const seeds = fc.nat(1e6);
const shape = [2, 3, 8, 9];
const channelOf = (at: number): number => Math.floor(at / 72) % 3;

type Trained = { readonly y: number[]; readonly dx: number[]; readonly dcap: Tensor | undefined };

/** What the rule gives; the cap is learned or a constant. */
async function trained(
  attrs: { readonly slope: number; readonly bits: number; readonly quantized: boolean },
  [x, cap, dy]: readonly [Tensor, Tensor, Tensor],
  isLearned: boolean,
): Promise<Trained> {
  const { graph, feeds } = smallGraph("quantRelu", attrs, [x], [cap]);
  const given = new Map<string, Tensor>([...feeds, [gradientName("y"), dy]]);
  if (isLearned) given.set("c0", cap);
  const got = await runModel(gradientModel(graph, isLearned ? ["x0", "c0"] : ["x0"]), given);
  const numbersOf = (name: string): number[] => toNumbers(got.get(name) ?? float32([0], []));
  return {
    y: numbersOf("y'"),
    dx: numbersOf(gradientName("x0")).map((value) => value + 0),
    dcap: got.get(gradientName("c0")),
  };
}

const capAt = (caps: readonly number[], at: number): number => caps[channelOf(at) % caps.length]!;

/** Values around 0 and the cap; with `q` half levels: ties, 0 and the cap itself are among them. */
function valuesFor(seed: number, caps: readonly number[], q: number | undefined): Float32Array {
  return normals(seed, shape, 0.7).data.map((part, at) => {
    if (q !== undefined) return (Math.round(part * 2 * q) * capAt(caps, at)) / (2 * q);
    // No unit of the last place from a tie, which a single product need not tell from the tie.
    return Math.round(part * capAt(caps, at) * 2 ** 16) / 2 ** 16;
  });
}

function expected(
  x: Float32Array,
  dy: Float32Array,
  caps: readonly number[],
  bits: number,
): Omit<Trained, "dcap"> & { readonly dcap: readonly number[] } {
  const dcap = caps.map(() => 0);
  for (const [at, value] of x.entries()) {
    if (value >= capAt(caps, at)) dcap[channelOf(at) % caps.length]! += dy[at]!;
  }
  const isInside = (value: number, at: number): boolean => value > 0 && value < capAt(caps, at);
  return {
    y: Array.from(x, (value, at) => cappedRelu(value, capAt(caps, at), bits)),
    dx: Array.from(x, (value, at) => (isInside(value, at) ? dy[at]! : 0)),
    dcap,
  };
}

/** Caps as they are calibrated, and those for which one product replaces two operations. */
const cap = fc.oneof(
  fc.double({ min: 0.01, max: 50, noNaN: true }).map(Math.fround),
  fc.constantFrom(1, 0.25, 4, 31, 15.5, 31.96875),
);

describe("quantRelu in training", () => {
  it("gives the definition's levels, and gradients by their formulas", async () => {
    const drawn = fc.record({
      seed: seeds,
      caps: fc.oneof(
        fc.tuple(cap),
        fc.tuple(cap, cap, cap),
        cap.map((one) => [one, one, one]),
      ),
      bits: fc.constantFrom(1, 4, 5, 8, 10),
      isLearned: fc.boolean(),
      onGrid: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ seed, caps, bits, isLearned, onGrid }) => {
        const x = valuesFor(seed, caps, onGrid ? 2 ** bits - 1 : undefined);
        const dy = normals(seed + 1, shape);
        const attrs = { slope: 0, bits, quantized: true };
        const operands = [float32(shape, x), float32([caps.length], caps), dy] as const;
        const got = await trained(attrs, operands, isLearned);
        const want = expected(x, dy.data, caps, bits);
        for (const [at, y] of want.y.entries()) {
          // A unit of the last place is far less than a level.
          expect(Math.abs(got.y[at]! - y)).toBeLessThanOrEqual(y * 2 ** -23);
        }
        expect(got.dx).toEqual(want.dx);
        for (const [channel, sum] of isLearned ? want.dcap.entries() : []) {
          expect(Number(got.dcap?.data[channel])).toBeCloseTo(sum, 4);
        }
        expect(got.dcap !== undefined).toBe(isLearned);
      }),
      { numRuns: 80 },
    );
  });

  it("is a leaky ReLU while it does not quantize, and its cap gets no gradient", async () => {
    for (const slope of [0, 0.25, -0.5]) {
      const x = normals(3, shape).data.map((value, at) => (at % 9 === 0 ? 0 : value));
      const dy = normals(4, shape);
      const attrs = { slope, bits: 5, quantized: false };
      const got = await trained(attrs, [float32(shape, x), float32([], [0.25]), dy], true);
      const want = Array.from(x, (value) => slopedRelu(value, slope));
      expect(got.y.map((value) => value + 0)).toEqual(want.map((value) => value + 0));
      const dx = Array.from(x, (value, at) => (value > 0 ? 1 : slope) * dy.data[at]! + 0);
      expect(got.dx).toEqual(dx);
      expectClose(got.dcap, float32([], [0]), 0);
    }
  });

  it("takes values without image axes", async () => {
    const [x, dy] = [float32([2, 3], [-1, 0.4, 9, 3, 2, -5]), float32([2, 3], [1, 2, 3, 4, 5, 6])];
    const attrs = { slope: 0, bits: 2, quantized: true };
    const got = await trained(attrs, [x, float32([3], [3, 3, 3]), dy], true);
    expect(got).toEqual({
      y: [0, 0, 3, 3, 2, 0],
      dx: [0, 2, 0, 0, 5, 0],
      dcap: float32([3], [4, 0, 3]),
    });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuses the constant cap %s", (one) => {
    const attrs = { slope: 0, bits: 5, quantized: true };
    const { graph } = smallGraph("quantRelu", attrs, [normals(1, shape)], [float32([1], [one])]);
    expect(() => gradientModel(graph, ["x0"])).toThrow(/cap .* must be positive/);
  });
});
