/**
 * The two layers of SSD that run as host operators: PriorBox and DetectionOutput.
 */
import type { Pair } from "../../tensor/shape.ts";
import { emit, fault, inputOf, type LayerContext, type LayerImporter } from "./context.ts";
import { type LayerParameter, setting } from "./schema/schema.ts";

type PriorBoxParameter = NonNullable<LayerParameter["prior_box_param"]>;

const importPriorBox: LayerImporter = (context) => {
  const param = context.layer.prior_box_param;
  if (param === undefined || param.min_size.length === 0) {
    throw fault(context, "prior_box_param needs min_size");
  }
  checkSizes(context, param);
  const flip = setting("PriorBoxParameter", param, "flip");
  const imageSize = pairOf(context, "img", [param.img_h, param.img_w], param.img_size);
  const step = pairOf(context, "step", [param.step_h, param.step_w], param.step);
  const attrs = {
    minSizes: param.min_size,
    maxSizes: param.max_size,
    aspectRatios: distinctRatios(param.aspect_ratio, flip),
    flip,
    clip: setting("PriorBoxParameter", param, "clip"),
    variances: variancesOf(context, param),
    ...(imageSize === undefined ? {} : { imageSize }),
    ...(step === undefined ? {} : { step }),
    offset: setting("PriorBoxParameter", param, "offset"),
  };
  return [emit(context, "priorBox", [inputOf(context, 0), inputOf(context, 1)], attrs)];
};

function checkSizes(context: LayerContext, param: PriorBoxParameter): void {
  const { min_size: mins, max_size: maxs } = param;
  if (maxs.length > 0 && maxs.length !== mins.length) {
    throw fault(context, "max_size needs as many numbers as min_size", {
      expected: `${mins.length}`,
      got: `${maxs.length}`,
    });
  }
  const grows = maxs.every((size, at) => size > (mins[at] ?? 0));
  if (!grows || mins.some((size) => !(size > 0))) {
    throw fault(context, "min_size must be above 0, and max_size above min_size");
  }
}

/** Ratios without 1 and without those that an earlier one, or its inverse, already gives. */
function distinctRatios(ratios: readonly number[], flip: boolean): readonly number[] {
  const seen = [1];
  return ratios.filter((ratio) => {
    if (seen.some((one) => Math.abs(ratio - one) < 1e-6)) return false;
    seen.push(ratio);
    if (flip) seen.push(1 / ratio);
    return true;
  });
}

function variancesOf(context: LayerContext, param: PriorBoxParameter): readonly number[] {
  const { variance } = param;
  if (variance.length === 0) return [Math.fround(0.1)];
  if ((variance.length !== 1 && variance.length !== 4) || variance.some((one) => !(one > 0))) {
    throw fault(context, "variance needs one or four numbers above 0");
  }
  return variance;
}

/** [h, w] from one number or two; undefined where there is none. */
function pairOf(
  context: LayerContext,
  key: string,
  [h, w]: readonly [number | undefined, number | undefined],
  both: number | undefined,
): Pair | undefined {
  if (both !== undefined) {
    if (h !== undefined || w !== undefined) throw fault(context, `${key} is given twice`);
    return [both, both];
  }
  if (h === undefined && w === undefined) return undefined;
  if (h === undefined || w === undefined) throw fault(context, `${key} needs both _h and _w`);
  return [h, w];
}

const codeTypes = {
  CORNER: "corner",
  CENTER_SIZE: "centerSize",
  CORNER_SIZE: "cornerSize",
} as const;

const importDetectionOutput: LayerImporter = (context) => {
  const param = context.layer.detection_output_param;
  const code = setting("DetectionOutputParameter", param, "code_type");
  if (param?.num_classes === undefined || typeof code === "number") {
    throw fault(context, "detection_output_param needs num_classes and a known code_type");
  }
  if (context.inputs.length !== 3) {
    throw fault(context, "reads locations, confidences and default boxes", {
      expected: "3 blobs",
      got: `${context.inputs.length}`,
    });
  }
  const nms = param.nms_param;
  const attrs = {
    classes: param.num_classes,
    shareLocation: setting("DetectionOutputParameter", param, "share_location"),
    backgroundLabel: setting("DetectionOutputParameter", param, "background_label_id"),
    nmsThreshold: setting("NonMaximumSuppressionParameter", nms, "nms_threshold"),
    nmsTopK: nms?.top_k ?? -1,
    nmsEta: setting("NonMaximumSuppressionParameter", nms, "eta"),
    keepTopK: setting("DetectionOutputParameter", param, "keep_top_k"),
    // Caffe's "absent" is the lowest float: everything passes.
    confidenceThreshold: param.confidence_threshold ?? -3.4028234663852886e38,
    codeType: codeTypes[code],
    varianceEncodedInTarget: setting(
      "DetectionOutputParameter",
      param,
      "variance_encoded_in_target",
    ),
  };
  return [emit(context, "detectionOutput", context.inputs, attrs)];
};

export const ssdImporters: { readonly [type: string]: LayerImporter } = {
  PriorBox: importPriorBox,
  DetectionOutput: importDetectionOutput,
};
