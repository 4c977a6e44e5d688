/**
 * Which inputs of each operator are learned: the blobs of its layer, in Caffe's order. Statistics of batch norms are not
 * learned.
 */
import type { Op } from "./ops.ts";

export const learnedInputs: { readonly [O in Op]?: readonly number[] } = {
  conv: [1, 2],
  deconv: [1, 2],
  linear: [1, 2],
  quantConv: [1, 2],
  scale: [1, 2],
  bias: [1],
  prelu: [1],
  quantRelu: [1],
  normalize: [1],
};
