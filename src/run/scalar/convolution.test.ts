import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import { InlayError } from "../../error.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { createRandom } from "../../tensor/random.ts";
import type { Shape } from "../../tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";

/** Small integers: every sum is exact, so that results are compared exactly. */
function whole(seed: number, shape: Shape): Tensor<"float32"> {
  const random = createRandom(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return float32(
    shape,
    Float32Array.from({ length: count }, () => random.below(17) - 8),
  );
}

const output = (small: ReturnType<typeof smallGraph>): Tensor | undefined =>
  runScalar(small.graph, small.feeds).get("y");

const plain: ConvAttrs = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

/** One output value of a convolution, straight from its definition. */
function direct(
  x: Tensor<"float32">,
  weight: Tensor<"float32">,
  attrs: ConvAttrs,
  [n, o, y, column]: readonly [number, number, number, number],
): number {
  const [, channels = 0, h = 0, w = 0] = x.shape;
  const [out = 0, inChannels = 0, kh = 0, kw = 0] = weight.shape;
  const first = Math.floor(o / (out / attrs.groups)) * inChannels;
  let sum = 0;
  for (let c = 0; c < inChannels; c += 1) {
    for (let tap = 0; tap < kh * kw; tap += 1) {
      const [ky, kx] = [Math.floor(tap / kw), tap % kw];
      const row = y * attrs.stride[0] - attrs.pads[0] + ky * attrs.dilation[0];
      const place = column * attrs.stride[1] - attrs.pads[1] + kx * attrs.dilation[1];
      if (row < 0 || row >= h || place < 0 || place >= w) continue;
      const pixel = x.data[((n * channels + first + c) * h + row) * w + place]!;
      sum += pixel * weight.data[(o * inChannels + c) * kh * kw + tap]!;
    }
  }
  return sum;
}

const cases = fc
  .record({
    seed: fc.nat(),
    size: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    pads: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
    groups: fc.integer({ min: 1, max: 3 }),
    perGroup: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    batch: fc.integer({ min: 1, max: 2 }),
  })
  .filter(({ size, kernel, dilation, pads }) =>
    [0, 1].every(
      (axis) => size[axis]! + pads[axis]! + pads[axis + 2]! > (kernel[axis]! - 1) * dilation[axis]!,
    ),
  );

describe("conv", () => {
  it("equals its definition element by element", () => {
    fc.assert(
      fc.property(
        cases,
        ({ seed, size, kernel, stride, dilation, pads, groups, perGroup, batch }) => {
          const attrs: ConvAttrs = { stride, dilation, pads, groups };
          const x = whole(seed, [batch, groups * perGroup[0], ...size]);
          const weight = whole(seed + 1, [groups * perGroup[1], perGroup[0], ...kernel]);
          const y = output(smallGraph("conv", attrs, [x], [weight]))!;
          const [, o = 0, h = 0, w = 0] = y.shape;
          toNumbers(y).forEach((value, at) => {
            const place = [
              Math.floor(at / (o * h * w)),
              Math.floor(at / (h * w)) % o,
              Math.floor(at / w) % h,
              at % w,
            ] as const;
            expect(value + 0).toBe(direct(x, weight, attrs, place) + 0);
          });
        },
      ),
    );
  });

  it("adds the bias once per output", () => {
    const x = float32([1, 1, 2, 2], [1, 2, 3, 4]);
    const weight = float32([2, 1, 2, 2], [1, 0, 0, 0, 0, 0, 0, 1]);
    const y = output(smallGraph("conv", plain, [x], [weight, float32([2], [10, -10])]));
    expect(toNumbers(y!)).toEqual([11, -6]);
  });

  it("sums in double and rounds once", () => {
    // In float32 2^24 + 1 + 1 stays 2^24; the true sum is a float32.
    const x = float32([1, 3, 1, 1], [2 ** 24, 1, 1]);
    const y = output(smallGraph("conv", plain, [x], [float32([1, 3, 1, 1], [1, 1, 1])]));
    expect(toNumbers(y!)).toEqual([2 ** 24 + 2]);
  });

  it("keeps doubles on request", () => {
    const x = float32([1, 2, 1, 1], [1, 2 ** -30]);
    const { graph, feeds } = smallGraph("conv", plain, [x], [float32([1, 2, 1, 1], [1, 1])]);
    const y = runScalar(graph, feeds, { precision: "float64" }).get("y");
    expect(y?.dtype).toBe("float64");
    expect(toNumbers(y!)).toEqual([1 + 2 ** -30]);
  });

  it("names the node where a bias does not fit", () => {
    const x = float32([1, 1, 1, 1], [1]);
    const small = smallGraph("conv", plain, [x], [x, float32([2], [0, 0])]);
    expect(() => output(small)).toThrow(/conv "y": the bias does not fit/);
    expect(() => output(small)).toThrow(InlayError);
  });
});

/** `sum(conv(x) * y)` and `sum(x * deconv(y))` are the same number: one is the transpose of the other. */
it("deconv is the transpose of conv", () => {
  fc.assert(
    fc.property(
      cases,
      ({ seed, size, kernel, stride, dilation, pads, groups, perGroup, batch }) => {
        const attrs: ConvAttrs = { stride, dilation, pads, groups };
        const x = whole(seed, [batch, groups * perGroup[0], ...size]);
        const weight = whole(seed + 1, [groups * perGroup[1], perGroup[0], ...kernel]);
        const forward = output(smallGraph("conv", attrs, [x], [weight]))!;
        const y = whole(seed + 2, forward.shape);
        const outputPads = [0, 1].map((axis) => {
          const covered =
            stride[axis]! * (forward.shape[axis + 2]! - 1) +
            (kernel[axis]! - 1) * dilation[axis]! +
            1;
          return size[axis]! + pads[axis]! + pads[axis + 2]! - covered;
        }) as [number, number];
        const back = output(smallGraph("deconv", { ...attrs, outputPads }, [y], [weight]))!;
        expect(back.shape).toEqual(x.shape);
        const dot = (a: Tensor, b: Tensor): number =>
          toNumbers(a).reduce((sum, value, at) => sum + value * toNumbers(b)[at]!, 0);
        expect(dot(forward, y) + 0).toBe(dot(x, back) + 0);
      },
    ),
  );
});

it("deconv adds the bias and the extra rows", () => {
  const x = float32([1, 1, 1, 2], [1, 2]);
  const weight = float32([1, 1, 1, 2], [1, 10]);
  const attrs = { ...plain, stride: [1, 2] as const, outputPads: [0, 1] as const };
  const y = output(smallGraph("deconv", attrs, [x], [weight, float32([1], [100])]));
  expect(y?.shape).toEqual([1, 1, 1, 5]);
  expect(toNumbers(y!)).toEqual([101, 110, 102, 120, 100]);
});

it("linear is x times the transposed weights plus bias", () => {
  const x = float32([2, 3], [1, 2, 3, 4, 5, 6]);
  const weight = float32([2, 3], [1, 0, -1, 1, 1, 1]);
  const y = output(smallGraph("linear", {}, [x], [weight, float32([2], [0.5, -0.5])]));
  expect(y?.shape).toEqual([2, 2]);
  expect(toNumbers(y!)).toEqual([-1.5, 5.5, -1.5, 14.5]);
});
