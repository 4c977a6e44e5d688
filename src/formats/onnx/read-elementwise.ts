/**
 * Activations and arithmetic.
 */
import type { Node } from "../../ir/ops.ts";
import { broadcastShapes } from "../../ir/shape-arithmetic.ts";
import { float32 } from "../../tensor/tensor.ts";
import { floatOf, hasOneOutput, type OnnxNode } from "./onnx-node.ts";
import {
  floatShape,
  floatsAt,
  makeConstant,
  outputOf,
  type Reading,
  type ReadRule,
  type ReadRules,
  scalarAt,
} from "./reading.ts";

/** An operator of one float input, with attributes that the node and the reading give. */
function unary(make: (node: OnnxNode) => Omit<Node, "id" | "inputs">): ReadRule {
  return (node, reading) => {
    if (floatShape(reading, node.inputs[0]) === undefined) return undefined;
    return [{ ...make(node), id: outputOf(node), inputs: node.inputs.slice(0, 1) } as Node];
  };
}

const plain = (op: "sigmoid" | "tanh" | "abs"): ReadRule => unary(() => ({ op, attrs: {} }));

function power(value: number, scale = 1): ReadRule {
  return unary(() => ({ op: "power", attrs: { power: value, scale, shift: 0 } }));
}

const natural = (op: "exp" | "log"): ReadRule =>
  unary(() => ({ op, attrs: { base: -1, scale: 1, shift: 0 } }));

/** Limits are attributes before opset 11, inputs since. */
function readClip(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", low = "", high = ""] = node.inputs;
  if (floatShape(reading, input) === undefined) return undefined;
  const old = reading.opset < 11;
  const min = old ? floatOf(node, "min", -Infinity) : limitAt(reading, low, -Infinity);
  const max = old ? floatOf(node, "max", Infinity) : limitAt(reading, high, Infinity);
  if (min === undefined || max === undefined) return undefined;
  return [{ op: "clip", id: outputOf(node), inputs: [input], attrs: { min, max } }];
}

function limitAt(reading: Reading, id: string, absent: number): number | undefined {
  return id === "" ? absent : scalarAt(reading, id);
}

/** A slope that stands along axis 1, or one number. */
function readPrelu(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", slope = ""] = node.inputs;
  const shape = floatShape(reading, input);
  const slopes = floatShape(reading, slope);
  if (shape === undefined || slopes === undefined) return undefined;
  const id = outputOf(node);
  const count = slopes.reduce((product, dim) => product * dim, 1);
  const asIs = slopes.length === 1 && (count === 1 || shape.length === 2);
  if (asIs) return [{ op: "prelu", id, inputs: [input, slope], attrs: {} }];
  const values = floatsAt(reading, slope);
  const alongChannels = slopes.at(1 - shape.length) === count && slopes.length >= shape.length - 1;
  if (values === undefined || (count !== 1 && !alongChannels)) return undefined;
  const column = makeConstant(reading, `${id}.slope`, float32([count], values));
  return [column, { op: "prelu", id, inputs: [input, column.id], attrs: {} }];
}

/** `x ^ p` for a constant p. */
function readPow(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", exponent = ""] = node.inputs;
  const value = scalarAt(reading, exponent);
  const rank = reading.types.get(exponent)?.shape.length ?? 0;
  const shape = floatShape(reading, input);
  if (value === undefined || shape === undefined || rank > shape.length) return undefined;
  const attrs = { power: value, scale: 1, shift: 0 };
  return [{ op: "power", id: outputOf(node), inputs: [input], attrs }];
}

type Arithmetic = "add" | "sub" | "mul" | "div" | "maximum";

/** Float inputs that broadcast. */
function arithmetic(op: Arithmetic): ReadRule {
  return (node, reading) => {
    const shapes = node.inputs.map((id) => floatShape(reading, id));
    const known = shapes.filter((shape) => shape !== undefined);
    if (known.length !== node.inputs.length) return undefined;
    known.reduce((a, b) => broadcastShapes(a, b, node.opType));
    const [id, inputs] = [outputOf(node), node.inputs];
    if (inputs.length === 1) return [{ op: "identity", id, inputs, attrs: {} }];
    return [{ op, id, inputs, attrs: {} }];
  };
}

/** At inference a dropout passes its input on; the mask output and training stay opaque. */
function readDropout(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", ratio = "", training = ""] = node.inputs;
  const flag = reading.constants.get(training);
  const inference = training === "" || (flag?.dtype === "bool" && flag.data[0] === 0);
  if (!inference || !hasOneOutput(node) || floatShape(reading, input) === undefined) {
    return undefined;
  }
  const attrs = { ratio: scalarAt(reading, ratio) ?? floatOf(node, "ratio", 0.5) };
  return [{ op: "dropout", id: outputOf(node), inputs: [input], attrs }];
}

export const elementwiseReadRules: ReadRules = {
  Relu: unary(() => ({ op: "relu", attrs: { slope: 0 } })),
  LeakyRelu: unary((node) => ({
    op: "relu",
    attrs: { slope: floatOf(node, "alpha", Math.fround(0.01)) },
  })),
  Clip: readClip,
  PRelu: readPrelu,
  Elu: unary((node) => ({ op: "elu", attrs: { alpha: floatOf(node, "alpha", 1) } })),
  Sigmoid: plain("sigmoid"),
  Tanh: plain("tanh"),
  Abs: plain("abs"),
  Neg: power(1, -1),
  Sqrt: power(0.5),
  Reciprocal: power(-1),
  Pow: readPow,
  Exp: natural("exp"),
  Log: natural("log"),
  Add: arithmetic("add"),
  Sum: arithmetic("add"),
  Sub: arithmetic("sub"),
  Mul: arithmetic("mul"),
  Div: arithmetic("div"),
  Max: arithmetic("maximum"),
  Dropout: readDropout,
  Identity: unary(() => ({ op: "identity", attrs: {} })),
};
