/**
 * The demo's network: convolutions with batch norms in three blocks, each of half the rows and columns of the one before,
 * and a fully connected layer over their means. Small enough to train while one waits, and as the chips want it.
 */
import { type Graph, sweep } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { elementCount, type Shape } from "../tensor/shape.ts";
import { float32 } from "../tensor/tensor.ts";

/** Rows and columns of its input. The chips have maps of 28, 14 and 7. */
export const demoInput = 28;

/** Output channels of the 3x3 convolutions of each block; between blocks stands the maximum over 2x2. */
const blocks: readonly (readonly number[])[] = [[16], [16], [32, 32]];

const epsilon = 1e-5;

/** Pictures [1, 3, 28, 28] -> probabilities [1, classes], before any training: all weights are 0. */
export function demoNetwork(classes: number): Graph {
  const shape = [1, 3, demoInput, demoInput];
  const nodes: Node[] = [
    { op: "input", id: "data", inputs: [], attrs: { dtype: "float32", shape } },
  ];
  const last = (): string => nodes.at(-1)?.id ?? "";
  let channels = 3;
  for (const [block, widths] of blocks.entries()) {
    if (block > 0) nodes.push(pooling(`pool${block}`, last()));
    for (const [at, width] of widths.entries()) {
      nodes.push(...convolution(`${block + 1}_${at + 1}`, last(), channels, width));
      channels = width;
    }
  }
  nodes.push(...head(last(), channels, classes));
  const graph = { name: "demo", nodes, outputs: [{ name: "prob", id: "prob" }], opsets: {} };
  return sweep(graph);
}

/** Convolution without bias, batch norm, factor and offset per channel, ReLU. */
function convolution(name: string, from: string, channels: number, width: number): readonly Node[] {
  const [conv, norm, scale] = [`conv${name}`, `norm${name}`, `scale${name}`];
  return [
    constant(`${conv}.weight`, [width, channels, 3, 3]),
    {
      ...{ op: "conv", id: conv, inputs: [from, `${conv}.weight`] },
      attrs: { stride: [1, 1], pads: [1, 1, 1, 1], dilation: [1, 1], groups: 1 },
    },
    constant(`${norm}.mean`, [width]),
    constant(`${norm}.variance`, [width], 1),
    {
      ...{ op: "batchNorm", id: norm, inputs: [conv, `${norm}.mean`, `${norm}.variance`] },
      attrs: { epsilon },
    },
    constant(`${scale}.gamma`, [width], 1),
    constant(`${scale}.beta`, [width]),
    {
      ...{ op: "scale", id: scale, inputs: [norm, `${scale}.gamma`, `${scale}.beta`] },
      attrs: { axis: 1 },
    },
    { op: "relu", id: `relu${name}`, inputs: [scale], attrs: { slope: 0 } },
  ];
}

function pooling(id: string, from: string): Node {
  return {
    ...{ op: "maxPool", id, inputs: [from] },
    attrs: { kernel: [2, 2], stride: [2, 2], pads: [0, 0, 0, 0], dilation: [1, 1], ceil: false },
  };
}

function head(from: string, channels: number, classes: number): readonly Node[] {
  return [
    { op: "globalAvgPool", id: "mean", inputs: [from], attrs: {} },
    { op: "flatten", id: "features", inputs: ["mean"], attrs: { axis: 1, endAxis: -1 } },
    constant("scores.weight", [classes, channels]),
    constant("scores.bias", [classes]),
    {
      ...{ op: "linear", id: "scores", inputs: ["features", "scores.weight", "scores.bias"] },
      attrs: {},
    },
    { op: "softmax", id: "prob", inputs: ["scores"], attrs: { axis: 1 } },
  ];
}

function constant(id: string, shape: Shape, value = 0): Node {
  const data = new Float32Array(elementCount(shape)).fill(value);
  return { op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } };
}
