/**
 * Limits that a layer's blobs are brought back to after each update. Options of ours, not Caffe's: chips hold weights
 * and biases on one grid, so that a large bias costs the weights their bits.
 */
import { workError } from "../../error.ts";
import { int, ints } from "../../formats/onnx/attribute.ts";
import type { Shape } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import type { Tape } from "../tape.ts";

/** Blobs are named by their keys. */
export type Constraint =
  /** The bias stays within plus or minus the largest magnitude of the weights. */
  | { readonly kind: "clipBias"; readonly weight: string; readonly bias: string }
  /** The L2 norm of the weights of each channel along `axis` (0 for a convolution's outputs) is at most `limit`. */
  | {
      readonly kind: "maxNorm";
      readonly weight: string;
      readonly axis: number;
      readonly limit: number;
    };

/** Norms first, so that biases are clipped to weights as they stay. */
function ordered(constraints: readonly Constraint[]): readonly Constraint[] {
  const first = constraints.filter(({ kind }) => kind === "maxNorm");
  return [...first, ...constraints.filter(({ kind }) => kind !== "maxNorm")];
}

function blobOf<V>(values: ReadonlyMap<string, V>, key: string): V {
  const value = values.get(key);
  if (value !== undefined) return value;
  throw workError("a constraint names a blob that the network does not have", { got: key });
}

/** The definition: all values, those of the constraints within their limits. */
export function constrain(
  constraints: readonly Constraint[],
  values: ReadonlyMap<string, Tensor<"float32">>,
): ReadonlyMap<string, Tensor<"float32">> {
  const kept = new Map(values);
  for (const constraint of ordered(constraints)) {
    const weight = blobOf(kept, constraint.weight);
    if (constraint.kind === "maxNorm") {
      kept.set(constraint.weight, limitNorms(weight, constraint.axis, constraint.limit));
      continue;
    }
    const bias = blobOf(kept, constraint.bias);
    const bound = weight.data.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
    const clipped = bias.data.map((value) => Math.min(Math.max(value, -bound), bound));
    kept.set(constraint.bias, float32(bias.shape, clipped));
  }
  return kept;
}

/** Weights times `limit / max(norm, limit)` of their channel. */
function limitNorms(
  { shape, data }: Tensor<"float32">,
  axis: number,
  limit: number,
): Tensor<"float32"> {
  const channels = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const channelOf = (at: number): number => Math.floor(at / inner) % channels;
  const squares = new Float64Array(channels);
  for (const [at, value] of data.entries()) {
    squares[channelOf(at)] = (squares[channelOf(at)] ?? 0) + value * value;
  }
  const bound = Math.fround(limit);
  const factors = Float32Array.from(squares, (sum) => {
    return bound / Math.max(Math.fround(Math.sqrt(sum)), bound);
  });
  return float32(
    shape,
    data.map((value, at) => value * (factors[channelOf(at)] ?? 1)),
  );
}

/**
 * Writes the constraints behind an update: `names` gives the value of every blob by key, `shapeOf` its shape. The result
 * has the same keys.
 */
export function emitConstraints(
  constraints: readonly Constraint[],
  names: ReadonlyMap<string, string>,
  shapeOf: (key: string) => Shape,
  tape: Tape,
): ReadonlyMap<string, string> {
  const kept = new Map(names);
  for (const constraint of ordered(constraints)) {
    const weight = blobOf(kept, constraint.weight);
    if (constraint.kind === "maxNorm") {
      const axes = shapeOf(constraint.weight).flatMap((_, at) =>
        at === constraint.axis ? [] : at,
      );
      kept.set(constraint.weight, emitLimit(weight, axes, constraint.limit, tape));
      continue;
    }
    const peak = tape.emit("ReduceMax", [tape.emit("Abs", [weight])], { keepdims: int(0) });
    const bias = blobOf(kept, constraint.bias);
    kept.set(constraint.bias, tape.emit("Clip", [bias, tape.emit("Neg", [peak]), peak]));
  }
  return kept;
}

function emitLimit(weight: string, axes: readonly number[], limit: number, tape: Tape): string {
  const norm = tape.emit("ReduceL2", [weight], { axes: ints(axes), keepdims: int(1) });
  const bound = tape.number(limit);
  return tape.mul(weight, tape.div(bound, tape.emit("Max", [norm, bound])));
}
