/**
 * Operators that are an affine function of each channel, `y = factor[c] * x + offset[c]` along axis
 * 1, read as such in float64. Nothing is rounded here.
 */
import { inputError } from "../error.ts";
import { constantOf, describe } from "../ir/graph.ts";
import type { Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { Context } from "../ir/rewrite.ts";
import { normalizeAxis, type Shape, sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

export type Affine = { readonly factor: Float64Array; readonly offset: Float64Array };

/** An affine operator: the value that it reads, and what it does to each of its channels. */
export type AffineUse = { readonly source: string; readonly affine: Affine };

/** What reading a node as affine needs to know of its surroundings. */
type Scope = { readonly context: Context; readonly types: Types };

/** `outer(inner(x))`. */
export function composeAffine(outer: Affine, inner: Affine): Affine {
  const factor = outer.factor.map((f, c) => f * (inner.factor[c] ?? 1));
  const offset = outer.factor.map((f, c) => f * (inner.offset[c] ?? 0) + (outer.offset[c] ?? 0));
  return { factor, offset };
}

/**
 * The node as an affine function of its channels: batchNorm, scale, bias, add, sub, mul, div and
 * power with constants. Undefined where it is none, or not finite. Throws where a batchNorm has
 * `variance + epsilon <= 0`.
 */
export function affineOf(node: Node, scope: Scope): AffineUse | undefined {
  const use = readAffine(node, scope);
  if (use === undefined) return undefined;
  const { factor, offset } = use.affine;
  return factor.every(Number.isFinite) && offset.every(Number.isFinite) ? use : undefined;
}

function readAffine(node: Node, scope: Scope): AffineUse | undefined {
  switch (node.op) {
    case "batchNorm":
      return readBatchNorm(node, scope);
    case "scale":
      return readScale(node, scope);
    case "bias":
      return readBias(node, scope);
    case "power":
      return readPower(node, scope);
    case "add":
    case "sub":
    case "mul":
    case "div":
      return readArithmetic(node, scope);
    default:
      return undefined;
  }
}

/** `(x - mean) / sqrt(variance + epsilon) * gamma + beta`. */
function readBatchNorm(node: Node<"batchNorm">, scope: Scope): AffineUse | undefined {
  const [source = "", ...parameters] = node.inputs;
  const [mean, variance, gamma, beta] = parameters.map((id) => floats(id, scope));
  if (mean === undefined || variance === undefined) return undefined;
  if (parameters.length === 4 && (gamma === undefined || beta === undefined)) return undefined;
  const lengths = [mean, variance, gamma ?? mean, beta ?? mean].map(({ data }) => data.length);
  const channels = channelsOf(source, scope) ?? mean.data.length;
  if (lengths.some((length) => length !== channels)) {
    throw inputError("parameters do not fit the channels", {
      node: describe(node),
      expected: `${channels} values each`,
      got: lengths.join(", "),
    });
  }
  const { epsilon } = node.attrs;
  const factor = Float64Array.from(variance.data, (value, c) => {
    const spread = value + epsilon;
    if (!(spread > 0)) throw notPositive(node, c, value);
    return (gamma?.data[c] ?? 1) / Math.sqrt(spread);
  });
  const offset = factor.map((f, c) => (beta?.data[c] ?? 0) - (mean.data[c] ?? 0) * f);
  return { source, affine: { factor, offset } };
}

function notPositive(node: Node<"batchNorm">, channel: number, variance: number): Error {
  return inputError("variance + epsilon must be positive", {
    node: describe(node),
    got: `${variance} + ${node.attrs.epsilon} in channel ${channel}`,
    hint: "The batch norm's statistics are damaged or were never trained",
  });
}

function readScale(node: Node<"scale">, scope: Scope): AffineUse | undefined {
  const [source = "", gamma, beta] = node.inputs;
  const factor = alongAxis(gamma, source, node.attrs.axis, scope);
  if (factor === undefined) return undefined;
  const offset =
    beta === undefined
      ? new Float64Array(factor.length)
      : alongAxis(beta, source, node.attrs.axis, scope);
  return offset && { source, affine: { factor, offset } };
}

function readBias(node: Node<"bias">, scope: Scope): AffineUse | undefined {
  const [source = "", bias] = node.inputs;
  const offset = alongAxis(bias, source, node.attrs.axis, scope);
  return offset && { source, affine: { factor: ones(offset.length), offset } };
}

function readPower(node: Node<"power">, scope: Scope): AffineUse | undefined {
  const [source = ""] = node.inputs;
  const channels = channelsOf(source, scope);
  const { power, scale, shift } = node.attrs;
  if (power !== 1 || channels === undefined) return undefined;
  const affine = {
    factor: new Float64Array(channels).fill(scale),
    offset: new Float64Array(channels).fill(shift),
  };
  return { source, affine };
}

/** One side is computed, the other a constant that says one number per channel. */
function readArithmetic(
  node: Node<"add" | "sub" | "mul" | "div">,
  scope: Scope,
): AffineUse | undefined {
  const [left = "", right = ""] = node.inputs;
  if (node.inputs.length !== 2) return undefined;
  const isLeft = floats(left, scope) !== undefined;
  if (isLeft && node.op === "div") return undefined;
  const [source, constant] = isLeft ? [right, left] : [left, right];
  const shape = scope.types.get(source)?.shape;
  const after = scope.types.get(node.id)?.shape;
  if (shape === undefined || after === undefined || !sameShape(shape, after)) return undefined;
  const value = floats(constant, scope);
  const values = value && perChannel(value, shape, shape.length - value.shape.length);
  const affine = values && arithmeticAffine(node, values, isLeft);
  return affine && { source, affine };
}

function arithmeticAffine(
  node: Node<"add" | "sub" | "mul" | "div">,
  values: Float64Array,
  isLeft: boolean,
): Affine {
  const zeros = new Float64Array(values.length);
  switch (node.op) {
    case "add": {
      // Coefficients belong to the inputs in their order.
      const [a = 1, b = 1] = node.attrs.coefficients ?? [];
      const [ofSource, ofConstant] = isLeft ? [b, a] : [a, b];
      return { factor: zeros.map(() => ofSource), offset: values.map((c) => ofConstant * c) };
    }
    case "sub":
      return isLeft
        ? { factor: zeros.map(() => -1), offset: values }
        : { factor: ones(values.length), offset: values.map((c) => -c) };
    case "mul":
      return { factor: values, offset: zeros };
    case "div":
      return { factor: values.map((c) => 1 / c), offset: zeros };
  }
}

const ones = (length: number): Float64Array => new Float64Array(length).fill(1);

function floats(id: string | undefined, { context }: Scope): Tensor<"float32"> | undefined {
  const value = constantOf(context.get(id));
  return value?.dtype === "float32" ? value : undefined;
}

function channelsOf(id: string, { types }: Scope): number | undefined {
  return types.get(id)?.shape[1];
}

/** A constant that is laid against `source` from `axis` on, as one number per channel. */
function alongAxis(
  id: string | undefined,
  source: string,
  axis: number,
  scope: Scope,
): Float64Array | undefined {
  const value = floats(id, scope);
  const shape = scope.types.get(source)?.shape;
  if (value === undefined || shape === undefined) return undefined;
  if (value.data.length === 1) return perChannel(value, shape, 0);
  return perChannel(value, shape, normalizeAxis(axis, shape.length));
}

/**
 * The constant as one number per channel of `shape`; its first dimension lies against axis `lead`.
 * Undefined where it varies along another axis.
 */
function perChannel(
  value: Tensor<"float32">,
  shape: Shape,
  lead: number,
): Float64Array | undefined {
  const [, channels] = shape;
  if (channels === undefined || lead < 0) return undefined;
  if (value.data.length === 1) return new Float64Array(channels).fill(value.data[0] ?? 0);
  const fits = value.shape.every((dim, at) => dim === (at + lead === 1 ? channels : 1));
  return fits && value.data.length === channels ? Float64Array.from(value.data) : undefined;
}
