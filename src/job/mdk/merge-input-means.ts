/**
 * The pictures' mean, merged into the convolutions that read them.
 */
import { mergeInputMean } from "../../chips/gti/mdk/merge-input-mean.ts";
import { inputError, usageError } from "../../error.ts";
import { setting } from "../../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../../notice.ts";
import { kernelEdit, kernelOf } from "./convolution-blobs.ts";
import { structureOf } from "./structure.ts";
import { edited, labelOf, type TrainNet, testLayers } from "./train-net.ts";

export type MeanOptions = {
  /** The network was trained on `(x - mean) * scale`. */
  readonly scale: number;
  readonly means: readonly number[];
  /** A number of means that does not fit is a warning, and nothing is done. */
  readonly likeMdk: boolean;
  readonly onWarning: OnWarning;
};

/**
 * The network that takes pictures without their mean taken off; undefined where there is nothing to do. One
 * mean serves all channels. Throws a usage error where means and channels differ in number.
 */
export function mergeInputMeans(trainNet: TrainNet, options: MeanOptions): TrainNet | undefined {
  const { means, scale, likeMdk } = options;
  if (means.every((mean) => mean === 0)) return undefined;
  const first = structureOf(testLayers(trainNet)).convs.filter(({ input }) => input.data);
  if (first.length === 0) {
    throw inputError("no QuantConvolution reads the pictures", { where: trainNet.files.prototxt });
  }
  const edits = new Map<(typeof first)[number]["layer"], ReturnType<typeof kernelEdit>>();
  for (const { layer } of first) {
    const kernel = kernelOf(trainNet, layer);
    const groups = setting("ConvolutionParameter", layer.convolution_param, "group");
    const channels = (kernel.weightShape[1] ?? 0) * groups;
    if (means.length !== channels && (likeMdk || means.length !== 1)) {
      if (!likeMdk) throw wrongCount(labelOf(layer), channels, means.length);
      const message = `${means.length} means for ${channels} input channels: no mean is merged`;
      options.onWarning({ id: "mean-count", message, where: labelOf(layer) });
      return undefined;
    }
    const spread = means.length === 1 ? new Array<number>(channels).fill(means[0] ?? 0) : means;
    const merged = mergeInputMean(kernel, { scale, means: spread, groups }, labelOf(layer));
    edits.set(layer, kernelEdit(kernel, merged));
  }
  return edited(trainNet, edits);
}

function wrongCount(node: string, channels: number, got: number): Error {
  return usageError("the image means must be one, or one per input channel", {
    node,
    expected: `1 or ${channels}`,
    got: `${got}`,
  });
}
