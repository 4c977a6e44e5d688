/**
 * Output channels padded to counts that a chip computes: zero kernels, zero weights where they are read, and a
 * slice behind the chip that drops them.
 */
import { constantOf, freshId, type Graph, sweep } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import type { LayeredTarget } from "../../../target/layered-target.ts";
import { float32, type Tensor } from "../../../tensor/tensor.ts";
import { legalChannels } from "./conv-rules.ts";
import { nodeIds } from "./taps.ts";
import { type ConvNode, hasOwnChannels, isConvolution, type Unit } from "./units.ts";
import { shapeOf, type View, viewOf } from "./view.ts";

/**
 * The graph whose chain has legal counts of channels; values of the chain that the host reads are cut to their
 * old counts by a `slice` named `<id>.kept`. The same graph where all counts are legal. Outputs are unchanged.
 */
export function padChannels(graph: Graph, chain: readonly Unit[], target: LayeredTarget): Graph {
  const view = viewOf(graph);
  const padding: Padding = { view, unpadded: unpaddedValues(chain), chip: nodeIds(chain), target };
  const counts = chain.map(({ output }) => paddedCount(output, padding));
  const isPadded = chain.some(({ output }, at) => counts[at] !== shapeOf(view, output)[1]);
  if (!isPadded) return graph;
  const taken = new Set(view.nodes.keys());
  const nodes = graph.nodes.flatMap((node) =>
    padding.chip.has(node.id) ? padNode(node, padding, taken) : [node],
  );
  return sweep(sliceTaps({ ...graph, nodes }, chain, padding, taken));
}

type Padding = {
  readonly view: View;
  /** Values that keep their channels. */
  readonly unpadded: ReadonlySet<string>;
  readonly chip: ReadonlySet<string>;
  readonly target: LayeredTarget;
};

/**
 * What enters the chip, and upsampled values of it; and the last convolution directly behind an upsampling, whose
 * channels the chip pads by itself.
 */
function unpaddedValues(chain: readonly Unit[]): ReadonlySet<string> {
  const values = new Set(chain.slice(0, 1).map(({ input }) => input));
  for (const { form, input, output } of chain) {
    if (form !== "conv" && values.has(input)) values.add(output);
  }
  const at = chain.findLastIndex(({ form }) => form === "conv");
  const [before, last] = [chain[at - 1], chain[at]];
  const isFree = last?.form === "conv" && hasOwnChannels(last);
  if (before?.form === "upsampling" && isFree) {
    for (const { nodes } of chain.slice(at)) for (const { id } of nodes) values.add(id);
  }
  return values;
}

/** Channels of a value of the chain once it is padded. It depends on the old count alone, so sums still fit. */
function paddedCount(id: string, { view, unpadded, target }: Padding): number {
  const [, count = 0] = shapeOf(view, id);
  return unpadded.has(id) ? count : (legalChannels(count, target) ?? count);
}

/** A node of the chip with its new parameters in front of it. */
function padNode(node: Node, padding: Padding, taken: Set<string>): readonly Node[] {
  const { view } = padding;
  const fresh = (base: string, tensor: Tensor): Node => {
    const id = freshId(base, taken);
    taken.add(id);
    return { op: "const", id, inputs: [], attrs: { tensor } };
  };
  if (!isConvolution(node)) return [node];
  const [x = "", weightId = "", biasId] = node.inputs;
  const weight = constantOf(view.nodes.get(weightId));
  const bias = constantOf(view.nodes.get(biasId ?? ""));
  if (weight?.dtype !== "float32") return [node];
  const outputs = paddedCount(node.id, padding);
  const inputs = node.attrs.groups > 1 ? 1 : paddedCount(x, padding);
  const made = [fresh(`${node.id}.weight`, padWeight(weight, outputs, inputs))];
  if (bias?.dtype === "float32") {
    const data = new Float32Array(outputs);
    data.set(bias.data);
    made.push(fresh(`${node.id}.bias`, float32([outputs], data)));
  }
  return [...made, withWeights(node, [x, ...made.map(({ id }) => id)], outputs)];
}

/** The convolution with other operands; a depthwise one has a group per channel. */
function withWeights(node: ConvNode, inputs: readonly string[], outputs: number): Node {
  const groups = node.attrs.groups > 1 ? outputs : 1;
  return node.op === "conv"
    ? { ...node, inputs, attrs: { ...node.attrs, groups } }
    : { ...node, inputs, attrs: { ...node.attrs, groups } };
}

/** Kernels [out, in, h, w] with zeros behind the old ones. */
function padWeight(
  { shape, data }: Tensor<"float32">,
  outputs: number,
  inputs: number,
): Tensor<"float32"> {
  const [oldOutputs = 0, oldInputs = 0, kh = 1, kw = 1] = shape;
  const row = oldInputs * kh * kw;
  const padded = new Float32Array(outputs * inputs * kh * kw);
  for (let output = 0; output < oldOutputs; output += 1) {
    padded.set(data.subarray(output * row, (output + 1) * row), output * inputs * kh * kw);
  }
  return float32([outputs, inputs, kh, kw], padded);
}

/** A slice behind each padded value that the host reads or the graph gives. */
function sliceTaps(
  graph: Graph,
  chain: readonly Unit[],
  padding: Padding,
  taken: Set<string>,
): Graph {
  const { view, chip } = padding;
  const slices = new Map<string, Node>();
  for (const { output } of chain) {
    const [, end = 0] = shapeOf(view, output);
    if (paddedCount(output, padding) === end) continue;
    const id = freshId(`${output}.kept`, taken);
    taken.add(id);
    slices.set(output, { op: "slice", id, inputs: [output], attrs: { axis: 1, start: 0, end } });
  }
  const rename = (id: string): string => slices.get(id)?.id ?? id;
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const slice = slices.get(node.id);
    const kept = chip.has(node.id) ? node : { ...node, inputs: node.inputs.map(rename) };
    return slice === undefined ? [kept] : [kept, slice];
  });
  const outputs = graph.outputs.map(({ name, id }) => ({ name, id: rename(id) }));
  return { ...graph, nodes, outputs };
}
