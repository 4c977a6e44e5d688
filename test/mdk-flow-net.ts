/**
 * What the user of GTI's kit has before the first command: class folders of pictures, a training prototxt with LMDB data
 * layers, a solver for each step. And what he writes by hand before the last: the prototxt to deploy, labels, the chip's
 * network JSON.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePng } from "../src/data/png.node.ts";
import { drawDemoImage } from "../src/job/demo-images.ts";

/** Drawn figures, by label; their names are in alphabetical order, as those of class folders. */
export const classNames = ["disk", "ring", "square", "triangle"] as const;

/** The pictures drawn of each class. */
export const perClass = 75;

/** A folder with `pictures/CLASS/NNN.png`, 32x32. */
export function pictureFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "inlay-mdk-flow-"));
  for (const [label, name] of classNames.entries()) {
    const own = join(folder, "pictures", name);
    mkdirSync(own, { recursive: true });
    for (let at = 0; at < perClass; at += 1) {
      const { image } = drawDemoImage(3, 10 * at + label, 8);
      writeFileSync(join(own, `${String(at).padStart(3, "0")}.png`), encodePng(image));
    }
  }
  return folder;
}

/** Convolutions with batch norm, and a pooling behind all but the last; an inner product gives the classes. */
const channels = [16, 16, 32];

/** The training prototxt: maps of 28, 14 and 7, as the 2803 takes them. */
export function trainText(precision: string): string {
  const body = channels.map((count, at) => blockText(at, count, precision)).join("");
  return `name: "shapes"\n${dataText("TRAIN", 16, "mirror: true")}${dataText("TEST", 20, "")}${body}layer {
  name: "fc" type: "InnerProduct" bottom: "conv${channels.length}" top: "fc"
  inner_product_param { num_output: ${classNames.length} weight_filler { type: "xavier" } }
}
layer {
  name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
`;
}

function dataText(phase: "TRAIN" | "TEST", batch: number, more: string): string {
  return `layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: ${phase} }
  transform_param { ${more} mean_value: 112 scale: 0.0078125 }
  data_param { source: "${phase.toLowerCase()}_lmdb" backend: LMDB batch_size: ${batch} }
}
`;
}

function blockText(at: number, count: number, precision: string): string {
  const [name, bottom] = [`conv${at + 1}`, at === 0 ? "data" : `pool${at}`];
  const pool = `layer {
  name: "pool${at + 1}" type: "Pooling" bottom: "${name}" top: "pool${at + 1}"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
`;
  return `layer {
  name: "${name}" type: "QuantConvolution" bottom: "${bottom}" top: "${name}"
  convolution_param { num_output: ${count} kernel_size: 3 pad: 1 bias_term: false weight_filler { type: "msra" } }
  quant_convolution_param { coef_precision: ${precision} bw_params: 12 shift_enable: false }
}
layer {
  name: "${name}/bn" type: "BatchNorm" bottom: "${name}" top: "${name}"
  batch_norm_param { moving_average_fraction: 0.9 }
}
layer { name: "${name}/scale" type: "Scale" bottom: "${name}" top: "${name}" scale_param { bias_term: true } }
layer {
  name: "${name}/relu" type: "QuantReLU" bottom: "${name}" top: "${name}"
  quant_relu_param { channel_shared: true act_bits: 5 quant_enable: false }
}
${at < channels.length - 1 ? pool : ""}`;
}

/** A solver with the keys of the manual's appendix. Snapshots lie in \`snapshot/\`. */
export function solverText(net: string, step: number, rate: number, iterations: number): string {
  const half = iterations / 2;
  return `net: "${net}"
test_iter: 5
test_interval: ${half}
base_lr: ${rate}
lr_policy: "step"
gamma: 0.3
stepsize: ${half}
display: 10
max_iter: ${iterations}
momentum: 0.9
weight_decay: 0.0002
snapshot: ${half}
snapshot_prefix: "./snapshot/step${step}"
solver_mode: GPU
`;
}

/** The prototxt to deploy, as the manual makes it: Input for the data layers, Softmax for the loss, no accuracy. */
export function deployText(train: string): string {
  const [head = "", ...layers] = train.split(/^layer \{$/m);
  const kept = layers.filter((text) => !/type: "(Data|Accuracy|SoftmaxWithLoss)"/.test(text));
  const input = `layer {
  name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 28 dim: 28 } }
}
`;
  const output = `layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }\n`;
  return `${head}${input}${kept.map((text) => `layer {${text}`).join("")}${output}`;
}

/** A line \`LABEL_ID LABEL_NAME\` for each class. */
export const labelsText: string = classNames.map((name, at) => `${at} ${name}\n`).join("");

/** The network JSON of the kit's converter, without the shifts that it adds. */
export const networkJson: string = JSON.stringify({
  layer: channels.map((count, at) => ({
    major_layer: at + 1,
    image_size: [28, 14, 7][at],
    input_channels: at === 0 ? 3 : channels[at - 1],
    output_channels: count,
    sublayer_number: 1,
    coef_bits: 2,
    pooling: at < channels.length - 1,
  })),
  model: [{ ChipType: 2803, MajorLayerNumber: channels.length }],
});
