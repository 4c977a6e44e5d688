/**
 * Caffe's fillers: the values that a blob has before anything is learned. Distributions are Caffe's; its stream of
 * random numbers is not, ours depends on the seed and the blob's key alone.
 */
import { inputError } from "../../error.ts";
import type { MessageInit } from "../../protobuf/schema.ts";
import { createRandom, type Random, textSeed } from "../../tensor/random.ts";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.ts";
import { type CaffeSchema, setting } from "./schema/schema.ts";

export type Filler = MessageInit<CaffeSchema, "FillerParameter">;

/** Names the blob in errors: `layer "conv1"`. */
type Fill = (filler: Filler, shape: Shape, node: string) => Float32Array;
type Draw = (filler: Filler, shape: Shape, random: Random, node: string) => Float32Array;

/** Those that need no dice. */
const fixedFillers: Readonly<Record<string, Fill>> = {
  constant: (filler, shape) => filled(shape, setting("FillerParameter", filler, "value")),
  constant_array: repeatArray,
  bilinear: (_, shape) => bilinearKernel(shape),
};

const randomFillers: Readonly<Record<string, Draw>> = {
  uniform: drawUniform,
  gaussian: drawGaussian,
  xavier: drawXavier,
  msra: drawMsra,
  positive_unitball: drawUnitBall,
};

/** Values of a filler that is no dice: constant, constant_array or bilinear; undefined otherwise. */
export function fillFixed(filler: Filler, shape: Shape, node: string): Float32Array | undefined {
  const type = setting("FillerParameter", filler, "type");
  checkArray(filler, type, node);
  return entry(fixedFillers, type)?.(filler, shape, node);
}

/**
 * Initial values of any filler. `key` (`conv1/0`) chooses the stream of the seed, so that a blob's values do not
 * depend on the layers before it. Throws an input error on an unknown type and on bounds that make no sense.
 */
export function fillBlob(
  filler: Filler,
  shape: Shape,
  seed: number,
  key: string,
  node: string = `blob "${key}"`,
): Float32Array {
  const fixed = fillFixed(filler, shape, node);
  if (fixed !== undefined) return fixed;
  const type = setting("FillerParameter", filler, "type");
  const draw = entry(randomFillers, type);
  if (draw === undefined) {
    throw inputError("no such filler", {
      node,
      expected: `one of ${[...Object.keys(fixedFillers), ...Object.keys(randomFillers)].join(", ")}`,
      got: `"${type}"`,
    });
  }
  if (type !== "gaussian" && setting("FillerParameter", filler, "sparse") !== -1) {
    throw inputError("only the gaussian filler can be sparse", { node, got: `"${type}"` });
  }
  return draw(filler, shape, createRandom(seed, textSeed(key)), node);
}

function entry<T>(table: Readonly<Record<string, T>>, type: string): T | undefined {
  return Object.hasOwn(table, type) ? table[type] : undefined;
}

function filled(shape: Shape, value: number): Float32Array {
  return new Float32Array(elementCount(shape)).fill(value);
}

function checkArray(filler: Filler, type: string, node: string): void {
  if (type === "constant_array" || (filler.value_array ?? []).length === 0) return;
  throw inputError("a filler with value_array is of type constant_array", {
    node,
    got: `"${type}"`,
  });
}

function repeatArray(filler: Filler, shape: Shape, node: string): Float32Array {
  const values = filler.value_array ?? [];
  const count = elementCount(shape);
  if (values.length > 0 && count % values.length === 0) {
    return Float32Array.from({ length: count }, (_, at) => values[at % values.length] ?? 0);
  }
  throw inputError("value_array must fill the weights a whole number of times", {
    node,
    expected: `a divisor of ${count} values`,
    got: `${values.length}`,
  });
}

/**
 * Caffe's bilinear filler: the same tent in every kernel of a square [.., .., k, k] blob. Builds of
 * before 2017 set the top of the tent aside where k is odd.
 */
function bilinearKernel(shape: Shape): Float32Array {
  const k = shape.at(-1) ?? 1;
  const factor = Math.ceil(k / 2);
  const centre = (k - 1) / (2 * factor);
  const tent = (at: number): number => 1 - Math.abs(at / factor - centre);
  return Float32Array.from(
    { length: elementCount(shape) },
    (_, at) => tent(at % k) * tent(Math.floor(at / k) % (shape.at(-2) ?? 1)),
  );
}

function drawn(shape: Shape, draw: () => number): Float32Array {
  const values = new Float32Array(elementCount(shape));
  for (let at = 0; at < values.length; at++) values[at] = draw();
  return values;
}

function drawUniform(filler: Filler, shape: Shape, random: Random, node: string): Float32Array {
  const min = setting("FillerParameter", filler, "min");
  const max = setting("FillerParameter", filler, "max");
  if (!(min <= max)) {
    throw inputError("the uniform filler's min is above its max", { node, got: `${min}, ${max}` });
  }
  return drawn(shape, () => min + (max - min) * random.unit());
}

/** With `sparse` k, each value is kept with probability k / shape[0], else 0. */
function drawGaussian(filler: Filler, shape: Shape, random: Random, node: string): Float32Array {
  const mean = setting("FillerParameter", filler, "mean");
  const std = setting("FillerParameter", filler, "std");
  const sparse = setting("FillerParameter", filler, "sparse");
  // Caffe takes no deviation of 0 either: it would be a constant.
  if (!(std > 0)) throw inputError("std must be above 0", { node, got: `${std}` });
  const values = drawn(shape, () => mean + std * random.normal());
  if (sparse === -1) return values;
  const kept = sparse / (shape[0] ?? 1);
  if (!(kept >= 0 && kept <= 1)) {
    throw inputError("sparse is the mean number of inputs per output", {
      node,
      expected: `-1..${shape[0] ?? 1}`,
      got: `${sparse}`,
    });
  }
  return values.map((value) => (random.unit() < kept ? value : 0));
}

/** Glorot and Bengio: uniform in +-sqrt(3 / n), so that the variance is 1 / n. */
function drawXavier(filler: Filler, shape: Shape, random: Random, node: string): Float32Array {
  const scale = Math.sqrt(3 / fan(filler, shape, node));
  return drawn(shape, () => scale * (2 * random.unit() - 1));
}

/** He et al.: normal with variance 2 / n. */
function drawMsra(filler: Filler, shape: Shape, random: Random, node: string): Float32Array {
  const std = Math.sqrt(2 / fan(filler, shape, node));
  return drawn(shape, () => std * random.normal());
}

/** Caffe's n: count / shape[0], or count / shape[1] for FAN_OUT (the count of a vector), or their mean. */
function fan(filler: Filler, shape: Shape, node: string): number {
  const count = elementCount(shape);
  if (count === 0) throw inputError("the blob is empty", { node, got: formatShape(shape) });
  const fanIn = count / (shape[0] ?? 1);
  const fanOut = shape.length > 1 ? count / (shape[1] ?? 1) : count;
  const norm = setting("FillerParameter", filler, "variance_norm");
  if (norm === "FAN_OUT") return fanOut;
  return norm === "AVERAGE" ? (fanIn + fanOut) / 2 : fanIn;
}

/** Uniform in 0..1, then each row (all that belongs to one index of axis 0) divided by its sum. */
function drawUnitBall(_: Filler, shape: Shape, random: Random): Float32Array {
  const values = drawn(shape, random.unit);
  const row = values.length / (shape[0] ?? 1);
  for (let start = 0; start < values.length; start += row) {
    const part = values.subarray(start, start + row);
    const sum = part.reduce((a, b) => a + b, 0);
    part.forEach((value, at) => {
      part[at] = value / sum;
    });
  }
  return values;
}
