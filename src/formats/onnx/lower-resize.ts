/**
 * Resizing as ONNX nodes: Resize by scales (sizes would fix the batch), Upsample before opset 10,
 * and matrix products where an old Resize does not know the sampling.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, type Pair } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import { type Attributes, floats, text } from "./attribute.ts";
import type { Builder } from "./builder.ts";

/** Elements of a matrix of weights. */
const maxMatrix = 2 ** 24;

type Sizes = { readonly from: Pair; readonly to: Pair };

function sizesOf(node: Node<"resize">, builder: Builder): Sizes {
  const [, , h, w] = asNchw(builder.typeOf(node.inputs[0] ?? "").shape, describe(node));
  const [, , oh, ow] = asNchw(builder.typeOf(node.id).shape, describe(node));
  return { from: [h, w], to: [oh, ow] };
}

/** The float32 scale next to `to / from` with which `floor(from * scale)` gives `to`. */
function scaleFor(from: number, to: number): number {
  let scale = Math.fround(to / from);
  while (Math.floor(Math.fround(from * scale)) < to) scale = Math.fround(scale * (1 + 2 ** -23));
  return scale;
}

export function lowerResize(node: Node<"resize">, builder: Builder): void {
  const { mode } = node.attrs;
  if (mode === "bilinear" && builder.opset < 11) lowerAsProducts(node, builder);
  else if (builder.opset < 11) lowerOldNearest(node, builder);
  else lowerModern(node, builder);
}

function lowerModern(node: Node<"resize">, builder: Builder): void {
  const { mode, alignCorners, factor } = node.attrs;
  const attributes: Attributes =
    mode === "nearest"
      ? {
          mode: text("nearest"),
          coordinate_transformation_mode: text("asymmetric"),
          nearest_mode: text("floor"),
        }
      : {
          mode: text("linear"),
          coordinate_transformation_mode: text(alignCorners ? "align_corners" : "half_pixel"),
        };
  const scales = builder.initializer(
    float32([4], [1, 1, ...(factor ?? scalesOf(sizesOf(node, builder)))]),
    `${node.id}/scales`,
  );
  // roi is an empty tensor before opset 13 made it optional.
  const roi = builder.opset < 13 ? builder.initializer(float32([0], []), `${node.id}/roi`) : "";
  builder.emit("Resize", [node.inputs[0] ?? "", roi, scales], attributes, node.id);
}

function scalesOf({ from, to }: Sizes): Pair {
  return [scaleFor(from[0], to[0]), scaleFor(from[1], to[1])];
}

function lowerOldNearest(node: Node<"resize">, builder: Builder): void {
  const [input = ""] = node.inputs;
  const scales = [1, 1, ...(node.attrs.factor ?? scalesOf(sizesOf(node, builder)))];
  const mode = text("nearest");
  if (builder.opset < 9) {
    builder.emit("Upsample", [input], { mode, scales: floats(scales) }, node.id);
    return;
  }
  const name = builder.initializer(float32([4], scales), `${node.id}/scales`);
  builder.emit(builder.opset < 10 ? "Upsample" : "Resize", [input, name], { mode }, node.id);
}

/** Row `i` holds the weights of the input pixels in output pixel `i`: [to, from]. */
function bilinearMatrix(from: number, to: number, alignCorners: boolean): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let row = 0; row < to; row += 1) {
    const corner = to > 1 ? (row * (from - 1)) / (to - 1) : 0;
    const centre = ((row + 0.5) * from) / to - 0.5;
    const place = Math.min(Math.max(alignCorners ? corner : centre, 0), from - 1);
    const low = Math.floor(place);
    const high = Math.min(low + 1, from - 1);
    const [a, b] = [row * from + low, row * from + high];
    matrix[a] = (matrix[a] ?? 0) + 1 - (place - low);
    matrix[b] = (matrix[b] ?? 0) + (place - low);
  }
  return matrix;
}

/** Bilinear sampling is separable: `rows * image * columns^T`. */
function lowerAsProducts(node: Node<"resize">, builder: Builder): void {
  const { from, to } = sizesOf(node, builder);
  const elements = Math.max(from[0] * to[0], from[1] * to[1]);
  if (to.some((size) => size < 1) || elements > maxMatrix) {
    throw workError("cannot be resized so in this opset", {
      node: describe(node),
      got: `${from.join("x")} to ${to.join("x")}`,
    });
  }
  const { alignCorners } = node.attrs;
  const rows = float32([to[0], from[0]], bilinearMatrix(from[0], to[0], alignCorners));
  const turned = bilinearMatrix(from[1], to[1], alignCorners);
  const columns = float32(
    [from[1], to[1]],
    Float32Array.from({ length: from[1] * to[1] }, (_, at) => {
      const [source, target] = [Math.floor(at / to[1]), at % to[1]];
      return turned[target * from[1] + source] ?? 0;
    }),
  );
  const wide = builder.emit("MatMul", [
    node.inputs[0] ?? "",
    builder.initializer(columns, `${node.id}/columns`),
  ]);
  builder.emit("MatMul", [builder.initializer(rows, `${node.id}/rows`), wide], {}, node.id);
}
