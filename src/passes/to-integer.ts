/**
 * Quantized (QDQ) graph -> integer graph: what a chip computes. A layer between a dequantize and a
 * quantize becomes one integer layer; what has no integer form stays a float host operator between
 * them. docs/numerics.md states the arithmetic.
 */
import { freshId, type Graph, nodeMap, sweep } from "../ir/graph.ts";
import { type Grid, gridOf, quantizeOnto, sameGrid } from "../ir/grid.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import { movers } from "../ir/movers.ts";
import type { IntOutput, Node, Requantize } from "../ir/ops.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  accumulatorScales,
  type IntegerValue,
  integerOperands,
  integerValue,
  requantizeMultipliers,
} from "./integer-operands.ts";

/** What the conversion of one node may look at. */
type Scope = {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly types: Types;
  /** An unused id close to `base`. */
  readonly fresh: (base: string) => string;
};

type Weighted = Extract<Node, { op: "conv" | "linear" }>;

/** Every layer that has integers in and out becomes an integer layer. The ids of quantize nodes stay. */
export function toInteger(graph: Graph): Graph {
  const nodes = nodeMap(graph);
  const taken = new Set(nodes.keys());
  const fresh = (base: string): string => {
    const id = freshId(base, taken);
    taken.add(id);
    return id;
  };
  const scope: Scope = { nodes, types: inferTypes(graph), fresh };
  const converted = graph.nodes.flatMap((node) => convert(node, scope));
  return sweep({ ...graph, nodes: converted });
}

function convert(node: Node, scope: Scope): readonly Node[] {
  if (node.op === "quantize") return convertQuantize(node, scope) ?? [node];
  if (node.op === "conv" || node.op === "linear") {
    return integerLayer(node, node.id, { kind: "real" }, undefined, scope) ?? [node];
  }
  return [node];
}

/** The integer layer that ends in this quantize node; undefined where a float operator feeds it. */
function convertQuantize(
  quantize: Extract<Node, { op: "quantize" }>,
  scope: Scope,
): readonly Node[] | undefined {
  const [scale, zero] = [1, 2].map((at) => scope.nodes.get(quantize.inputs[at] ?? ""));
  const grid = gridOf(tensorOf(scale), tensorOf(zero));
  if (grid === undefined) return undefined;
  const { producer, output } = throughClamps(quantize.inputs[0] ?? "", grid, scope);
  if (producer === undefined) return undefined;
  switch (producer.op) {
    case "conv":
    case "linear":
      return integerLayer(producer, quantize.id, { kind: "integer", ...output }, grid, scope);
    case "dequantize":
      return regrid(producer, quantize.id, grid, output, scope);
    case "add":
      return integerSum(producer, quantize.id, grid, output, scope);
    case "avgPool":
    case "globalAvgPool":
      return integerAverage(producer, quantize.id, grid, output, scope);
    default:
      return moved(producer, quantize.id, grid, output, scope);
  }
}

function tensorOf(node: Node | undefined): Tensor | undefined {
  return node?.op === "const" ? node.attrs.tensor : undefined;
}

/**
 * Walks back over ReLU and Clip, which only narrow the output's range: quantizing after a clamp
 * equals clamping the integers, since rounding is monotonic. The last clamp has the last word.
 */
function throughClamps(
  id: string,
  grid: Grid,
  scope: Scope,
): { readonly producer: Node | undefined; readonly output: Requantize } {
  let [qMin, qMax] = [grid.lo, grid.hi];
  const narrow = (lo: number, hi: number): void => {
    const within = (q: number): number => Math.min(Math.max(q, qMin), qMax);
    [qMin, qMax] = [within(lo), within(hi)];
  };
  let producer = scope.nodes.get(id);
  for (;;) {
    if (producer?.op === "relu" && producer.attrs.slope === 0) {
      narrow(grid.zero, grid.hi);
    } else if (producer?.op === "clip") {
      narrow(quantizeOnto(grid, producer.attrs.min), quantizeOnto(grid, producer.attrs.max));
    } else {
      return { producer, output: { yZero: grid.zero, qMin, qMax, signed: grid.lo < 0 } };
    }
    producer = scope.nodes.get(producer.inputs[0] ?? "");
  }
}

function integerLayer(
  node: Weighted,
  id: string,
  output: IntOutput,
  y: Grid | undefined,
  scope: Scope,
): readonly Node[] | undefined {
  const x = integerValue(scope.nodes, node.inputs[0]);
  const operands = x && integerOperands(scope.nodes, node, x.grid);
  if (operands === undefined || x === undefined) return undefined;
  const { weight, bias, weightScales } = operands;
  const scales =
    y === undefined
      ? accumulatorScales(x.grid, weightScales)
      : requantizeMultipliers(x.grid, weightScales, y);
  const constant = (name: string, tensor: Tensor): Node => ({
    op: "const",
    id: scope.fresh(`${id}.${name}`),
    inputs: [],
    attrs: { tensor },
  });
  const constants = [
    constant("weight", weight),
    constant("bias", bias),
    constant("multiplier", { dtype: "float32", shape: [scales.length], data: scales }),
  ];
  const inputs = [x.id, ...constants.map((one) => one.id)];
  const xZero = x.grid.zero;
  const layer: Node =
    node.op === "conv"
      ? { op: "intConv", id, inputs, attrs: { ...node.attrs, xZero, output } }
      : { op: "intLinear", id, inputs, attrs: { xZero, output } };
  return [...constants, layer];
}

/** Integers of one grid on another, or only clamped. */
function regrid(
  node: Node,
  id: string,
  y: Grid,
  output: Requantize,
  scope: Scope,
): readonly Node[] | undefined {
  const x = integerValue(scope.nodes, node.id);
  return x && [requantizeNode(x, id, y, output)];
}

function requantizeNode(x: IntegerValue, id: string, y: Grid, output: Requantize): Node {
  const multiplier = Math.fround(x.grid.scale / y.scale);
  return {
    op: "requantize",
    id,
    inputs: [x.id],
    attrs: { xZero: x.grid.zero, multiplier, output },
  };
}

function integerSum(
  node: Extract<Node, { op: "add" }>,
  id: string,
  y: Grid,
  output: Requantize,
  scope: Scope,
): readonly Node[] | undefined {
  const [first, second, ...rest] = node.inputs;
  const [a, b] = [integerValue(scope.nodes, first), integerValue(scope.nodes, second)];
  const [left, right] = [scope.types.get(first ?? ""), scope.types.get(second ?? "")];
  const fits = left !== undefined && right !== undefined && sameShape(left.shape, right.shape);
  if (a === undefined || b === undefined || rest.length > 0 || !fits) return undefined;
  const [ka = 1, kb = 1] = node.attrs.coefficients ?? [];
  const multiplier = (value: IntegerValue, coefficient: number): number =>
    Math.fround(Math.fround(coefficient * value.grid.scale) / y.scale);
  return [
    {
      op: "intAdd",
      id,
      inputs: [a.id, b.id],
      attrs: {
        zeros: [a.grid.zero, b.grid.zero],
        multipliers: [multiplier(a, ka), multiplier(b, kb)],
        output,
      },
    },
  ];
}

function integerAverage(
  node: Extract<Node, { op: "avgPool" | "globalAvgPool" }>,
  id: string,
  y: Grid,
  output: Requantize,
  scope: Scope,
): readonly Node[] | undefined {
  const x = integerValue(scope.nodes, node.inputs[0]);
  // A divisor that counts padded pixels has no integer form here: it stays in float.
  const padded =
    node.op === "avgPool" && node.attrs.countPad && node.attrs.pads.some((pad) => pad > 0);
  if (x === undefined || padded) return undefined;
  const multiplier = Math.fround(x.grid.scale / y.scale);
  const window = node.op === "globalAvgPool" ? ("global" as const) : windowOf(node);
  const attrs = { window, xZero: x.grid.zero, multiplier, output };
  return [{ op: "intAvgPool", id, inputs: [x.id], attrs }];
}

function windowOf({
  attrs,
}: Extract<Node, { op: "avgPool" }>): Extract<Node, { op: "maxPool" }>["attrs"] {
  const { kernel, stride, pads, dilation, ceil } = attrs;
  return { kernel, stride, pads, dilation, ceil };
}

function moved(
  node: Node,
  id: string,
  y: Grid,
  output: Requantize,
  scope: Scope,
): readonly Node[] | undefined {
  if (!movers.has(node.op)) return undefined;
  const values = node.inputs.map((input) => integerValue(scope.nodes, input));
  const known = values.filter((value) => value !== undefined);
  if (known.length < values.length) return undefined;
  const clamped = output.qMin > y.lo || output.qMax < y.hi;
  const brought = known.map((value): { readonly id: string; readonly nodes: readonly Node[] } => {
    if (sameGrid(value.grid, y)) return { id: value.id, nodes: [] };
    const full: Requantize = { yZero: y.zero, qMin: y.lo, qMax: y.hi, signed: y.lo < 0 };
    const step = requantizeNode(value, scope.fresh(`${value.id}.regrid`), y, full);
    return { id: step.id, nodes: [step] };
  });
  const movedId = clamped ? scope.fresh(`${id}.moved`) : id;
  const mover: Node = { ...node, id: movedId, inputs: brought.map((value) => value.id) };
  const clamp = requantizeNode({ id: movedId, grid: y }, id, y, output);
  return [...brought.flatMap((value) => value.nodes), mover, ...(clamped ? [clamp] : [])];
}
