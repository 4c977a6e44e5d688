/**
 * Files for tests of the bit match: bitmaps, a small residual network, and faults planted in a written model.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { decodeChipImage, encodeChipImage } from "../src/chips/gti/files/image.ts";
import { composeModel, decomposeModel } from "../src/chips/gti/files/model.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { joinBytes } from "../src/tensor/chunks.ts";
import { createRandom } from "../src/tensor/random.ts";
import { convText, inputText, poolText } from "./kit-network.ts";

/** A square picture of random pixels, smooth enough to reach all levels. */
export function bitmapFile(side: number, seed: number): Uint8Array {
  const random = createRandom(seed);
  const row = Math.ceil((3 * side) / 4) * 4;
  const file = new Uint8Array(54 + row * side);
  const view = new DataView(file.buffer);
  file.set([0x42, 0x4d]);
  view.setUint32(2, file.length, true);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, side, true);
  view.setInt32(22, side, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let at = 54; at < file.length; at += 1) file[at] = random.below(256);
  return file;
}

/** QuantConvolution without an activation. */
function bareConvText(bottom: string, name: string, outputs: number): string {
  return `
layer { name: "${name}" type: "QuantConvolution" bottom: "${bottom}" top: "${name}"
  convolution_param { num_output: ${outputs} kernel_size: 3 pad: 1 }
  quant_convolution_param { coef_precision: DYNAMIC_FIXED_POINT bw_params: 12 shift_enable: true } }`;
}

/** 28: 3 -> 16, then a block of two convolutions with a shortcut, and pooling. `entry` is the cap where the block starts. */
export function residualText(entry: number): string {
  const spec = { outputs: 16, precision: "DYNAMIC_FIXED_POINT", width: 12 } as const;
  return [
    inputText(28),
    convText("data", { ...spec, name: "conv1", cap: entry }),
    convText("conv1", { ...spec, name: "conv2" }),
    bareConvText("conv2", "conv3", 16),
    `
layer { name: "sum" type: "Eltwise" bottom: "conv3" bottom: "conv1" top: "sum" eltwise_param { operation: SUM } }
layer { name: "sum_relu" type: "QuantReLU" bottom: "sum" top: "sum"
  quant_relu_param { act_bits: 5 quant_enable: true channel_shared: true filler { value: 31 } } }`,
    poolText("sum", "pool1"),
  ].join("");
}

export const residualNetwork: Readonly<Record<string, unknown>> = {
  model: [{ ChipType: 2803 }],
  layer: [
    {
      image_size: 28,
      input_channels: 3,
      output_channels: 16,
      sublayer_number: 3,
      coef_bits: 12,
      pooling: true,
      resnet_shortcut_start_layers: [2],
    },
  ],
};

/** Changes the graph of one chip (counted from 0) in a model file, in place. */
export function changeImage(path: string, change: (graph: Graph) => Graph, chip = 0): void {
  const { header, data } = decomposeModel({ name: path, bytes: readFileSync(path) });
  const images = data.filter(({ file }) => file.endsWith(".dat"));
  const wanted = images[chip];
  const files = new Map(
    data.map(({ file, bytes }) => {
      if (file !== wanted?.file) return [file, [bytes]] as const;
      const { graph, meta } = decodeChipImage({ name: file, bytes });
      return [file, [encodeChipImage(change(graph), meta)]] as const;
    }),
  );
  writeFileSync(path, joinBytes(composeModel(header, files)));
}

/** The graph with one integer added to element `at` of input `input` (1: weight, 2: bias) of a node. */
export function withChangedInteger(
  graph: Graph,
  id: string,
  input: number,
  at: number,
  by: number,
): Graph {
  const constant = graph.nodes.find((node) => node.id === id)?.inputs[input];
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "const" || node.id !== constant) return node;
    const { tensor } = node.attrs;
    if (tensor.dtype !== "int16" && tensor.dtype !== "int32") throw new Error(tensor.dtype);
    const data = tensor.data.slice();
    data[at] = data[at]! + by;
    return { ...node, attrs: { tensor: { ...tensor, data } } } as Node;
  });
  return { ...graph, nodes };
}

/** The graph with the shift of one node changed. */
export function withChangedShift(graph: Graph, id: string, by: number): Graph {
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "shiftConv" || node.id !== id) return node;
    return { ...node, attrs: { ...node.attrs, shift: node.attrs.shift + by } };
  });
  return { ...graph, nodes };
}
