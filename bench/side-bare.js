/**
 * Bare float inference through onnxruntime-node over the same pictures, decoded by the same
 * pipeline: what calibration is compared with. The model is a file; nothing of Inlay runs but the decoding.
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { batches } from "../dist/data/batch.js";
import { openDataset } from "../dist/data/open.node.js";
import { network, pictureList } from "./networks.js";

/** `{ name, model, limit }` -> seconds of the loop, session creation excluded. */
export async function bareInference({ name, model, limit }) {
  const { preprocess } = network(name);
  const dataset = await openDataset(pictureList(), { limit, seed: 1 });
  const session = await InferenceSession.create(model);
  const [input] = session.inputNames;
  const [, height, width, channels] = session.inputMetadata[0].shape;
  const size = { height, width, channels };
  const started = performance.now();
  let images = 0;
  for await (const batch of batches(dataset, preprocess, size, { batch: 1, readAhead: 2 })) {
    const { shape, data } = batch.images;
    await session.run({ [input]: new Tensor("uint8", data, shape) });
    images += batch.names.length;
  }
  return { seconds: (performance.now() - started) / 1000, images };
}
