/**
 * The steps that a chip could take: a convolution with its activation (and the sum of a shortcut between
 * them), a pooling, an upsampling. Only what the graph looks like; whether a chip allows it is asked later.
 */
import { constantOf } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import { shapeOf, soleReader, type View } from "./view.ts";

export type ConvNode = Node<"conv"> | Node<"quantConv">;
type PoolNode = Node<"maxPool"> | Node<"avgPool">;
type UpsamplingNode = Node<"resize"> | Node<"zeroInsert">;

/** Units that a shortcut may span; where it starts is looked for no further back. */
export const maxSpan = 16;

/** What is added to a convolution before its activation. */
export type Shortcut = {
  readonly add: Node<"add">;
  /** Id of the value where the shortcut starts. */
  readonly start: string;
  /** A convolution without activation on the way from `start`; the identity where there is none. */
  readonly projection: ConvNode | undefined;
};

type Step = {
  /** Ids of the values that go in and come out. */
  readonly input: string;
  readonly output: string;
  /** In the graph's order. */
  readonly nodes: readonly Node[];
};

export type ConvUnit = Step & {
  readonly form: "conv";
  readonly conv: ConvNode;
  readonly activation: Node;
  readonly shortcut: Shortcut | undefined;
};
export type PoolUnit = Step & {
  readonly form: "pool";
  readonly pool: PoolNode;
  readonly kind: "max" | "sample" | "other";
};
export type UpsamplingUnit = Step & {
  readonly form: "upsampling";
  readonly upsampling: UpsamplingNode;
  /** `other` where the factor is not 2. */
  readonly kind: "repeat" | "zeros" | "other";
};
export type Unit = ConvUnit | PoolUnit | UpsamplingUnit;

export function isConvolution(node: Node | undefined): node is ConvNode {
  return node?.op === "conv" || node?.op === "quantConv";
}

/** Operators that could be the activation of a convolution, the chip's or not. */
export function isActivation(node: Node): boolean {
  return ["relu", "clip", "quantRelu", "prelu", "elu"].includes(node.op);
}

/** True where nothing ties the channels that come out to those of another value. */
export function hasOwnChannels({ conv, shortcut }: ConvUnit): boolean {
  return conv.attrs.groups === 1 && shortcut === undefined;
}

/** All units, each after the one that gives its input. Average pooling is one only `withAverage`. */
export function findUnits(view: View, withAverage: boolean): readonly Unit[] {
  const inputOf = new Map<string, string>();
  const order = new Map(view.graph.nodes.map(({ id }, at) => [id, at]));
  const units: Unit[] = [];
  for (const node of view.graph.nodes) {
    const unit = unitAt(node, view, { inputOf, withAverage });
    if (unit === undefined) continue;
    inputOf.set(unit.output, unit.input);
    const place = ({ id }: Node): number => order.get(id) ?? 0;
    units.push({ ...unit, nodes: unit.nodes.toSorted((a, b) => place(a) - place(b)) });
  }
  return units;
}

type Search = {
  /** Input of the unit that gives a value. */
  readonly inputOf: ReadonlyMap<string, string>;
  readonly withAverage: boolean;
};

/** The unit whose last node this is. */
function unitAt(node: Node, view: View, search: Search): Unit | undefined {
  const [input = ""] = node.inputs;
  const step = { input, output: node.id, nodes: [node] };
  if (isActivation(node)) return convUnit(node, view, search);
  if (node.op === "maxPool" || (node.op === "avgPool" && search.withAverage)) {
    return { form: "pool", ...step, pool: node, kind: poolKind(node) };
  }
  const kind = upsamplingKind(node, view);
  if (kind === undefined || (node.op !== "resize" && node.op !== "zeroInsert")) return undefined;
  return { form: "upsampling", ...step, upsampling: node, kind };
}

function poolKind({ op, attrs }: PoolNode): PoolUnit["kind"] {
  const plain = attrs.pads.every((p) => p === 0) && attrs.dilation.every((step) => step === 1);
  if (op !== "maxPool" || !plain || attrs.stride.some((step) => step !== 2)) return "other";
  if (attrs.kernel.every((size) => size === 2)) return "max";
  return attrs.kernel.every((size) => size === 1) ? "sample" : "other";
}

/** Undefined for what is no upsampling by whole factors. */
function upsamplingKind(node: Node, view: View): UpsamplingUnit["kind"] | undefined {
  if (node.op === "zeroInsert") return node.attrs.factor.every((f) => f === 2) ? "zeros" : "other";
  if (node.op !== "resize" || node.attrs.mode !== "nearest" || node.attrs.alignCorners) {
    return undefined;
  }
  const [, , h = 0, w = 0] = shapeOf(view, node.inputs[0]);
  const [, , rows = 0, columns = 0] = shapeOf(view, node.id);
  if (h === 0 || w === 0 || rows % h !== 0 || columns % w !== 0) return undefined;
  return rows === 2 * h && columns === 2 * w ? "repeat" : "other";
}

/** `conv -> activation`, or `conv -> add -> activation`. */
function convUnit(activation: Node, view: View, { inputOf }: Search): ConvUnit | undefined {
  const before = view.nodes.get(activation.inputs[0] ?? "");
  if (before === undefined || soleReader(view, before.id) !== activation) return undefined;
  if (isUsable(before, view)) {
    const [input = ""] = before.inputs;
    const nodes = [before, activation];
    return {
      form: "conv",
      input,
      output: activation.id,
      nodes,
      conv: before,
      activation,
      shortcut: undefined,
    };
  }
  const sum = before.op === "add" ? shortcutAt(before, view, inputOf) : undefined;
  if (sum === undefined) return undefined;
  const { conv, shortcut } = sum;
  const [input = ""] = conv.inputs;
  const projections = shortcut.projection === undefined ? [] : [shortcut.projection];
  const nodes = [conv, ...projections, shortcut.add, activation];
  return { form: "conv", input, output: activation.id, nodes, conv, activation, shortcut };
}

/** True for a convolution of constant weights. */
function isUsable(node: Node | undefined, view: View): node is ConvNode {
  return (
    isConvolution(node) &&
    node.inputs.slice(1).every((id) => constantOf(view.nodes.get(id))?.dtype === "float32")
  );
}

/** The two sides of a sum: which is the convolution, and which the shortcut. */
function shortcutAt(
  add: Node<"add">,
  view: View,
  inputOf: ReadonlyMap<string, string>,
): { readonly conv: ConvNode; readonly shortcut: Shortcut } | undefined {
  const [a = "", b = "", ...more] = add.inputs;
  if (more.length > 0 || a === b) return undefined;
  const own = (id: string): ConvNode | undefined => {
    const node = view.nodes.get(id);
    return isUsable(node, view) && soleReader(view, id) === add ? node : undefined;
  };
  const [left, right] = [own(a), own(b)];
  if (left !== undefined && right !== undefined) {
    const [conv, projection] = isBehind(right, left, inputOf) ? [right, left] : [left, right];
    return { conv, shortcut: { add, start: projection.inputs[0] ?? "", projection } };
  }
  const conv = left ?? right;
  const start = conv === left ? b : a;
  return conv && { conv, shortcut: { add, start, projection: undefined } };
}

/** True where `late` reads what comes, some units later, from the value that `early` reads. */
function isBehind(late: ConvNode, early: ConvNode, inputOf: ReadonlyMap<string, string>): boolean {
  const wanted = early.inputs[0];
  let value = inputOf.get(late.inputs[0] ?? "");
  for (let step = 0; step < maxSpan && value !== undefined; step += 1) {
    if (value === wanted) return true;
    value = inputOf.get(value);
  }
  return false;
}
