/**
 * What one level of the chip's input stands for. The refining script counts levels 0..31, the data layer grey levels 0..255.
 */
import { isMeanImage, type Preprocess } from "../../data/preprocess.ts";
import { usageError } from "../../error.ts";
import { dataTypes } from "../../formats/caffe/deploy.ts";
import { caffeSchema } from "../../formats/caffe/schema/schema.ts";
import { create } from "../../protobuf/create.ts";
import { mapLayers, type TrainNet } from "./train-net.ts";

export type InputUnit = {
  /** Real size of one level. */
  readonly scale: number;
  /** In levels; one, or one per channel. */
  readonly means: readonly number[];
};

/** Grey levels in a level of the chip's input: 8 bits become 5. */
export const greyPerLevel = 8;

/** As the scripts' options are, where they are given. */
export type InputFlags = {
  readonly inputScale?: number | undefined;
  readonly imageMeans?: readonly number[] | undefined;
};

/**
 * The unit by the flags, else by the data layer: with `quant_enable` a level is 1, else 8 grey levels. Like the kit
 * the flags alone tell: 1, and no means.
 *
 * `(x - 104) / 255` in the data layer: scale 8 / 255, mean 13.
 */
export function inputUnit(
  preprocess: Preprocess,
  isQuantized: boolean,
  flags: InputFlags,
  likeMdk: boolean,
): InputUnit {
  const { inputScale, imageMeans } = flags;
  const grey = likeMdk || isQuantized ? 1 : greyPerLevel;
  const scale = inputScale ?? (likeMdk ? 1 : preprocess.scale * grey);
  if (!(scale > 0 && scale < Infinity)) {
    throw usageError("--input-scale must be above 0", { got: `${scale}` });
  }
  const means = imageMeans ?? (likeMdk ? [] : meansOf(preprocess).map((mean) => mean / grey));
  return { scale, means };
}

function meansOf({ mean }: Preprocess): readonly number[] {
  if (!isMeanImage(mean)) return mean;
  throw usageError("a mean image cannot be merged into a bias", {
    where: mean.file,
    hint: "Give a mean per channel: --image-means, counted in levels 0..31 (an eighth of the grey levels)",
  });
}

/** The network whose data layers give levels 0..31 themselves: `quant_enable`, without mean and scale. */
export function withLevelInput(trainNet: TrainNet): TrainNet {
  return mapLayers(trainNet, (layer) => {
    if (!dataTypes.has(layer.type ?? "")) return layer;
    const before = layer.transform_param ?? create(caffeSchema, "TransformationParameter", {});
    const { scale: _, mean_file: __, ...kept } = before;
    return { ...layer, transform_param: { ...kept, mean_value: [], quant_enable: true } };
  });
}
