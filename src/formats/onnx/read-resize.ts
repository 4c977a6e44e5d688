/**
 * Resize, Upsample and Pad.
 */
import type { Node } from "../../ir/ops.ts";
import type { Pads, Pair } from "../../tensor/shape.ts";
import { floatOf, floatsOf, intOf, intsOf, type OnnxNode, textOf } from "./onnx-node.ts";
import {
  floatsAt,
  imageShape,
  integersAt,
  outputOf,
  type Reading,
  type ReadRules,
  scalarAt,
} from "./reading.ts";

type Target = { readonly size: Pair } | { readonly factor: Pair };
type Image = readonly [n: number, c: number, h: number, w: number];

/** The last two of four numbers, where the first two leave batch and channels alone. */
function imagePart(
  values: ArrayLike<number> | undefined,
  batch: number,
  channels: number,
): Pair | undefined {
  const [n, c, h, w, ...rest] = Array.from(values ?? []);
  if (n !== batch || c !== channels || h === undefined || w === undefined || rest.length > 0) {
    return undefined;
  }
  return h > 0 && w > 0 ? [h, w] : undefined;
}

function targetOf(node: OnnxNode, image: Image, reading: Reading): Target | undefined {
  if (reading.opset < 9) return scaled(imagePart(floatsOf(node, "scales"), 1, 1));
  const [, second, third, fourth = ""] = node.inputs;
  if (reading.opset < 11) return scaled(imagePart(floatsAt(reading, second), 1, 1));
  if (fourth === "") return scaled(imagePart(floatsAt(reading, third), 1, 1));
  const size = imagePart(integersAt(reading, fourth), image[0], image[1]);
  return size && { size };
}

function scaled(factor: Pair | undefined): Target | undefined {
  return factor && { factor };
}

function factorsOf(target: Target, [, , h, w]: Image): Pair {
  return "factor" in target ? target.factor : [target.size[0] / h, target.size[1] / w];
}

/**
 * ONNX's many nearest modes give `floor(i / factor)` where the coordinates are plain and rounded
 * down, and for whole factors also where pixels' centres are rounded to the nearest.
 */
function isFloorNearest(node: OnnxNode, factors: Pair, opset: number): boolean {
  const whole = factors.every(Number.isInteger);
  if (opset < 11) return whole;
  const coordinates = textOf(node, "coordinate_transformation_mode", "half_pixel");
  const rounding = textOf(node, "nearest_mode", "round_prefer_floor");
  if (coordinates === "asymmetric") {
    const small = factors.every((factor) => factor === 1 || factor === 2);
    return rounding === "floor" || (small && rounding === "round_prefer_floor");
  }
  return coordinates === "half_pixel" && whole && rounding.startsWith("round_prefer");
}

/** True: corners aligned, false: half-pixel centres, undefined: another sampling. */
function alignment(node: OnnxNode, opset: number): boolean | undefined {
  if (opset < 11) return undefined;
  const coordinates = textOf(node, "coordinate_transformation_mode", "half_pixel");
  if (coordinates === "align_corners") return true;
  return coordinates === "half_pixel" ? false : undefined;
}

function readResize(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = ""] = node.inputs;
  const image = imageShape(reading, input);
  const special =
    intOf(node, "antialias", 0) !== 0 ||
    node.attributes.has("axes") ||
    textOf(node, "keep_aspect_ratio_policy", "stretch") !== "stretch";
  const target = image && !special ? targetOf(node, image, reading) : undefined;
  if (image === undefined || target === undefined) return undefined;
  const id = outputOf(node);
  const mode = textOf(node, "mode", "nearest");
  if (mode === "nearest") {
    if (!isFloorNearest(node, factorsOf(target, image), reading.opset)) return undefined;
    const attrs = { mode: "nearest" as const, alignCorners: false, ...target };
    return [{ op: "resize", id, inputs: [input], attrs }];
  }
  const alignCorners = mode === "linear" ? alignment(node, reading.opset) : undefined;
  if (alignCorners === undefined) return undefined;
  const attrs = { mode: "bilinear" as const, alignCorners, ...target };
  return [{ op: "resize", id, inputs: [input], attrs }];
}

/** Constant padding of the image axes alone. */
function readPad(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", amounts, fill = "", axes = ""] = node.inputs;
  const old = reading.opset < 11;
  const pads = old ? intsOf(node, "pads") : integersAt(reading, amounts);
  const absent = fill === "" ? 0 : scalarAt(reading, fill);
  const value = old ? floatOf(node, "value", 0) : absent;
  const constant = textOf(node, "mode", "constant") === "constant" && axes === "";
  if (!constant || imageShape(reading, input) === undefined || pads?.length !== 8) return undefined;
  const [n0, c0, top = 0, left = 0, n1, c1, bottom = 0, right = 0] = pads;
  const sides: Pads = [top, left, bottom, right];
  const spatial = [n0, c0, n1, c1].every((pad) => pad === 0) && sides.every((pad) => pad >= 0);
  if (!spatial || value === undefined) return undefined;
  return [{ op: "pad", id: outputOf(node), inputs: [input], attrs: { pads: sides, value } }];
}

export const resizeReadRules: ReadRules = {
  Resize: readResize,
  Upsample: readResize,
  Pad: readPad,
};
