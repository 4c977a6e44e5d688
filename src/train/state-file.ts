/**
 * A run's state in one file: a caffemodel with one layer for each value (named by its key, `conv1/0` or `conv1/0#0`)
 * and one for the number of iterations. Written and read bit for bit.
 */
import { inputError } from "../error.ts";
import { readCaffemodel, writeCaffemodel } from "../formats/caffe/files.ts";
import { blobTensor } from "../formats/caffe/weights.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { RunState } from "./trainer.ts";

const netName = "inlay training state 1";
const iterationName = "iteration";

/** The file's bytes. */
export function encodeState(state: RunState): Uint8Array {
  const layer = [...state.values].map(([name, { shape, data }]) => ({
    name,
    blobs: [{ shape: { dim: shape }, data }],
  }));
  const count = Float64Array.of(state.iteration);
  return writeCaffemodel({
    name: netName,
    layer: [
      { name: iterationName, blobs: [{ shape: { dim: [1] }, double_data: count }] },
      ...layer,
    ],
  });
}

/** The state of a file. Throws an input error where it is none, or is damaged. */
export function decodeState(file: { readonly name: string; readonly bytes: Uint8Array }): RunState {
  const net = readCaffemodel(file);
  const [first, ...layers] = net.layer;
  const [iteration] = first?.blobs[0]?.double_data ?? [];
  if (net.name !== netName || first?.name !== iterationName || iteration === undefined) {
    throw inputError("the file is no training state", {
      where: file.name,
      expected: `a file that says "${netName}"`,
      got: `"${net.name ?? ""}"`,
    });
  }
  const values = layers.map(({ name = "", blobs: [blob] }): [string, Tensor<"float32">] => {
    if (blob !== undefined) return [name, blobTensor(blob, `value "${name}"`)];
    throw inputError("a value of the training state is missing", { where: file.name, node: name });
  });
  return { iteration, values: new Map(values) };
}
