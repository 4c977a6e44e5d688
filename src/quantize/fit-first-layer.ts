/**
 * Fits a network's first convolution to the coarse pictures that a chip sees: of 8 grey levels one is left, which is
 * noise, and sharp filters amplify it. Each output's weights are changed as little as repairs most of its error
 * (ridge regression), on the pixels where the float activation is neither 0 nor at its cap.
 */
import { reduceBits } from "../fixed/reduce-bits.ts";
import type { ConvAttrs } from "../ir/ops.ts";
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { NormalEquations } from "./ridge.ts";
import type { Place } from "./sampled-sums.ts";

export type FirstLayer = {
  /** [out, in, kh, kw] and [out], in units in which the activation's cap is `cap`. */
  readonly weight: Tensor<"float32">;
  readonly bias: Float32Array;
  readonly cap: number;
  readonly attrs: ConvAttrs;
  /** Bits of a picture before and after the chip has reduced them. */
  readonly bits: { readonly from: number; readonly to: number };
};

export type FittedLayer = {
  readonly weight: Tensor<"float32">;
  readonly bias: Float32Array;
  /** Mean squared error of the counted sums in pictures that were not fitted: with an offset alone, and fitted. */
  readonly before: number;
  readonly after: number;
};

/** Ridges tried; the last changes next to nothing. */
const ridges: readonly number[] = [1e-4, 1e-3, 1e-2, 1e-1, 1e6];
/** Every fourth picture judges. */
const judging = 4;

/**
 * The layer with fitted parameters. `planes` are the pictures' pixels [1, c, h, w], `wanted` the float network's sums at
 * the place's pixels `[pixels, out]`, in the layer's units. Outputs with too few pixels to count keep their weights.
 */
export function fitFirstLayer(
  layer: FirstLayer,
  planes: readonly Tensor<"uint8">[],
  wanted: readonly Float32Array[],
  place: Place,
): FittedLayer {
  const [outputs, channels, kh, kw] = asNchw(layer.weight.shape);
  const features = channels * kh * kw;
  const patches = planes.map((plane, picture) => patchesOf(layer, plane, place, picture));
  const weight = layer.weight.data.slice();
  const bias = layer.bias.slice();
  const sums = { before: 0, after: 0 };
  for (let output = 0; output < outputs; output += 1) {
    const change = fitOutput(layer, output, features, patches, wanted);
    sums.before += change.before / outputs;
    sums.after += change.after / outputs;
    for (let at = 0; at < features; at += 1) {
      weight[output * features + at] = (weight[output * features + at] ?? 0) + (change.by[at] ?? 0);
    }
    bias[output] = (bias[output] ?? 0) + (change.by[features] ?? 0);
  }
  return { weight: float32(layer.weight.shape, weight), bias, ...sums };
}

/** Levels under the kernel at each pixel of a picture: `[pixels, features]`. */
function patchesOf(
  { weight, attrs, bits }: FirstLayer,
  plane: Tensor<"uint8">,
  { pixels, shape, step }: Place,
  picture: number,
): Float32Array {
  const [, channels, kh, kw] = asNchw(weight.shape);
  const [, , h, w] = asNchw(plane.shape);
  const [, , , width] = shape;
  const levels = Float32Array.from({ length: 2 ** bits.from }, (_, value) =>
    reduceBits(value, bits.from, bits.to),
  );
  const places = pixels[picture] ?? new Int32Array();
  const found = new Float32Array(places.length * channels * kh * kw);
  let to = 0;
  for (const pixel of places) {
    const top = Math.floor(pixel / width) * step * attrs.stride[0] - attrs.pads[0];
    const left = (pixel % width) * step * attrs.stride[1] - attrs.pads[1];
    for (let tap = 0; tap < channels * kh * kw; tap += 1) {
      const row = top + (Math.floor(tap / kw) % kh) * attrs.dilation[0];
      const column = left + (tap % kw) * attrs.dilation[1];
      const inside = row >= 0 && row < h && column >= 0 && column < w;
      const at = (Math.floor(tap / (kh * kw)) * h + row) * w + column;
      found[to] = inside ? (levels[plane.data[at] ?? 0] ?? 0) : 0;
      to += 1;
    }
  }
  return found;
}

type Change = { readonly by: Float64Array; readonly before: number; readonly after: number };

function fitOutput(
  layer: FirstLayer,
  output: number,
  features: number,
  patches: readonly Float32Array[],
  wanted: readonly Float32Array[],
): Change {
  const equations = new NormalEquations(features);
  const outputs = layer.bias.length;
  const visit = (
    judged: boolean,
    use: (x: Float32Array, start: number, residual: number) => void,
  ): void => {
    for (const [picture, x] of patches.entries()) {
      if ((picture % judging === 0) !== judged) continue;
      const sums = wanted[picture] ?? new Float32Array();
      for (let at = 0; at < sums.length / outputs; at += 1) {
        const sum = sums[at * outputs + output] ?? 0;
        if (sum <= 0 || sum >= layer.cap) continue;
        use(x, at * features, sum - sumOf(layer, output, features, x, at * features));
      }
    }
  };
  visit(false, (x, start, residual) => equations.add(x, start, residual));
  if (equations.count < 8 * features) return { by: new Float64Array(), before: 0, after: 0 };
  const candidates = ridges.map((ridge) => ({ by: equations.solve(ridge), error: 0, count: 0 }));
  visit(true, (x, start, residual) => {
    for (const one of candidates) {
      let left = residual - (one.by[features] ?? 0);
      for (let at = 0; at < features; at += 1) left -= (one.by[at] ?? 0) * (x[start + at] ?? 0);
      one.error += left * left;
      one.count += 1;
    }
  });
  const errors = candidates.map(({ error, count }) => error / Math.max(1, count));
  const least = errors.indexOf(Math.min(...errors));
  return {
    by: candidates[least]?.by ?? new Float64Array(),
    before: errors.at(-1) ?? 0,
    after: errors[least] ?? 0,
  };
}

function sumOf(
  { weight, bias }: FirstLayer,
  output: number,
  features: number,
  x: Float32Array,
  start: number,
): number {
  let sum = bias[output] ?? 0;
  for (let at = 0; at < features; at += 1) {
    sum += (weight.data[output * features + at] ?? 0) * (x[start + at] ?? 0);
  }
  return sum;
}
