/**
 * The numbers of preprocessing: value = (pixel - mean) * scale / std in float32. `normalization` gives
 * them in the form that a graph takes; `normalize` is the definition that the graph is held against.
 */
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { cropMean } from "./mean.ts";
import { isMeanImage, type Preprocess, perChannel } from "./preprocess.ts";

export type Normalization = {
  /** `[1, c, 1, 1]` or, for a mean image, `[1, c, h, w]`. */
  readonly mean: Tensor<"float32">;
  readonly scale: number;
  /** `[1, c, 1, 1]`. */
  readonly std: Tensor<"float32">;
};

/** Mean, scale and deviation for a network input, spread over its channels; all are float32 values. */
export function normalization(
  preprocess: Preprocess,
  input: { readonly channels: number; readonly height: number; readonly width: number },
): Normalization {
  const { mean, scale, std } = preprocess;
  const { channels } = input;
  const spread = [1, channels, 1, 1];
  const cropped = isMeanImage(mean) ? cropMean(mean, input) : undefined;
  return {
    mean:
      cropped === undefined
        ? float32(spread, perChannel("--mean", isMeanImage(mean) ? [] : mean, channels))
        : float32([1, ...cropped.shape], cropped.values),
    scale: Math.fround(scale),
    std: float32(spread, perChannel("--std", std, channels)),
  };
}

/**
 * Pixels `[n, h, w, c]` to a network's input `[n, c, h, w]`. Each of the three steps is rounded to
 * float32, in the order subtract, multiply, divide. Pixel 255, mean 127.5, scale 1, std 127.5: 1.
 */
export function normalize(images: Tensor<"uint8">, preprocess: Preprocess): Tensor<"float32"> {
  const [n, h, w, c] = asNchw(images.shape);
  const { mean, scale, std } = normalization(preprocess, { channels: c, height: h, width: w });
  const area = h * w;
  const isImage = mean.data.length > c;
  const out = new Float32Array(n * c * area);
  for (let to = 0; to < out.length; to++) {
    const pixel = to % area;
    const channel = Math.floor(to / area) % c;
    const value = images.data[(Math.floor(to / (area * c)) * area + pixel) * c + channel]!;
    const centred = Math.fround(value - mean.data[isImage ? channel * area + pixel : channel]!);
    out[to] = Math.fround(centred * scale) / std.data[channel]!;
  }
  return float32([n, c, h, w], out);
}
