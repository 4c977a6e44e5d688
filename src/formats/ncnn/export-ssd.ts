/**
 * SSD's default boxes and detection output as ncnn layers.
 */
import type { Node } from "../../ir/ops.ts";
import {
  blobOf,
  type ExportContext,
  inexpressible,
  inputOf,
  inputShape,
  layerFor,
} from "./export-context.ts";
import { float, floats, int, type NcnnLayer } from "./layer.ts";

/** What ncnn takes for "as the image" or "as the blob says". */
export const automatic = -233;

/** Sizes as whole pixels, as Caffe takes them; ncnn would not round. */
export function exportPriorBox(node: Node<"priorBox">, context: ExportContext): NcnnLayer {
  const { attrs } = node;
  const { minSizes, maxSizes, variances, imageSize, step } = attrs;
  if (maxSizes.length > 0 && maxSizes.length !== minSizes.length) {
    throw inexpressible(node, "not every minimum size has a maximum");
  }
  const ratios = attrs.aspectRatios.filter((ratio) => Math.abs(ratio - 1) > 1e-6);
  const params = [
    [floats(0, minSizes.map(Math.trunc))],
    maxSizes.length === 0 ? [] : [floats(1, maxSizes.map(Math.trunc))],
    ratios.length === 0 ? [] : [floats(2, ratios)],
    [0, 1, 2, 3].map((at) => float(3 + at, variances[at % variances.length] ?? 0)),
    [int(7, attrs.flip ? 1 : 0), int(8, attrs.clip ? 1 : 0)],
    [int(9, imageSize?.[1] ?? automatic), int(10, imageSize?.[0] ?? automatic)],
    [float(11, step?.[1] ?? automatic), float(12, step?.[0] ?? automatic), float(13, attrs.offset)],
  ];
  const bottoms = [blobOf(context, inputOf(node, 0)), blobOf(context, inputOf(node, 1))];
  return layerFor(context, node, "PriorBox", { bottoms, params });
}

/** What ncnn's layer does without being told; anything else it cannot do. */
function assertUsual(node: Node<"detectionOutput">): void {
  const { attrs } = node;
  const wrong = [
    [attrs.shareLocation, "locations per class"],
    [attrs.backgroundLabel === 0, "a background label other than 0"],
    [attrs.codeType === "centerSize", `boxes coded as ${attrs.codeType}`],
    [!attrs.varianceEncodedInTarget, "variances in the locations"],
    [attrs.nmsEta === 1, "an adaptive threshold"],
  ].find(([usual]) => usual === false);
  if (wrong !== undefined) throw inexpressible(node, `${wrong[1]}`);
}

/** Counts below 0 mean all: as many as there are boxes. */
export function exportDetectionOutput(
  node: Node<"detectionOutput">,
  context: ExportContext,
): NcnnLayer {
  const { attrs } = node;
  assertUsual(node);
  const priors = (inputShape(context, node, 2)[2] ?? 0) / 4;
  const params = [
    ...[int(0, attrs.classes), float(1, attrs.nmsThreshold)],
    int(2, attrs.nmsTopK < 0 ? priors : attrs.nmsTopK),
    int(3, attrs.keepTopK < 0 ? priors * attrs.classes : attrs.keepTopK),
    float(4, Math.max(attrs.confidenceThreshold, -3.4028234663852886e38)),
  ];
  const bottoms = [0, 1, 2].map((index) => blobOf(context, inputOf(node, index)));
  return layerFor(context, node, "DetectionOutput", { bottoms, params });
}
