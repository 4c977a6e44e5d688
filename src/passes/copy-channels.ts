/**
 * Channels in several copies. Where a layer's outputs stand several times side by side, and what reads them weighs each
 * copy with its share, the float function stays; and copies that a chip rounds at different offsets carry, together, more
 * levels than one activation has (program/phases.ts). It costs the room of wider layers.
 *
 * Copying of channels is known from Net2Net (Chen et al.), and for quantization from Outlier Channel Splitting (Zhao et
 * al.), which splits weights to halve their range.
 */
import { constantOf, type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node, Op } from "../ir/ops.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { createNamer, type Namer, replaceParameters } from "./new-constants.ts";

/** Copies of each output channel by the id of the convolution; 1 where it is not named. */
export type ChannelCopies = ReadonlyMap<string, number>;

/** Give each channel of their output from the same channel of their inputs. */
const channelwise: ReadonlySet<Op> = new Set<Op>([
  ...(["relu", "clip", "maxPool", "avgPool", "resize", "zeroInsert", "add"] as const),
]);

/**
 * Convolutions whose channels can be copied, in groups that must have the same number of copies: a depthwise convolution
 * with what it reads, and the ends of a shortcut. Left out are channels that the graph gives, or that anything but a
 * convolution reads. In the order of the graph.
 */
export function copyGroups(graph: Graph): readonly (readonly string[])[] {
  const nodes = nodeMap(graph);
  const classes = channelClasses(graph, nodes);
  const groups = new Map<string, string[]>();
  for (const node of graph.nodes) {
    const of = classes.of(node.id);
    if (!isCopyable(node, nodes) || classes.isFixed(of)) continue;
    const group = groups.get(of);
    if (group === undefined) groups.set(of, [node.id]);
    else group.push(node.id);
  }
  return [...groups.values()];
}

/** Values that share their channels; fixed are inputs, constants, and what anything but a convolution reads. */
function channelClasses(graph: Graph, nodes: ReadonlyMap<string, Node>): Classes {
  const classes = new Classes();
  const types = inferTypes(graph);
  for (const node of graph.nodes) {
    const shared = sharedInputs(node, nodes, types);
    if (shared === undefined) for (const id of [...node.inputs, node.id]) classes.fix(id);
    else for (const id of shared) classes.join(id, node.id);
  }
  for (const { id } of graph.outputs) classes.fix(id);
  return classes;
}

/** Inputs whose channels the node passes on, none where it mixes them; undefined where nothing may be copied. */
function sharedInputs(
  node: Node,
  nodes: ReadonlyMap<string, Node>,
  types: Types,
): readonly string[] | undefined {
  if (isCopyable(node, nodes)) return node.attrs.groups > 1 ? node.inputs.slice(0, 1) : [];
  if (!channelwise.has(node.op)) return undefined;
  // One channel for all would have to be copied too.
  const channelsOf = (id: string): number | undefined => types.get(id)?.shape[1];
  const isPlain = node.inputs.every((id) => channelsOf(id) === channelsOf(node.id));
  return isPlain ? node.inputs : undefined;
}

/**
 * The graph with the channels of these convolutions copied: all channels once, then all again. Ids stay. The numbers must
 * be equal in each of `copyGroups`, and name no other convolution.
 */
export function copyChannels(graph: Graph, copies: ChannelCopies): Graph {
  if ([...copies.values()].every((count) => count === 1)) return graph;
  const nodes = nodeMap(graph);
  const namer = createNamer(graph);
  const counts = new Map<string, number>();
  const copied = graph.nodes.flatMap((node): readonly Node[] => {
    if (node.op === "const") return [node];
    const read = counts.get(node.inputs[0] ?? "") ?? 1;
    if (!isCopyable(node, nodes)) {
      if (channelwise.has(node.op)) counts.set(node.id, read);
      return [node];
    }
    const given = copies.get(node.id) ?? 1;
    counts.set(node.id, given);
    return read === 1 && given === 1 ? [node] : withCopies(node, nodes, { read, given }, namer);
  });
  return { ...graph, nodes: copied };
}

function isCopyable(node: Node, nodes: ReadonlyMap<string, Node>): node is Node<"conv"> {
  if (node.op !== "conv") return false;
  return node.inputs.slice(1).every((id) => constantOf(nodes.get(id))?.dtype === "float32");
}

type Counts = { readonly read: number; readonly given: number };

function withCopies(
  node: Node<"conv">,
  nodes: ReadonlyMap<string, Node>,
  { read, given }: Counts,
  namer: Namer,
): readonly Node[] {
  const [x = "", weightId = "", biasId] = node.inputs;
  const { groups } = node.attrs;
  const weight = constantOf(nodes.get(weightId));
  const bias = constantOf(nodes.get(biasId ?? ""));
  if (weight?.dtype !== "float32") return [node];
  // Groups are copied with their inputs; a convolution over all channels takes a share of each copy.
  const shares = groups > 1 ? 1 : read;
  const parameters = {
    weight: copiedWeight(weight, given, shares),
    bias:
      bias?.dtype === "float32"
        ? float32([bias.data.length * given], repeat(bias.data, given))
        : undefined,
  };
  const attrs = { ...node.attrs, groups: groups > 1 ? groups * given : 1 };
  return replaceParameters({ ...node, attrs }, parameters, { id: node.id, source: x }, namer);
}

/** [out, in, h, w] as [given * out, shares * in, h, w]: kernels again and again, each `shares` times its share. */
function copiedWeight(
  { shape, data }: Tensor<"float32">,
  given: number,
  shares: number,
): Tensor<"float32"> {
  const [outputs = 0, inputs = 0, height = 1, width = 1] = shape;
  const row = inputs * height * width;
  const kernels = new Float32Array(outputs * shares * row);
  for (let output = 0; output < outputs; output += 1) {
    const kernel = data.subarray(output * row, (output + 1) * row).map((w) => w / shares);
    kernels.set(repeat(kernel, shares), output * shares * row);
  }
  const wide = repeat(kernels, given);
  return float32([outputs * given, inputs * shares, height, width], wide);
}

function repeat(values: Float32Array, times: number): Float32Array {
  const repeated = new Float32Array(values.length * times);
  for (let time = 0; time < times; time += 1) repeated.set(values, time * values.length);
  return repeated;
}

/** Classes of values that have the same channels; of some it is known that they cannot be copied. */
class Classes {
  readonly #parent = new Map<string, string>();
  readonly #fixed = new Set<string>();

  of(id: string): string {
    let root = id;
    for (let next = this.#parent.get(root); next !== undefined; next = this.#parent.get(root)) {
      root = next;
    }
    // Later walks from here are short.
    if (root !== id) this.#parent.set(id, root);
    return root;
  }

  join(a: string, b: string): void {
    const [from, to] = [this.of(b), this.of(a)];
    if (from === to) return;
    this.#parent.set(from, to);
    if (this.#fixed.has(from)) this.#fixed.add(to);
  }

  fix(id: string): void {
    this.#fixed.add(this.of(id));
  }

  isFixed(id: string): boolean {
    return this.#fixed.has(this.of(id));
  }
}
