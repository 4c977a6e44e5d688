/**
 * Which integers each value of an integer graph can be, its zero point taken away: `q - zero`. From the operators'
 * own limits, and for chips that shift from the real weights.
 */
import { type Graph, nodeMap } from "../ir/graph.ts";
import { gridOf } from "../ir/grid.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import { movers } from "../ir/movers.ts";
import type { IntOutput, Node, Requantize } from "../ir/ops.ts";
import type { DType, Tensor } from "../tensor/tensor.ts";
import type { Interval } from "./exact-planes.ts";
import { levelOf, mayWrap, outputLimit, shiftLayer, sumBounds } from "./shift-layer.ts";

/** Ranges by value id; none for values that hold no integers, or unknown ones. */
export type IntegerRanges = ReadonlyMap<string, Interval>;

const nothing: Interval = { lo: 0, hi: 0 };

const ofType: { readonly [D in DType]?: Interval } = {
  int8: { lo: -128, hi: 127 },
  uint8: { lo: 0, hi: 255 },
  int16: { lo: -(2 ** 15), hi: 2 ** 15 - 1 },
  uint16: { lo: 0, hi: 2 ** 16 - 1 },
  int32: { lo: -(2 ** 31), hi: 2 ** 31 - 1 },
};

/** The range of every value that holds integers. */
export function integerRanges(graph: Graph, types: Types = inferTypes(graph)): IntegerRanges {
  const nodes = nodeMap(graph);
  const ranges = new Map<string, Interval>();
  const read = new Set(graph.nodes.flatMap(valueInputs));
  for (const node of graph.nodes) {
    // Weights are many, and no layer's input.
    if (node.op === "const" && !read.has(node.id)) continue;
    const range = rangeOf(node, { nodes, ranges, types });
    if (range !== undefined) ranges.set(node.id, range);
  }
  return ranges;
}

/** The inputs of a node whose ranges are asked for. */
function valueInputs(node: Node): readonly string[] {
  if (node.op === "shiftConv") return [node.inputs[0] ?? "", node.inputs[3] ?? ""];
  return movesIntegers(node) ? node.inputs : [];
}

type Scope = {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly ranges: IntegerRanges;
  readonly types: Types;
};

function rangeOf(node: Node, scope: Scope): Interval | undefined {
  switch (node.op) {
    case "const":
      return constantRange(node.attrs.tensor);
    case "quantize":
      return gridRange(node, scope);
    case "intConv":
    case "intLinear":
      return outputRange(node.attrs.output);
    case "intAvgPool":
    case "intAdd":
    case "requantize":
      return requantized(node.attrs.output);
    case "reduceBits":
      return { lo: 0, hi: 2 ** node.attrs.to - 1 };
    case "toLevels":
      return { lo: 0, hi: node.attrs.qMax };
    case "shiftConv":
      return shiftedRange(node, scope);
    case "dequantize":
      return undefined;
    default:
      return movesIntegers(node) ? movedRange(node, scope) : typeRange(node, scope);
  }
}

function requantized({ qMin, qMax, yZero }: Requantize): Interval {
  return { lo: qMin - yZero, hi: qMax - yZero };
}

function outputRange(output: IntOutput): Interval | undefined {
  return output.kind === "integer" ? requantized(output) : undefined;
}

function gridRange(node: Node<"quantize">, { nodes }: Scope): Interval | undefined {
  const [scale, zero] = [1, 2].map((at) => {
    const source = nodes.get(node.inputs[at] ?? "");
    return source?.op === "const" ? source.attrs.tensor : undefined;
  });
  const grid = gridOf(scale, zero);
  return grid && { lo: grid.lo - grid.zero, hi: grid.hi - grid.zero };
}

/** Operators that give nothing but integers that came in, and 0. */
export function movesIntegers(node: Node): boolean {
  if (node.op === "resize") return node.attrs.mode === "nearest";
  return movers.has(node.op) || node.op === "zeroInsert";
}

function movedRange(node: Node, { ranges }: Scope): Interval | undefined {
  const known = node.inputs.map((id) => ranges.get(id));
  const all = node.op === "zeroInsert" ? [...known, nothing] : known;
  const [first, ...rest] = all.filter((range) => range !== undefined);
  if (first === undefined || all.length !== rest.length + 1) return undefined;
  return rest.reduce<Interval>(
    (wide, { lo, hi }) => ({ lo: Math.min(wide.lo, lo), hi: Math.max(wide.hi, hi) }),
    first,
  );
}

function typeRange(node: Node, { types }: Scope): Interval | undefined {
  return ofType[types.get(node.id)?.dtype ?? "float32"];
}

/** What a constant holds; a float constant may be anything. */
function constantRange({ dtype, data }: Tensor): Interval | undefined {
  if (ofType[dtype] === undefined || data.length === 0) return undefined;
  let [lo, hi] = [Infinity, -Infinity];
  for (const value of data as Int32Array) {
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  return { lo, hi };
}

/** The levels, or sums, that the real weights can come to. */
function shiftedRange(node: Node<"shiftConv">, scope: Scope): Interval | undefined {
  const [x, identity] = [0, 3].map((at) => scope.ranges.get(node.inputs[at] ?? ""));
  const layer = shiftLayer(node, scope.nodes);
  const limit = outputLimit(node, layer.shift);
  if (x === undefined || (node.inputs.length > 3 && identity === undefined)) return limit;
  const { min, max } = sumBounds(layer, x, identity ?? nothing);
  if (mayWrap(node, min, max)) return limit;
  const shift = node.attrs.output.kind === "levels" ? layer.shift : 0;
  return { lo: levelOf(min, shift, limit), hi: levelOf(max, shift, limit) };
}
