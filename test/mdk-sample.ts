/**
 * Made-up reports of the two commands that stand for the GTI kit's training scripts.
 */
import type { CalibrateQuantReluReport, RefineNetworkReport } from "../src/report/mdk.ts";

export function sampleCalibrateQuantRelu(): CalibrateQuantReluReport {
  return {
    schema: "inlay.calibrate-quant-relu/1",
    prototxt: "net_train.prototxt",
    caffemodel: "net.caffemodel",
    images: "train_lmdb",
    samples: 640,
    batches: 20,
    percentile: 0.999,
    likeMdk: false,
    layers: [
      { layer: "relu1", watched: "relu1", count: 2_621_440, value: 3.75, cap: 3.75 },
      { layer: "relu2", watched: "relu2", count: 655_360, value: 5.5, cap: 6.25 },
    ],
    files: ["QuantRelu/net_train_quantRelu.prototxt", "ReLUAlpha.log"],
    warnings: [{ id: "few-pictures", message: "only 600 of 640 pictures are there", where: null }],
  };
}

export function sampleRefineNetwork(): RefineNetworkReport {
  return {
    schema: "inlay.refine-network/1",
    prototxt: "net_quantRelu.prototxt",
    caffemodel: "net.caffemodel",
    inputScale: 0.0625,
    imageMeans: [13, 14.625, 15.375],
    actBits: 5,
    lastLayer10bit: true,
    likeMdk: false,
    steps: [
      { name: "merge-batch-norm", done: true, error: 2e-7, layer: "relu2", allowed: 0.001 },
      { name: "merge-input-mean", done: false, error: null, layer: null, allowed: 0.001 },
      { name: "edit-gain", done: true, error: null, layer: null, allowed: 0.001 },
    ],
    layers: [
      {
        ...{ convolution: "conv1", activation: "relu1", alpha: 3.75, chipCap: 31 },
        ...{ gainWeights: 0.5166667, gainBias: 8.266667, maxWeight: 0.25, maxBias: 2 },
      },
    ],
    scaleFactor: 0.1209677,
    removedLayers: ["bn1", "scale1"],
    addedLayers: ["fc_unit"],
    files: ["Refined/net_quantRelu_refined.prototxt", "RefineNet.log"],
    warnings: [],
  };
}
