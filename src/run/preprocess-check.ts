/**
 * Catches the mistakes that users make with preprocessing: the wrong channel order, a missing mean, a wrong
 * scale. Runs a few pictures and warns; it stops no job and changes nothing.
 */
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import type { OnWarning } from "../notice.ts";
import {
  type CheckedNetwork,
  chooseSamples,
  readPictures,
  type Scene,
  samePictures,
} from "./checked-pictures.ts";
import { clippedRange, compareStatistics } from "./first-layer-check.ts";
import { compareOrders } from "./order-check.ts";
import { pictureSize } from "./prepare.ts";
import type { PictureBytes } from "./preprocess-statistics.ts";

/** Fewer pictures tell nothing about a distribution. */
const fewest = 8;

/**
 * Warns where pictures and preprocessing do not look like what the network was trained with:
 *
 * - `pictures-same`: the pictures are single-coloured, or all the same.
 * - `preprocessing-statistics`: the first convolution's output is far from what the batch norm behind it saw in
 *   training. Needs a batch norm that the file has not folded; tells a missing mean and a wrong scale.
 * - `preprocessing-range`: a first layer that is clipped (ReLU6) gets values many times the clip; or a classifier
 *   says nearly the same of every picture, as it does where its input is far too small.
 * - `output-not-finite`: a classifier gives NaN.
 * - `channel-order`: the other order fits the batch norm clearly better, or makes a classifier clearly more
 *   certain (paired t of the entropies, no labels needed). Grey pictures tell nothing; a network that hardly looks at
 *   colours, or pictures of a kind that it does not know, may pass with the wrong order.
 *
 * Without batch norm, clip or softmax nothing is known of what the network wants, and nothing is said. Looks at 16
 * pictures (64 of at most 128x128) spread over the set, at four times as many where the order is in doubt; under 8
 * pictures it tells only whether they are the same. Meant for networks that classify or detect on one picture.
 */
export async function checkPreprocessing(
  network: CheckedNetwork,
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  onWarning: OnWarning,
): Promise<void> {
  const { channels } = pictureSize(network.float);
  if (channels !== 1 && channels !== 3) return;
  const [first, second] = chooseSamples(network.float, dataset);
  const pictures = await readPictures(network.float, dataset, first, preprocess);
  const scene: Scene = { network, pictures, preprocess, channels, runtime, source: dataset.source };
  const same = samePictures(scene);
  if (same !== undefined) onWarning(same);
  if (same !== undefined || first.length < fewest) return;
  const fit = await compareStatistics(scene);
  const range = fit?.warning ?? (await clippedRange(scene));
  if (range !== undefined) {
    onWarning(range);
    return;
  }
  const more = (): Promise<PictureBytes> =>
    readPictures(network.float, dataset, second, preprocess);
  const warning = await compareOrders(scene, fit, more);
  if (warning !== undefined) onWarning(warning);
}
