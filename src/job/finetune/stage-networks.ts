/**
 * The networks of the steps of quantization-aware training: the float one with its pixels' arithmetic in front, with
 * rounded convolutions, with rounded activations, and the refined one that starts at the chip's levels.
 */
import type { ChipMapping } from "../../chips/gti/map/mapping.ts";
import { normalization } from "../../data/normalize.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import { inputError, workError } from "../../error.ts";
import { constantOf, freshId, type Graph, nodeMap, nodesOf, sweep } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { pictureSize } from "../../run/prepare.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";

/** Widths of a pixel before and in the chip. */
export type PixelBits = { readonly from: number; readonly to: number };

/** Pictures 0..255 as they are: what the graphs of this file are fed with. */
export function rawPixels(preprocess: Preprocess): Preprocess {
  return { ...preprocess, mean: [0], scale: 1, std: [1] };
}

/**
 * The graph fed with pixels 0..255, rounded as the chip rounds them; it subtracts the mean and scales by itself. A
 * convolution that pads its pictures pads black pixels, as on the chip, where the mean stands in the bias.
 */
export function withChipPixels(graph: Graph, preprocess: Preprocess, bits: PixelBits): Graph {
  const { mean, scale, std } = normalization(preprocess, pictureSize(graph));
  const namer = namerOf(graph);
  const input = nodesOf(graph, "input")[0];
  if (input === undefined) throw workError("the network has no input");
  const pixels = namer(`${input.id}.pixels`);
  const levels = namer(`${input.id}.levels`);
  const grey = namer(`${input.id}.grey`);
  const size = float32([], [2 ** (bits.from - bits.to)]);
  const front: Node[] = [
    { ...input, id: pixels },
    { op: "reduceBits", id: levels, inputs: [pixels], attrs: bits },
    { op: "const", id: `${grey}.size`, inputs: [], attrs: { tensor: size } },
    { op: "mul", id: grey, inputs: [levels, `${grey}.size`], attrs: {} },
  ];
  const arithmetic = { mean, scale: float32([], [scale]), std };
  const constants = Object.entries(arithmetic).map(([name, tensor]): Node => {
    return { op: "const", id: `${grey}.${name}`, inputs: [], attrs: { tensor } };
  });
  /** Pixels as the network's own values, under this id. */
  const valued = (from: string, id: string): readonly Node[] => {
    const [centred, scaled] = [namer(`${id}.centred`), namer(`${id}.scaled`)];
    return [
      { op: "sub", id: centred, inputs: [from, `${grey}.mean`], attrs: {} },
      { op: "mul", id: scaled, inputs: [centred, `${grey}.scale`], attrs: {} },
      { op: "div", id, inputs: [scaled, `${grey}.std`], attrs: {} },
    ];
  };
  const padded = (node: Node<"conv"> | Node<"quantConv">): readonly Node[] => {
    const { pads } = node.attrs;
    const [black, value] = [namer(`${node.id}.black`), namer(`${node.id}.input`)];
    const inputs = [value, ...node.inputs.slice(1)];
    const bare = { ...node, inputs, attrs: { ...node.attrs, pads: [0, 0, 0, 0] } } as Node;
    return [
      { op: "pad", id: black, inputs: [grey], attrs: { pads, value: 0 } },
      ...valued(black, value),
      bare,
    ];
  };
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (node === input) return [...front, ...constants, ...valued(grey, input.id)];
    const isPadding = node.op === "conv" || node.op === "quantConv";
    if (!isPadding || node.inputs[0] !== input.id) return [node];
    return node.attrs.pads.every((pad) => pad === 0) ? [node] : padded(node);
  });
  return sweep({ ...graph, nodes });
}

/** Gives ids that the graph does not have, each once. */
function namerOf(graph: Graph): (base: string) => string {
  const taken = new Set(nodeMap(graph).keys());
  return (base) => {
    const id = freshId(base, taken);
    taken.add(id);
    return id;
  };
}

/** The refined graph, whose input holds levels, fed with pixels 0..255. */
export function withLevelInput(graph: Graph, bits: PixelBits): Graph {
  const input = graph.nodes.find(({ op }) => op === "input");
  if (input?.op !== "input") throw workError("the refined network has no input");
  const pixels = freshId(`${input.id}.pixels`, nodeMap(graph));
  const nodes = graph.nodes.flatMap((node): readonly Node[] =>
    node === input
      ? [
          { ...input, id: pixels },
          { op: "reduceBits", id: input.id, inputs: [pixels], attrs: bits },
        ]
      : [node],
  );
  return { ...graph, nodes };
}

/**
 * The graph with the chip's convolutions rounded to the bits that the mapping gives them, without a common shift: step 2.
 * Throws where a convolution of the mapping is not in the graph.
 */
export function withRoundedConvolutions(
  graph: Graph,
  { chip }: Pick<ChipMapping, "chip">,
  target: LayeredTarget,
): Graph {
  const bits = new Map(
    chip.convolutions.flatMap((one) => {
      const projection = one.shortcut?.projection;
      const own = [[one.conv, one.bits] as const];
      return projection === undefined ? own : [...own, [projection, one.bits] as const];
    }),
  );
  const known = nodeMap(graph);
  const lost = [...bits.keys()].find((id) => known.get(id)?.op !== "conv");
  if (lost !== undefined) {
    throw inputError("a convolution of the chip is not one of the network in training", {
      node: `conv "${lost}"`,
      hint: "Simplify the network first: inlay inspect shows what its layers become",
    });
  }
  const nodes = graph.nodes.map((node): Node => {
    const width = bits.get(node.id);
    if (node.op !== "conv" || width === undefined) return node;
    const mode = target.weightModes.find((one) => one.bits === width);
    return {
      ...{ op: "quantConv", id: node.id, inputs: node.inputs },
      attrs: {
        ...node.attrs,
        precision: mode?.precision ?? "dynamic",
        parameterBits: target.parameterBits,
        shiftEnabled: false,
      },
    };
  });
  return { ...graph, nodes };
}

/** The graph with the activations of `caps` rounded to `bits`: step 3. An activation keeps its id. */
export function withRoundedActivations(
  graph: Graph,
  caps: ReadonlyMap<string, number>,
  bits: number,
): Graph {
  const taken = new Set(nodeMap(graph).keys());
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const value = caps.get(node.id);
    if (value === undefined) return [node];
    const cap = freshId(`${node.id}.cap`, taken);
    taken.add(cap);
    return [
      { op: "const", id: cap, inputs: [], attrs: { tensor: float32([1], [value]) } },
      {
        ...{ op: "quantRelu", id: node.id, inputs: [node.inputs[0] ?? "", cap] },
        attrs: { slope: 0, bits, quantized: true },
      },
    ];
  });
  return { ...graph, nodes };
}

/** The graph with the layers of `like`: what was rounded is float again, with the weights that it has now. */
export function asFloat(graph: Graph, like: Graph): Graph {
  const before = nodeMap(like);
  const nodes = graph.nodes.map((node): Node => {
    const own = before.get(node.id);
    if (node.op === "quantConv" && own?.op === "conv") return { ...own, inputs: node.inputs };
    if (node.op !== "quantRelu" || own === undefined || own.op === "quantRelu") return node;
    return { ...own, inputs: [node.inputs[0] ?? "", ...own.inputs.slice(1)] } as Node;
  });
  return { ...graph, nodes };
}

/** The caps of the graph's rounded activations, by id. */
export function capsOf(graph: Graph): ReadonlyMap<string, number> {
  const nodes = nodeMap(graph);
  return new Map(
    graph.nodes.flatMap((node): [string, number][] => {
      if (node.op !== "quantRelu") return [];
      const tensor: Tensor | undefined = constantOf(nodes.get(node.inputs[1] ?? ""));
      return tensor?.dtype === "float32" ? [[node.id, tensor.data[0] ?? 0]] : [];
    }),
  );
}

/** The graph with the constants of another one, where both have one of the same id. */
export function withTensorsOf(graph: Graph, trained: Graph): Graph {
  const made = nodeMap(trained);
  const nodes = graph.nodes.map((node): Node => {
    const other = made.get(node.id);
    return node.op === "const" && other?.op === "const" ? other : node;
  });
  return { ...graph, nodes };
}
