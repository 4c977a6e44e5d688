/**
 * Random small cases, one generator per operator: what the comparison of lowered graphs with the
 * scalar definition draws from. Values come from a seeded normal stream; fast-check draws the
 * geometry, so that a failure shrinks to the smallest shape.
 */
import fc from "fast-check";
import type { Op, PoolAttrs } from "../src/ir/ops.ts";
import { createRandom } from "../src/tensor/random.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";

export type Case = fc.Arbitrary<SmallGraph>;
const int = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const seeds = int(0, 2 ** 31 - 1);
const pair = (min: number, max: number): fc.Arbitrary<readonly [number, number]> =>
  fc.tuple(int(min, max), int(min, max));

/** A seeded normal tensor, times `spread` plus `offset`. */
export function normals(seed: number, shape: Shape, spread = 1, offset = 0): Tensor<"float32"> {
  const random = createRandom(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return float32(
    shape,
    Float32Array.from({ length: count }, () => offset + spread * random.normal()),
  );
}

/** The values pushed away from 0 to magnitudes of at least 0.5: divisors, arguments of log. */
export function awayFromZero(x: Tensor<"float32">, positive = false): Tensor<"float32"> {
  return float32(
    x.shape,
    x.data.map((value) => (Math.abs(value) + 0.5) * (positive || value >= 0 ? 1 : -1)),
  );
}

export const images: fc.Arbitrary<Image> = fc.record({
  n: int(1, 2),
  c: int(1, 5),
  h: int(1, 9),
  w: int(1, 9),
  seed: seeds,
});
type Image = { n: number; c: number; h: number; w: number; seed: number };
const imageOf = ({ n, c, h, w, seed }: Image): Tensor<"float32"> => normals(seed, [n, c, h, w]);

const extent = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/** Convolution geometry whose kernel fits the padded image. */
const convCase = fc
  .record({
    image: images,
    kernel: pair(1, 4),
    stride: pair(1, 3),
    dilation: pair(1, 2),
    leading: pair(0, 2),
    trailing: pair(0, 2),
    groups: int(1, 3),
    inChannels: int(1, 3),
    outChannels: int(1, 3),
    bias: fc.boolean(),
  })
  .filter(({ image, kernel, dilation, leading, trailing }) =>
    [image.h, image.w].every(
      (size, axis) =>
        size + leading[axis]! + trailing[axis]! >= extent(kernel[axis]!, dilation[axis]!),
    ),
  );

export const convCases: Case = convCase.map((drawn) => {
  const { image, kernel, stride, dilation, leading, trailing, groups } = drawn;
  const out = groups * drawn.outChannels;
  const x = imageOf({ ...image, c: groups * drawn.inChannels });
  const weight = normals(image.seed + 1, [out, drawn.inChannels, ...kernel]);
  const bias = drawn.bias ? [normals(image.seed + 2, [out])] : [];
  const attrs = { stride, dilation, groups, pads: [...leading, ...trailing] as const };
  return smallGraph("conv", attrs, [x], [weight, ...bias]);
});

/** Transposed: pads small enough to leave an output. */
export const deconvCases: Case = fc
  .record({
    image: images,
    kernel: pair(1, 4),
    stride: pair(1, 3),
    dilation: pair(1, 2),
    pads: fc.tuple(int(0, 1), int(0, 1), int(0, 1), int(0, 1)),
    outputPads: pair(0, 2),
    groups: int(1, 3),
    inChannels: int(1, 3),
    outChannels: int(1, 3),
    bias: fc.boolean(),
  })
  .filter(({ image, kernel, stride, dilation, pads, outputPads }) =>
    [image.h, image.w].every((size, axis) => {
      const full = stride[axis]! * (size - 1) + extent(kernel[axis]!, dilation[axis]!);
      const fits = full - pads[axis]! - pads[axis + 2]! >= 1;
      // ONNX Runtime's own limit.
      return fits && outputPads[axis]! < stride[axis]!;
    }),
  )
  .map((drawn) => {
    const { image, kernel, stride, dilation, pads, outputPads, groups } = drawn;
    const channels = groups * drawn.inChannels;
    const weight = normals(image.seed + 1, [channels, drawn.outChannels, ...kernel]);
    const bias = drawn.bias ? [normals(image.seed + 2, [groups * drawn.outChannels])] : [];
    const attrs = { stride, dilation, pads, outputPads, groups };
    return smallGraph("deconv", attrs, [imageOf({ ...image, c: channels })], [weight, ...bias]);
  });

/** Pooling geometry as Caffe and ONNX allow it: pads smaller than the kernel, windows that fit. */
const poolCase = fc
  .record({
    image: images,
    kernel: pair(1, 4),
    stride: pair(1, 3),
    dilation: fc.oneof(fc.constant([1, 1] as const), pair(1, 2)),
    leading: pair(0, 2),
    trailing: pair(0, 2),
    ceil: fc.boolean(),
  })
  .map((drawn) => {
    const bound = (pads: readonly [number, number]): readonly [number, number] => [
      Math.min(pads[0], drawn.kernel[0] - 1),
      Math.min(pads[1], drawn.kernel[1] - 1),
    ];
    return { ...drawn, leading: bound(drawn.leading), trailing: bound(drawn.trailing) };
  })
  .filter(({ image, kernel, dilation, leading, trailing }) =>
    [image.h, image.w].every(
      (size, axis) =>
        size + leading[axis]! + trailing[axis]! >= extent(kernel[axis]!, dilation[axis]!),
    ),
  )
  .map(({ image, leading, trailing, kernel, stride, dilation, ceil }) => {
    const attrs: PoolAttrs = {
      kernel,
      stride,
      dilation,
      ceil,
      pads: [...leading, ...trailing],
    };
    return { image, attrs };
  });

const unary = (make: (x: Tensor<"float32">) => SmallGraph): Case =>
  images.map((image) => make(imageOf(image)));

const linearCases: Case = fc
  .record({ n: int(1, 4), k: int(1, 40), m: int(1, 8), bias: fc.boolean(), seed: seeds })
  .map(({ n, k, m, bias, seed }) => {
    const constants = [normals(seed + 1, [m, k]), ...(bias ? [normals(seed + 2, [m])] : [])];
    return smallGraph("linear", {}, [normals(seed, [n, k])], constants);
  });

/** Shapes that broadcast: any axis of either side may be 1, leading axes may be missing. */
const broadcastPairs = fc
  .record({
    shape: fc.array(int(1, 4), { minLength: 1, maxLength: 4 }),
    ones: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    drop: int(0, 3),
    seed: seeds,
  })
  .map(({ shape, ones, drop, seed }): readonly [Tensor<"float32">, Tensor<"float32">] => {
    const other = shape
      .map((dim, axis) => (ones[axis] ? 1 : dim))
      .slice(Math.min(drop, shape.length - 1));
    return [normals(seed, shape), normals(seed + 1, other)];
  });

const axisCase = images.chain((image) =>
  int(-4, 3).map((axis) => ({ image, axis, x: imageOf(image) })),
);

const scaleLike = fc
  .record({ image: images, axis: int(0, 3), rank: int(0, 4), both: fc.boolean() })
  .map(({ image, axis, rank, both }) => {
    const x = imageOf(image);
    const own = x.shape.slice(axis, axis + rank);
    return { x, axis, own, both, seed: image.seed };
  });

/** One generator for each operator that ONNX can express. */
export const smallCases: { readonly [O in Op]?: Case } = {
  conv: convCases,
  deconv: deconvCases,
  linear: linearCases,
  maxPool: poolCase.map(({ image, attrs }) => smallGraph("maxPool", attrs, [imageOf(image)])),
  avgPool: fc
    .tuple(poolCase, fc.boolean())
    .map(([{ image, attrs }, countPad]) =>
      smallGraph("avgPool", { ...attrs, countPad }, [imageOf(image)]),
    ),
  stochasticPool: poolCase.map(({ image, attrs }) => {
    const x = imageOf(image);
    // Eighths add up exactly, so that both sides see the same sums at and below 0.
    const eighths = x.data.map((value) => Math.round(8 * value) / 8);
    return smallGraph("stochasticPool", attrs, [float32(x.shape, eighths)]);
  }),
  globalAvgPool: unary((x) => smallGraph("globalAvgPool", {}, [x])),
  globalMaxPool: unary((x) => smallGraph("globalMaxPool", {}, [x])),
  relu: fc
    .tuple(images, fc.constantFrom(0, 0.1, 0.25))
    .map(([image, slope]) => smallGraph("relu", { slope }, [imageOf(image)])),
  clip: unary((x) => smallGraph("clip", { min: -0.5, max: 0.75 }, [x])),
  prelu: fc
    .tuple(images, fc.boolean())
    .map(([image, shared]) =>
      smallGraph("prelu", {}, [imageOf(image)], [normals(image.seed + 1, [shared ? 1 : image.c])]),
    ),
  elu: unary((x) => smallGraph("elu", { alpha: 0.5 }, [x])),
  sigmoid: unary((x) => smallGraph("sigmoid", {}, [x])),
  tanh: unary((x) => smallGraph("tanh", {}, [x])),
  abs: unary((x) => smallGraph("abs", {}, [x])),
  power: fc
    .tuple(images, fc.constantFrom(-1, 0.5, 1, 2, 3))
    .map(([image, power]) =>
      smallGraph("power", { power, scale: 0.5, shift: 0.25 }, [awayFromZero(imageOf(image), true)]),
    ),
  exp: fc
    .tuple(images, fc.constantFrom(-1, 2, 10))
    .map(([image, base]) => smallGraph("exp", { base, scale: 0.5, shift: 0.25 }, [imageOf(image)])),
  log: fc
    .tuple(images, fc.constantFrom(-1, 2, 10))
    .map(([image, base]) =>
      smallGraph("log", { base, scale: 2, shift: 0.25 }, [awayFromZero(imageOf(image), true)]),
    ),
  softmax: axisCase.map(({ x, axis }) => smallGraph("softmax", { axis }, [x])),
  batchNorm: fc.tuple(images, fc.boolean()).map(([image, affine]) => {
    const channel = (at: number): Tensor<"float32"> => normals(image.seed + at, [image.c]);
    const constants = [channel(1), awayFromZero(channel(2), true)];
    const all = affine ? [...constants, channel(3), channel(4)] : constants;
    return smallGraph("batchNorm", { epsilon: 1e-3 }, [imageOf(image)], all);
  }),
  scale: scaleLike.map(({ x, axis, own, both, seed }) => {
    const constants = [normals(seed + 1, own), ...(both ? [normals(seed + 2, own)] : [])];
    return smallGraph("scale", { axis }, [x], constants);
  }),
  bias: scaleLike.map(({ x, axis, own, seed }) =>
    smallGraph("bias", { axis }, [x], [normals(seed + 1, own)]),
  ),
  lrn: fc
    .tuple(
      images,
      fc.constantFrom(1, 3, 5),
      fc.constantFrom<"across" | "within">("across", "within"),
    )
    .map(([image, size, region]) =>
      smallGraph("lrn", { size, alpha: 0.5, beta: 0.75, k: 2, region }, [imageOf(image)]),
    ),
  normalize: fc.tuple(images, fc.boolean(), fc.boolean()).map(([image, acrossSpatial, shared]) => {
    const gains = normals(image.seed + 1, [shared ? 1 : image.c]);
    return smallGraph("normalize", { acrossSpatial, epsilon: 1e-10 }, [imageOf(image)], [gains]);
  }),
  add: fc.tuple(broadcastPairs, fc.boolean()).map(([[a, b], weighted]) => {
    const coefficients = { coefficients: [0.5, -2] };
    return smallGraph("add", weighted ? coefficients : {}, [a, b]);
  }),
  sub: broadcastPairs.map(([a, b]) => smallGraph("sub", {}, [a, b])),
  mul: broadcastPairs.map(([a, b]) => smallGraph("mul", {}, [a, b])),
  div: broadcastPairs.map(([a, b]) => smallGraph("div", {}, [a, awayFromZero(b)])),
  maximum: broadcastPairs.map(([a, b]) => smallGraph("maximum", {}, [a, b])),
  concat: axisCase.chain(({ x, axis, image }) =>
    int(1, 3).map((extra) => {
      const at = axis < 0 ? axis + 4 : axis;
      const other = normals(image.seed + 1, x.shape.with(at, extra));
      return smallGraph("concat", { axis }, [x, other]);
    }),
  ),
  slice: axisCase.chain(({ x, axis }) => {
    const dim = x.shape.at(axis) ?? 1;
    return fc
      .tuple(int(0, dim - 1), int(1, dim))
      .filter(([start, end]) => start < end)
      .map(([start, end]) => smallGraph("slice", { axis, start, end }, [x]));
  }),
  flatten: fc
    .tuple(images, int(0, 3), int(0, 3))
    .map(([image, a, b]) =>
      smallGraph("flatten", { axis: Math.min(a, b), endAxis: Math.max(a, b) - 4 }, [
        imageOf(image),
      ]),
    ),
  reshape: images.chain((image) =>
    fc
      .constantFrom<Shape>([0, -1], [0, 0, -1], [-1, image.w], [0, image.c, 1, -1])
      .map((shape) => smallGraph("reshape", { shape }, [imageOf(image)])),
  ),
  transpose: fc
    .tuple(images, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }))
    .map(([image, perm]) => smallGraph("transpose", { perm }, [imageOf(image)])),
  pad: fc
    .tuple(images, fc.tuple(int(0, 3), int(0, 3), int(0, 3), int(0, 3)), fc.constantFrom(0, -1.5))
    .map(([image, pads, value]) => smallGraph("pad", { pads, value }, [imageOf(image)])),
  resize: fc
    .record({
      image: images,
      mode: fc.constantFrom<"nearest" | "bilinear">("nearest", "bilinear"),
      alignCorners: fc.boolean(),
      size: fc.option(pair(1, 20), { nil: undefined }),
      factor: pair(1, 3),
    })
    .map(({ image, mode, alignCorners, size, factor }) => {
      const target = size === undefined ? { factor } : { size };
      const aligned = mode === "bilinear" && alignCorners;
      return smallGraph("resize", { mode, alignCorners: aligned, ...target }, [imageOf(image)]);
    }),
  argMax: images.chain((image) =>
    fc
      .record({
        axis: fc.option(int(0, 3), { nil: undefined }),
        topK: int(1, 4),
        outMaxVal: fc.boolean(),
      })
      .map(({ axis, topK, outMaxVal }) => {
        const x = imageOf(image);
        const dim = axis === undefined ? x.data.length / image.n : (x.shape[axis] ?? 1);
        const attrs = { topK: Math.min(topK, dim), outMaxVal };
        return smallGraph("argMax", axis === undefined ? attrs : { ...attrs, axis }, [x]);
      }),
  ),
  dropout: unary((x) => smallGraph("dropout", { ratio: 0.5 }, [x])),
  identity: unary((x) => smallGraph("identity", {}, [x])),
  imageToTensor: images.map(({ n, c, h, w, seed }) => {
    const random = createRandom(seed);
    const bytes = Uint8Array.from({ length: n * c * h * w }, () => random.below(256));
    return smallGraph("imageToTensor", {}, [tensor("uint8", [n, h, w, c], bytes)]);
  }),
  quantize: fc
    .record({ image: images, signed: fc.boolean(), perChannel: fc.boolean() })
    .map(({ image, signed, perChannel }) => {
      const count = perChannel ? image.c : 1;
      const shape = perChannel ? [count] : [];
      const random = createRandom(image.seed + 1);
      const scale = float32(
        shape,
        Float32Array.from({ length: count }, () => 0.01 + random.unit() / 20),
      );
      const zeros = Array.from({ length: count }, () => random.below(256) - (signed ? 128 : 0));
      const zeroPoint = signed
        ? tensor("int8", shape, Int8Array.from(zeros))
        : tensor("uint8", shape, Uint8Array.from(zeros));
      return smallGraph("quantize", { axis: 1 }, [imageOf(image)], [scale, zeroPoint]);
    }),
  dequantize: fc
    .record({ image: images, perChannel: fc.boolean() })
    .map(({ image: { n, c, h, w, seed }, perChannel }) => {
      const random = createRandom(seed);
      const bytes = Uint8Array.from({ length: n * c * h * w }, () => random.below(256));
      const shape = perChannel ? [c] : [];
      const count = perChannel ? c : 1;
      const scale = float32(
        shape,
        Float32Array.from({ length: count }, () => random.unit() / 20),
      );
      const zeros = Uint8Array.from({ length: count }, () => random.below(256));
      const constants = [scale, tensor("uint8", shape, zeros)];
      return smallGraph(
        "dequantize",
        { axis: 1 },
        [tensor("uint8", [n, c, h, w], bytes)],
        constants,
      );
    }),
};
