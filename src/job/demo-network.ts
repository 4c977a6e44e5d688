/**
 * The demo's network: random convolutions, which see edges and textures as they are, and a fully
 * connected layer that least squares fits to their outputs.
 */
import { type Graph, sweep } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { createRandom } from "../tensor/random.ts";
import { float32 } from "../tensor/tensor.ts";
import { demoSide } from "./demo-images.ts";
import type { LinearFit } from "./least-squares.ts";

/** Output channels and kernel size of the convolutions, each followed by ReLU and 2x2 pooling. */
const layers: readonly { readonly channels: number; readonly kernel: number }[] = [
  { channels: 24, kernel: 5 },
  { channels: 48, kernel: 3 },
  { channels: 64, kernel: 3 },
];

/** The value that holds the features, one row per picture. */
export const featuresId = "features";

/** Input [1, 3, 32, 32] -> features [1, 1024]: the network without its last layer. */
export function demoFeatures(seed: number): Graph {
  const input: Node = {
    op: "input",
    id: "image",
    inputs: [],
    attrs: { dtype: "float32", shape: [1, 3, demoSide, demoSide] },
  };
  const nodes: Node[] = [input];
  let last = input.id;
  let inChannels = 3;
  for (const [index, { channels, kernel }] of layers.entries()) {
    const block = convolutionBlock(seed, index, last, inChannels, channels, kernel);
    nodes.push(...block);
    last = block.at(-1)?.id ?? last;
    inChannels = channels;
  }
  nodes.push({ op: "flatten", id: featuresId, inputs: [last], attrs: { axis: 1, endAxis: -1 } });
  return {
    name: "demo",
    nodes,
    outputs: [{ name: featuresId, id: featuresId }],
    opsets: {},
  };
}

/** Convolution with weights of variance 2 / fan-in (He et al. 2015), ReLU, maximum over 2x2. */
function convolutionBlock(
  seed: number,
  index: number,
  from: string,
  inChannels: number,
  channels: number,
  kernel: number,
): readonly Node[] {
  const name = (part: string): string => `${part}${index + 1}`;
  const random = createRandom(seed, 1000 + index);
  const fanIn = inChannels * kernel * kernel;
  const deviation = Math.sqrt(2 / fanIn);
  const weight = Float32Array.from({ length: channels * fanIn }, () => deviation * random.normal());
  const bias = Float32Array.from({ length: channels }, () => 0.1 * random.normal());
  const pad = Math.floor(kernel / 2);
  return [
    constant(name("weight"), [channels, inChannels, kernel, kernel], weight),
    constant(name("bias"), [channels], bias),
    {
      op: "conv",
      id: name("conv"),
      inputs: [from, name("weight"), name("bias")],
      attrs: { stride: [1, 1], pads: [pad, pad, pad, pad], dilation: [1, 1], groups: 1 },
    },
    { op: "relu", id: name("relu"), inputs: [name("conv")], attrs: { slope: 0 } },
    {
      op: "maxPool",
      id: name("pool"),
      inputs: [name("relu")],
      attrs: { kernel: [2, 2], stride: [2, 2], pads: [0, 0, 0, 0], dilation: [1, 1], ceil: false },
    },
  ];
}

/** The network with its last layer: scores [1, targets]. */
export function withHead(features: Graph, { weights, bias }: LinearFit): Graph {
  const targets = bias.length;
  const nodes: readonly Node[] = [
    ...features.nodes,
    constant("head.weight", [targets, weights.length / targets], Float32Array.from(weights)),
    constant("head.bias", [targets], Float32Array.from(bias)),
    {
      op: "linear",
      id: "scores",
      inputs: [featuresId, "head.weight", "head.bias"],
      attrs: {},
    },
  ];
  return sweep({ ...features, nodes, outputs: [{ name: "scores", id: "scores" }] });
}

function constant(id: string, shape: readonly number[], data: Float32Array): Node {
  return { op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } };
}
