/**
 * The mean picture of a data set, as Caffe's compute_image_mean has it. `mean.ts` reads such files.
 */
import { caffeBlobSchema } from "../protobuf/caffe-blob.ts";
import { encode } from "../protobuf/encode.ts";
import { planesOf } from "./datum-write.ts";
import type { Image } from "./image.ts";

export type MeanSum = {
  readonly add: (picture: Image) => void;
  /** A binaryproto: float32 planes, blue, green, red or gray. At least one picture must have been added. */
  readonly file: () => Uint8Array;
  /** Mean of each plane, in the same order. */
  readonly perChannel: () => readonly number[];
};

/**
 * Sums of pictures of one size. They are exact; Caffe's own are float32, and so the same until a pixel's sum passes 2^24: 65,793 white
 * pictures.
 */
export function meanSum({ channels, height, width }: Omit<Image, "data">): MeanSum {
  const area = height * width;
  const sums = new Float64Array(channels * area);
  let count = 0;
  const add = (picture: Image): void => {
    const planes = planesOf(picture);
    for (let at = 0; at < sums.length; at++) sums[at]! += planes[at]!;
    count += 1;
  };
  const file = (): Uint8Array => {
    const data = Float32Array.from(sums, (sum) => sum / count);
    return encode(caffeBlobSchema, "BlobProto", { num: 1, channels, height, width, data });
  };
  const perChannel = (): readonly number[] =>
    Array.from({ length: channels }, (_, c) => {
      const plane = sums.subarray(c * area, (c + 1) * area);
      return plane.reduce((sum, value) => sum + value, 0) / (count * area);
    });
  return { add, file, perChannel };
}
