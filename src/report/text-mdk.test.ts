import { describe, expect, it } from "vitest";
import { sampleCalibrateQuantRelu, sampleRefineNetwork } from "../../test/mdk-sample.ts";
import { renderText } from "./text.ts";

describe("text of the kit's commands", () => {
  it("calibrate-quant-relu", () => {
    expect(renderText(sampleCalibrateQuantRelu())).toBe(
      `net_train.prototxt  640 images in 20 batches of train_lmdb, percentile 0.999

layer  watched  values  value   cap
relu1  relu1    2.62 M   3.75  3.75
relu2  relu2     655 k    5.5  6.25

A cap that differs from its value is shared: a shortcut joins the layers.

Written
  QuantRelu/net_train_quantRelu.prototxt
  ReLUAlpha.log

Warnings
  only 600 of 640 pictures are there
`,
    );
  });

  it("refine-network", () => {
    expect(renderText(sampleRefineNetwork())).toBe(
      `net_quantRelu.prototxt  input level 0.0625, means 13, 14.625, 15.375; 5-bit activations, 10 in the last

layer  activation  alpha     gain W    gain B  max W  max B  cap
conv1  relu1        3.75  0.5166667  8.266667   0.25      2   31

scale factor 0.1209677: the host multiplies the chip's output by it

Steps
  merge-batch-norm: done; changes values by 2e-7 at relu2 (allowed: 0.001)
  merge-input-mean: nothing to do
  edit-gain: done, not compared

Removed layers
  bn1, scale1

Added layers
  fc_unit

Written
  Refined/net_quantRelu_refined.prototxt
  RefineNet.log
`,
    );
  });
});
