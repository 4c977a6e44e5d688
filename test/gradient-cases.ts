/**
 * What the gradients' check draws from: the random small cases with values away from kinks and ties, and cases that only
 * matter for gradients.
 */
import fc from "fast-check";
import type { Graph } from "../src/ir/graph.ts";
import type { Op } from "../src/ir/ops.ts";
import type { BatchStatistics } from "../src/ir/training.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import { valuesApart, valuesAway } from "./gradient-check.ts";
import { awayFromZero, images, normals, smallCases } from "./small-case.ts";
import { smallChipCases } from "./small-chip-case.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";

export type GradientCase = SmallGraph & {
  readonly wanted: readonly string[];
  readonly statistics?: readonly BatchStatistics[];
};

/** Operators that no gradient passes, and those whose gradient is no derivative. */
export const withoutDerivative: { readonly [O in Op]?: string } = {
  input: "part of every case",
  const: "part of every case",
  argMax: "chooses",
  imageToTensor: "reads bytes",
  priorBox: "depends on shapes only",
  detectionOutput: "chooses",
  reduceBits: "reads pictures, before which nothing is learned",
  quantConv: "straight-through: src/train/rules/quant-conv.test.ts",
  quantRelu: "straight-through: src/train/rules/quant-relu.test.ts",
  quantize: "straight-through: src/train/rules/levels.test.ts",
  dequantize: "straight-through: src/train/rules/levels.test.ts",
  toLevels: "straight-through: src/train/rules/levels.test.ts",
  stochasticPool: "is refused in training",
  intConv: "integers",
  intLinear: "integers",
  intAvgPool: "integers",
  intAdd: "integers",
  requantize: "integers",
  shiftConv: "integers",
  opaque: "unknown",
  result: "unknown",
};

/** Operators with kinks at these values of x. */
const kinks: { readonly [O in Op]?: readonly number[] } = {
  relu: [0],
  prelu: [0],
  elu: [0],
  abs: [0],
  clip: [-0.5, 0.75],
};
const withTies: ReadonlySet<Op> = new Set<Op>(["maxPool", "globalMaxPool", "maximum"]);
/** Stored statistics are no parameters. */
const notLearned: { readonly [O in Op]?: readonly string[] } = { batchNorm: ["c0", "c1"] };

/** The case with values that a central difference may look at. */
function prepared(op: Op, small: SmallGraph): GradientCase {
  const { graph } = small;
  const fed = [...small.feeds];
  const values = fed.map(([, value]) => value);
  const at = kinks[op];
  const moved = withTies.has(op)
    ? valuesApart(values)
    : values.map((value) => (at === undefined ? unitFree(op, value) : valuesAway(value, at)));
  const skipped = notLearned[op] ?? [];
  return {
    graph,
    feeds: new Map(fed.map(([id], index) => [id, moved[index] ?? float32([0], [])])),
    wanted: graph.nodes
      .filter(({ op: kind, id }) => (kind === "input" || kind === "const") && !skipped.includes(id))
      .map(({ id }) => id),
  };
}

/** A vector of length 0 has no direction. */
function unitFree(op: Op, value: Tensor): Tensor {
  return op === "normalize" && value.dtype === "float32" ? awayFromZero(value) : value;
}

/** Random cases by operator. */
export const gradientCases: { readonly [O in Op]?: fc.Arbitrary<GradientCase> } =
  Object.fromEntries(
    Object.entries({ ...smallCases, ...smallChipCases })
      .filter(([op]) => withoutDerivative[op as Op] === undefined)
      .map(([op, cases]) => [op, cases.map((small) => prepared(op as Op, small))]),
  );

const shaped = images.map(({ n, c, h, w, seed }) => ({ shape: [n, c, h, w], seed }));

/** A node that reads the same value twice. */
function twice(op: "mul" | "concat" | "add" | "div", x: Tensor): GradientCase {
  const attrs = op === "concat" ? { axis: 1 } : {};
  const { graph, feeds } = smallGraph(op, attrs as { axis: number }, [x]);
  const nodes = graph.nodes.map((node) =>
    node.id === "y" ? { ...node, inputs: ["x0", "x0"] } : node,
  ) as Graph["nodes"];
  return { graph: { ...graph, nodes }, feeds, wanted: ["x0"] };
}

/** What the small cases do not have: three operands, computed factors, one value read twice. */
export const furtherCases: Readonly<Record<string, fc.Arbitrary<GradientCase>>> = {
  "batchNorm by the batch's statistics": fc
    .tuple(images, fc.boolean())
    .map(([{ n, c, h, w, seed }, affine]) => {
      const channel = (at: number): Tensor<"float32"> => normals(seed + at, [c]);
      const stored = [channel(1), awayFromZero(channel(2), true)] as const;
      const learned = affine ? [channel(3), channel(4)] : [];
      // At least six values per channel: the variance of few is close to 0 too often.
      const x = normals(seed, [n + 2, c, h + 1, w]);
      const small = smallGraph("batchNorm", { epsilon: 1e-3 }, [x], [...stored, ...learned]);
      const statistics = {
        id: "y",
        layer: "bn",
        fraction: 0.9,
        sums: [...stored, float32([1], [2])] as const,
      };
      return { ...prepared("batchNorm", small), statistics: [statistics] };
    }),
  "maximum of three": shaped.map(({ shape, seed }) => {
    const three = [normals(seed, shape), normals(seed + 1, shape.slice(1)), normals(seed + 2, [1])];
    return prepared("maximum", smallGraph("maximum", {}, three));
  }),
  "mul of three": shaped.map(({ shape, seed }) => {
    const three = [
      normals(seed, shape),
      normals(seed + 1, shape),
      normals(seed + 2, shape.slice(2)),
    ];
    return prepared("mul", smallGraph("mul", {}, three));
  }),
  "div of three": shaped.map(({ shape, seed }) => {
    const divisors = [normals(seed + 1, shape), normals(seed + 2, [1])].map((x) => awayFromZero(x));
    return prepared("div", smallGraph("div", {}, [normals(seed, shape), ...divisors]));
  }),
  "sub of three": shaped.map(({ shape, seed }) => {
    const others = [normals(seed + 1, shape), normals(seed + 2, shape.slice(3))];
    return prepared("sub", smallGraph("sub", {}, [normals(seed, shape), ...others]));
  }),
  "scale by another blob": fc
    .tuple(shaped, fc.nat(3), fc.nat(3))
    .map(([{ shape, seed }, axis, rank]) => {
      const factor = normals(seed + 1, shape.slice(axis, axis + rank));
      return prepared("scale", smallGraph("scale", { axis }, [normals(seed, shape), factor]));
    }),
  "bias on a matrix": shaped.map(({ shape: [n = 1, c = 1], seed }) =>
    prepared(
      "bias",
      smallGraph("bias", { axis: 1 }, [normals(seed, [n, c])], [normals(seed + 1, [c])]),
    ),
  ),
  "prelu of a matrix": shaped.map(({ shape: [n = 1, c = 1], seed }) =>
    prepared("prelu", smallGraph("prelu", {}, [normals(seed, [n, c])], [normals(seed + 1, [c])])),
  ),
  "power of 1 and of a negated value": fc
    .tuple(shaped, fc.constantFrom([1, -1], [2, -0.5], [0, 1], [3, 1]))
    .map(([{ shape, seed }, [power = 1, scale = 1]]) =>
      prepared("power", smallGraph("power", { power, scale, shift: 0 }, [normals(seed, shape)])),
    ),
  "lrn over an even number of neighbours": fc
    .tuple(shaped, fc.constantFrom<"across" | "within">("across", "within"))
    .map(([{ shape, seed }, region]) =>
      prepared(
        "lrn",
        smallGraph("lrn", { size: 4, alpha: 1, beta: 0.5, k: 1, region }, [normals(seed, shape)]),
      ),
    ),
  "dropout of ratio 0": shaped.map(({ shape, seed }) =>
    prepared("dropout", smallGraph("dropout", { ratio: 0 }, [normals(seed, shape)])),
  ),
  "a value read twice": fc
    .tuple(shaped, fc.constantFrom<"mul" | "concat" | "add" | "div">("mul", "concat", "add", "div"))
    .map(([{ shape, seed }, op]) => twice(op, awayFromZero(normals(seed, shape)))),
};
