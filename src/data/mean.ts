/**
 * Mean images as Caffe's compute_image_mean writes them (a BlobProto, `binaryproto`), and their crop.
 */
import { inputError } from "../error.ts";
import { caffeBlobSchema } from "../protobuf/caffe-blob.ts";
import { decode } from "../protobuf/decode.ts";
import type { MeanImage } from "./preprocess.ts";

/** Most values that a mean image may have: 3 channels of 8192 x 8192 would be damage. */
const maxValues = 2 ** 24;

/** The mean image `[c, h, w]` of a binaryproto, in the order of the file's channels. Values must be finite. */
export function parseMean(bytes: Uint8Array, name: string): MeanImage {
  const blob = decode(caffeBlobSchema, "BlobProto", bytes, { file: name });
  const dims = blob.shape === undefined ? oldShape(blob) : blob.shape.dim;
  const [w, h, c, ...outer] = dims.toReversed();
  const values = blob.data.length > 0 ? blob.data : blob.double_data;
  const isCounted =
    dims.every((dim) => dim >= 1 && dim <= maxValues) && outer.every((dim) => dim === 1);
  if (
    w === undefined ||
    h === undefined ||
    c === undefined ||
    !isCounted ||
    c * h * w > maxValues
  ) {
    throw inputError("not a mean image", {
      where: name,
      expected: "a BlobProto of shape 1 x channels x height x width",
      got: dims.join("x") || "no shape",
    });
  }
  if (values.length !== c * h * w) {
    throw inputError("the mean image's values do not fit its shape", {
      where: name,
      expected: `${c}x${h}x${w} = ${c * h * w} values`,
      got: `${values.length}`,
    });
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw inputError("the mean image holds a value that is no number", {
      where: name,
      got: `${values[bad]}`,
    });
  return { file: name, shape: [c, h, w], values: Array.from(values) };
}

function oldShape(blob: {
  readonly num?: number | undefined;
  readonly channels?: number | undefined;
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}): readonly number[] {
  return [blob.num ?? 1, blob.channels ?? 0, blob.height ?? 0, blob.width ?? 0];
}

/**
 * The centre `height` x `width` of the mean image, at floor((size - crop) / 2): the place that Caffe's
 * crop takes from the picture. A mean image that is smaller, or has other channels, is an input error.
 */
export function cropMean(
  mean: MeanImage,
  input: { readonly channels: number; readonly height: number; readonly width: number },
): MeanImage {
  const [c, h, w] = mean.shape;
  const { channels, height, width } = input;
  if (c !== channels || h < height || w < width) {
    throw inputError("the mean image does not fit the network's input", {
      where: mean.file,
      expected: `${channels} channels, at least ${width}x${height}`,
      got: `${c} channels, ${w}x${h}`,
    });
  }
  if (h === height && w === width) return mean;
  const top = Math.floor((h - height) / 2);
  const left = Math.floor((w - width) / 2);
  const values: number[] = [];
  for (let row = 0; row < c * height; row++) {
    const from = (Math.floor(row / height) * h + top + (row % height)) * w + left;
    for (let x = 0; x < width; x++) values.push(mean.values[from + x]!);
  }
  return { file: mean.file, shape: [c, height, width], values };
}
