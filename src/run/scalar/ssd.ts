/**
 * SSD's host operators as kernels. Their arithmetic is float32 at any precision (run/host).
 */
import type { Node } from "../../ir/ops.ts";
import { priorBox as defaultBoxes } from "../../ir/prior-box.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { detectionOutput as detect } from "../host/detection-output.ts";
import { input, type Kernel, type Run, reals, realTensor } from "./kernel.ts";

export const priorBox: Kernel<"priorBox"> = (node, inputs, run) => {
  const [feature, image] = [input(node, inputs, 0), input(node, inputs, 1)];
  return stored(run, defaultBoxes(node.attrs, feature.shape, image.shape));
};

export const detectionOutput: Kernel<"detectionOutput"> = (node, inputs, run) => {
  const [locations, confidences, priors] = [0, 1, 2].map((at) => singles(node, inputs, at));
  return stored(run, detect(node.attrs, locations!, confidences!, priors!));
};

/** Input `index` as float32. */
function singles(node: Node, inputs: readonly Tensor[], index: number): Tensor<"float32"> {
  const values = reals(node, inputs, index);
  const { shape } = input(node, inputs, index);
  return float32(shape, values instanceof Float32Array ? values : new Float32Array(values));
}

function stored(run: Run, { shape, data }: Tensor<"float32">): Tensor {
  return realTensor(run, new Float64Array(data), shape);
}
