/**
 * Gradients of normalizations without state: over neighbours (LRN), and to unit length (SSD). Their forward parts are
 * written so that the way back can read the norms.
 */
import { int, ints } from "../../formats/onnx/attribute.ts";
import type { Node } from "../../ir/ops.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tape, TrainRule } from "../tape.ts";
import { channelsOf, sumToChannels } from "./columns.ts";

/**
 * `y = x * s^-beta` with `s = k + alpha * mean(x^2)`, the mean over a zero-padded window:
 * `dx = dy * s^-beta - 2 * alpha * beta * x * mean'(dy * y / s)`, mean' over the windows that hold a place.
 */
export const lrn: TrainRule<"lrn"> = (node, tape) => {
  const [x = ""] = node.inputs;
  const { size, alpha, beta, k } = node.attrs;
  const before = Math.floor((size - 1) / 2);
  const mean = windowMean(node, tape, x);
  const weighted = tape.mul(mean(tape.mul(x, x), before), tape.number(alpha));
  const sum = tape.add(weighted, tape.number(k));
  const factor = tape.emit("Pow", [sum, tape.number(-beta)]);
  tape.emit("Mul", [x, factor], {}, node.id);
  return (dy) => {
    const shares = mean(tape.div(tape.mul(dy, node.id), sum), size - 1 - before);
    const loss = tape.mul(tape.mul(x, shares), tape.number(2 * alpha * beta));
    return [tape.sub(tape.mul(dy, factor), loss)];
  };
};

/** Means over windows that begin `before` places ahead: of channels or of pixels. */
function windowMean(
  node: Node<"lrn">,
  tape: Tape,
  x: string,
): (values: string, before: number) => string {
  const { size, region } = node.attrs;
  const shape = tape.shapeOf(x);
  const pool = (values: string, kernel: readonly number[], pads: readonly number[]): string =>
    tape.emit("AveragePool", [values], {
      kernel_shape: ints(kernel),
      strides: ints([1, 1]),
      pads: ints(pads),
      count_include_pad: int(1),
    });
  if (region === "within") {
    return (values, before) => {
      const after = size - 1 - before;
      return pool(values, [size, size], [before, before, after, after]);
    };
  }
  const [n = 1, channels = 1, ...image] = shape;
  // Channels as the rows of an image: a pooling slides along rows and columns only.
  const rows = [n, 1, channels, image.reduce((product, dim) => product * dim, 1)];
  return (values, before) => {
    const pads = [before, 0, size - 1 - before, 0];
    return tape.reshape(pool(tape.reshape(values, rows), [size, 1], pads), shape);
  };
}

/**
 * `y = scale * u` with `u = x / |x|`: `dx = (g - u * sum(g * u)) / |x|` with `g = scale * dy`; `dscale` sums `dy * u`.
 */
export const normalize: TrainRule<"normalize"> = (node, tape) => {
  const [x = "", scale = ""] = node.inputs;
  const shape = tape.shapeOf(x);
  const axes = normalizedAxes(node, shape);
  const gain = channelsOf(tape, scale, shape.length);
  const squares = tape.emit("ReduceSumSquare", [x], { axes: ints(axes), keepdims: int(1) });
  const norm = tape.emit("Sqrt", [tape.add(squares, tape.number(node.attrs.epsilon))]);
  const unit = tape.div(x, norm);
  tape.emit("Mul", [unit, gain], {}, node.id);
  return (dy, [wantsX, wantsScale]) => {
    const towards = (): string => {
      const scaled = tape.mul(dy, gain);
      const along = tape.sum(tape.mul(scaled, unit), axes, true);
      return tape.div(tape.sub(scaled, tape.mul(unit, along)), norm);
    };
    return [
      wantsX ? towards() : undefined,
      wantsScale ? sumToChannels(tape, tape.mul(dy, unit), shape, scale) : undefined,
    ];
  };
};

function normalizedAxes(node: Node<"normalize">, shape: Shape): readonly number[] {
  return node.attrs.acrossSpatial ? shape.map((_, axis) => axis).slice(1) : [1];
}
