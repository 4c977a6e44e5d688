/**
 * Resizing of images: nearest neighbour (any element type) and bilinear (floats).
 */
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, type Pair } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { pick } from "./indices.ts";
import {
  doubles,
  input,
  type Kernel,
  type Numeric,
  type Run,
  reals,
  realTensor,
  storedType,
} from "./kernel.ts";

export const resize: Kernel<"resize"> = (node, inputs, run) =>
  node.attrs.mode === "nearest" ? nearest(node, inputs, run) : bilinear(node, inputs, run);

type Sizes = { readonly image: Pair; readonly output: Pair };

function sizesOf(node: Node<"resize">, inputs: readonly Tensor[], run: Run): Sizes {
  const [, , h, w] = asNchw(input(node, inputs, 0).shape, describe(node));
  const [, , outH, outW] = asNchw(run.shape);
  return { image: [h, w], output: [outH, outW] };
}

function nearest(node: Node<"resize">, inputs: readonly Tensor[], run: Run): Tensor {
  const x = input(node, inputs, 0);
  const { image, output } = sizesOf(node, inputs, run);
  const rows = nearestLines(node, image[0], output[0], 0);
  const columns = nearestLines(node, image[1], output[1], 1);
  const places = new Int32Array(run.shape.reduce((a, b) => a * b, 1));
  for (let at = 0; at < places.length; at += 1) {
    const column = columns[at % output[1]]!;
    const row = rows[Math.floor(at / output[1]) % output[0]]!;
    places[at] = (Math.floor(at / (output[0] * output[1])) * image[0] + row) * image[1] + column;
  }
  return pick(x.data as Numeric, storedType(x.dtype, run.precision), run.shape, places);
}

/** `floor(i / factor)`; without a factor `floor(i * from / to)`, which no rounding can move. */
function nearestLines(node: Node<"resize">, from: number, to: number, axis: 0 | 1): number[] {
  const { factor, size } = node.attrs;
  return Array.from({ length: to }, (_, at) => {
    const source =
      size === undefined && factor !== undefined ? at / factor[axis] : (at * from) / to;
    return Math.min(Math.floor(source), from - 1);
  });
}

function bilinear(node: Node<"resize">, inputs: readonly Tensor[], run: Run): Tensor {
  const x = reals(node, inputs, 0);
  const { image, output } = sizesOf(node, inputs, run);
  const rows = bilinearLines(node, image[0], output[0], 0);
  const columns = bilinearLines(node, image[1], output[1], 1);
  const values = doubles(run.shape);
  for (let at = 0; at < values.length; at += 1) {
    const column = columns[at % output[1]]!;
    const row = rows[Math.floor(at / output[1]) % output[0]]!;
    const plane = Math.floor(at / (output[0] * output[1])) * image[0];
    const line = (y: number): number => {
      const first = (plane + y) * image[1];
      return x[first + column.near]! * (1 - column.part) + x[first + column.far]! * column.part;
    };
    values[at] = line(row.near) * (1 - row.part) + line(row.far) * row.part;
  }
  return realTensor(run, values);
}

/** Two neighbouring places, and how much of the second one is taken. */
type Blend = { readonly near: number; readonly far: number; readonly part: number };

/**
 * Half-pixel centres: `(i + 0.5) / factor - 0.5`, kept inside the image; with corners aligned
 * `i * (from - 1) / (to - 1)`.
 */
function bilinearLines(node: Node<"resize">, from: number, to: number, axis: 0 | 1): Blend[] {
  const { factor, size, alignCorners } = node.attrs;
  const ratio = size === undefined && factor !== undefined ? 1 / factor[axis] : from / to;
  return Array.from({ length: to }, (_, at) => {
    const aligned = to === 1 ? 0 : (at * (from - 1)) / (to - 1);
    const place = alignCorners ? aligned : (at + 0.5) * ratio - 0.5;
    const source = Math.min(Math.max(place, 0), from - 1);
    const near = Math.floor(source);
    return { near, far: Math.min(near + 1, from - 1), part: source - near };
  });
}
