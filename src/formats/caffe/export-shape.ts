/**
 * Nodes that join, cut and rearrange values, and SSD's host operators, as Caffe layers.
 */
import type { Node } from "../../ir/ops.ts";
import {
  assertSameShapes,
  type ExportContext,
  inexpressible,
  inputShapeOf,
  layerFor,
} from "./export-context.ts";
import type { LayerInit } from "./schema/schema.ts";

/** Eltwise of all inputs, which must have one shape. */
export function exportEltwise(
  node: Node<"add" | "sub" | "mul" | "maximum">,
  context: ExportContext,
): LayerInit {
  assertSameShapes(context, node);
  const operation = node.op === "mul" ? "PROD" : node.op === "maximum" ? "MAX" : "SUM";
  const coeff =
    node.op === "add" ? node.attrs.coefficients : node.op === "sub" ? [1, -1] : undefined;
  const eltwise_param = { operation, ...(coeff === undefined ? {} : { coeff }) } as const;
  return layerFor(context, node, "Eltwise", { eltwise_param }, node.inputs.length);
}

/** The slices that together are all of a value: one layer. Undefined where they are not. */
function siblings(node: Node<"slice">, context: ExportContext): readonly Node<"slice">[] {
  const { axis } = node.attrs;
  const size = inputShapeOf(context, node, 0)[axis] ?? 0;
  const all = context.graph.nodes
    .filter((one): one is Node<"slice"> => one.op === "slice")
    .filter((one) => one.inputs[0] === node.inputs[0] && one.attrs.axis === axis)
    .toSorted((a, b) => a.attrs.start - b.attrs.start);
  const covers = all.every(({ attrs }, at) => attrs.start === (all[at - 1]?.attrs.end ?? 0));
  return covers && all.at(-1)?.attrs.end === size ? all : [];
}

/** A Slice layer; what it cuts off beside the wanted piece is silenced. */
export function exportSlice(node: Node<"slice">, context: ExportContext): readonly LayerInit[] {
  const { axis, start, end } = node.attrs;
  const group = siblings(node, context);
  if (group.length > 1) {
    const isFirst =
      context.graph.nodes.find((one) => group.some(({ id }) => id === one.id)) === node;
    if (!isFirst) return [];
    const top = group.map(({ id }) => context.blobs.get(id) ?? id);
    const slice_param = { axis, slice_point: group.slice(1).map(({ attrs }) => attrs.start) };
    return [{ ...layerFor(context, node, "Slice", { slice_param }), top }];
  }
  const size = inputShapeOf(context, node, 0)[axis] ?? 0;
  const own = context.blobs.get(node.id) ?? node.id;
  const before = start > 0 ? [`${own}.before`] : [];
  const after = end < size ? [`${own}.after`] : [];
  const slice_point = [...(start > 0 ? [start] : []), ...(end < size ? [end] : [])];
  const layer = layerFor(context, node, "Slice", { slice_param: { axis, slice_point } });
  const unread = [...before, ...after];
  const silence = { name: `${node.id}.silence`, type: "Silence", bottom: unread };
  const cut = { ...layer, top: [...before, own, ...after] };
  return unread.length === 0 ? [cut] : [cut, silence];
}

/** Interp for corners aligned, Upsample for repeated pixels. */
export function exportResize(node: Node<"resize">, context: ExportContext): LayerInit {
  const { mode, alignCorners, factor } = node.attrs;
  const [, , h = 0, w = 0] = context.types.get(node.id)?.shape ?? [];
  if (mode === "bilinear" && alignCorners) {
    return layerFor(context, node, "Interp", { interp_param: { height: h, width: w } });
  }
  if (mode === "nearest" && factor?.every((one) => Number.isInteger(one) && one >= 1)) {
    const [scale_h, scale_w] = factor;
    const upsample_param = scale_h === scale_w ? { scale: scale_h } : { scale_h, scale_w };
    return layerFor(context, node, "Upsample", { upsample_param });
  }
  throw inexpressible(node, `${mode} resize with half-pixel centres or a free factor`);
}

export function exportArgMax(node: Node<"argMax">, context: ExportContext): LayerInit {
  const { axis, topK, outMaxVal } = node.attrs;
  const argmax_param = { top_k: topK, out_max_val: outMaxVal, axis };
  return layerFor(context, node, "ArgMax", { argmax_param });
}

export function exportPriorBox(node: Node<"priorBox">, context: ExportContext): LayerInit {
  const { attrs } = node;
  const prior_box_param = {
    min_size: attrs.minSizes,
    max_size: attrs.maxSizes,
    aspect_ratio: attrs.aspectRatios,
    flip: attrs.flip,
    clip: attrs.clip,
    variance: attrs.variances,
    img_h: attrs.imageSize?.[0],
    img_w: attrs.imageSize?.[1],
    step_h: attrs.step?.[0],
    step_w: attrs.step?.[1],
    offset: attrs.offset,
  };
  return layerFor(context, node, "PriorBox", { prior_box_param }, 2);
}

const codeTypes = {
  corner: "CORNER",
  centerSize: "CENTER_SIZE",
  cornerSize: "CORNER_SIZE",
} as const;

export function exportDetectionOutput(
  node: Node<"detectionOutput">,
  context: ExportContext,
): LayerInit {
  const { attrs } = node;
  const detection_output_param = {
    num_classes: attrs.classes,
    share_location: attrs.shareLocation,
    background_label_id: attrs.backgroundLabel,
    nms_param: {
      nms_threshold: attrs.nmsThreshold,
      top_k: attrs.nmsTopK < 0 ? undefined : attrs.nmsTopK,
      eta: attrs.nmsEta,
    },
    code_type: codeTypes[attrs.codeType],
    keep_top_k: attrs.keepTopK,
    variance_encoded_in_target: attrs.varianceEncodedInTarget,
    confidence_threshold: attrs.confidenceThreshold < -1e38 ? undefined : attrs.confidenceThreshold,
  };
  return layerFor(context, node, "DetectionOutput", { detection_output_param }, 3);
}
