/**
 * SSD's default boxes. They depend on shapes only, so the result is a constant of the network. Bit
 * for bit what the Caffe layer gives: float32, with the halving and the division by the image size in double.
 */

import { asNchw, elementCount, type Shape } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import type { Ops } from "./ops.ts";

type Size = { readonly w: number; readonly h: number };

/**
 * Boxes [1, 2, positions * boxes * 4]: row 0 xmin, ymin, xmax, ymax as fractions of the image, row 1
 * the variances. Per position and `minSize`: a square of it, one of `sqrt(min * max)`, then the other
 * ratios, each with its inverse where `flip` says so. Sizes are truncated to integers, as in Caffe.
 * @param feature shape of the feature map [n, c, h, w]
 * @param image shape of the network's input [n, c, h, w]
 */
export function priorBox(attrs: Ops["priorBox"], feature: Shape, image: Shape): Tensor<"float32"> {
  const [, , rows, columns] = asNchw(feature);
  const [, , imageRows, imageColumns] = asNchw(image);
  const [height, width] = attrs.imageSize ?? [imageRows, imageColumns];
  const step = attrs.step ?? [Math.fround(height / rows), Math.fround(width / columns)];
  const sizes = boxSizes(attrs);
  const half = elementCount([rows, columns, sizes.length, 4]);
  const data = new Float32Array(2 * half);
  let at = 0;
  for (let row = 0; row < rows; row += 1) {
    const y = Math.fround(Math.fround(row + attrs.offset) * step[0]);
    for (let column = 0; column < columns; column += 1) {
      const x = Math.fround(Math.fround(column + attrs.offset) * step[1]);
      for (const { w, h } of sizes) {
        data[at] = (x - w / 2) / width;
        data[at + 1] = (y - h / 2) / height;
        data[at + 2] = (x + w / 2) / width;
        data[at + 3] = (y + h / 2) / height;
        at += 4;
      }
    }
  }
  if (attrs.clip) data.set(data.subarray(0, half).map((x) => Math.min(Math.max(x, 0), 1)));
  const { variances } = attrs;
  for (let i = 0; i < half; i += 1) data[half + i] = variances[i % variances.length] ?? 0;
  return float32([1, 2, half], data);
}

/** Width and height in pixels of the boxes at one position, in Caffe's order. */
function boxSizes(attrs: Ops["priorBox"]): readonly Size[] {
  const ratios = attrs.aspectRatios.flatMap((ratio) => {
    if (Math.abs(ratio - 1) < 1e-6) return [];
    return attrs.flip ? [ratio, Math.fround(1 / ratio)] : [ratio];
  });
  return attrs.minSizes.flatMap((size, index) => {
    const min = Math.trunc(size);
    const max = attrs.maxSizes[index];
    const boxes: Size[] = [{ w: min, h: min }];
    if (max !== undefined) {
      const middle = Math.fround(Math.sqrt(min * Math.trunc(max)));
      boxes.push({ w: middle, h: middle });
    }
    for (const ratio of ratios) {
      const root = Math.fround(Math.sqrt(ratio));
      boxes.push({ w: Math.fround(min * root), h: Math.fround(min / root) });
    }
    return boxes;
  });
}
