/**
 * Joins a network with its preprocessing: what picture size it takes, and the graph that starts at
 * picture bytes.
 */
import { isMeanImage, type Preprocess, perChannel } from "../data/preprocess.ts";
import { inputError, usageError } from "../error.ts";
import { describe, type Graph } from "../ir/graph.ts";
import { attachPreprocessing, type PixelScaling, pixelScaling } from "../passes/preprocess.ts";
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

export type PictureSize = {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
};

/** The picture that a network takes. Throws unless it has one image input. */
export function pictureSize(graph: Graph): PictureSize {
  const inputs = graph.nodes.filter((node) => node.op === "input");
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw inputError("needs a network with one image input", {
      got: inputs.map((node) => describe(node)).join(", ") || "none",
    });
  }
  const [, channels, height, width] = asNchw(input.attrs.shape, describe(input));
  return { channels, height, width };
}

/** The graph that takes picture bytes [n, h, w, c] and does the arithmetic of preprocessing itself. */
export function withPictureInput(graph: Graph, preprocess: Preprocess): Graph {
  return attachPreprocessing(graph, scalingOf(preprocess, pictureSize(graph)));
}

function scalingOf(preprocess: Preprocess, size: PictureSize): PixelScaling {
  const std = perChannel("--std", preprocess.std, size.channels);
  if (!isMeanImage(preprocess.mean)) {
    const mean = perChannel("--mean", preprocess.mean, size.channels);
    return pixelScaling(mean, preprocess.scale, std);
  }
  const { multiplier } = pixelScaling([0], preprocess.scale, std);
  return { mean: croppedMean(preprocess.mean, size), multiplier };
}

/** The mean image, cut to the network's input at the centre, as Caffe's centre crop does. */
function croppedMean(
  mean: Extract<Preprocess["mean"], { shape: unknown }>,
  { channels, height, width }: PictureSize,
): Tensor<"float32"> {
  const [c, h, w] = mean.shape;
  if (c !== channels || h < height || w < width) {
    throw usageError("the mean image does not fit the network's input", {
      where: mean.file,
      expected: `${channels} channels and at least ${width}x${height}`,
      got: `${c} channels of ${w}x${h}`,
    });
  }
  const [top, left] = [Math.floor((h - height) / 2), Math.floor((w - width) / 2)];
  const values = new Float32Array(channels * height * width);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let row = 0; row < height; row += 1) {
      const from = (channel * h + top + row) * w + left;
      const to = (channel * height + row) * width;
      for (let column = 0; column < width; column += 1) {
        values[to + column] = mean.values[from + column]!;
      }
    }
  }
  return float32([channels, height, width], values);
}
