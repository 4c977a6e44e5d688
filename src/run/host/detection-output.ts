/**
 * SSD's last layer: locations and confidences of default boxes to detections, by decoding and
 * non-maximum suppression per class. What the Caffe layer gives, in its order.
 */
import { inputError } from "../../error.ts";
import type { Ops } from "../../ir/ops.ts";
import { formatShape } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { decodeBoxes, suppress } from "./boxes.ts";

type Floats = Tensor<"float32">;
type Found = {
  readonly label: number;
  readonly score: number;
  readonly box: Float32Array;
};

/**
 * Rows [1, 1, found, 7]: image, label, score, xmin, ymin, xmax, ymax (fractions of the image, not
 * clipped), by image, then label, then score. Nothing found: one row per image, all -1 but the image.
 * @param locations [n, priors * (1 or classes) * 4]
 * @param confidences [n, priors * classes]
 * @param priors [1, 2, priors * 4]
 */
export function detectionOutput(
  attrs: Ops["detectionOutput"],
  locations: Floats,
  confidences: Floats,
  priors: Floats,
): Floats {
  const images = locations.shape[0] ?? 1;
  const count = priors.data.length / 8;
  checkSizes(attrs, locations, confidences, images, count);
  const rows: number[] = [];
  for (let image = 0; image < images; image += 1) {
    const size = locations.data.length / images;
    const location = locations.data.subarray(image * size, (image + 1) * size);
    const from = image * count * attrs.classes;
    const confidence = confidences.data.subarray(from, from + count * attrs.classes);
    for (const { label, score, box } of best(
      attrs,
      perClass(attrs, location, confidence, priors),
    )) {
      rows.push(image, label, score, ...box);
    }
  }
  if (rows.length === 0) {
    for (let image = 0; image < images; image += 1) rows.push(image, -1, -1, -1, -1, -1, -1);
  }
  return float32([1, 1, rows.length / 7, 7], rows);
}

function checkSizes(
  attrs: Ops["detectionOutput"],
  locations: Floats,
  confidences: Floats,
  images: number,
  count: number,
): void {
  const sets = attrs.shareLocation ? 1 : attrs.classes;
  const fits =
    Number.isInteger(count) &&
    locations.data.length === images * count * sets * 4 &&
    confidences.data.length === images * count * attrs.classes;
  if (fits) return;
  throw inputError("locations, confidences and default boxes do not fit each other", {
    node: "detectionOutput",
    expected: `${images}x${count * sets * 4} and ${images}x${count * attrs.classes}`,
    got: `${formatShape(locations.shape)} and ${formatShape(confidences.shape)}`,
  });
}

/** What each class keeps of one image, by label, then score. */
function perClass(
  attrs: Ops["detectionOutput"],
  location: Float32Array,
  confidence: Float32Array,
  priors: Floats,
): readonly Found[] {
  const { classes, shareLocation } = attrs;
  const count = confidence.length / classes;
  const shared = shareLocation
    ? decodeBoxes(attrs, location, priors.data, { offset: 0, stride: 4 })
    : undefined;
  return Array.from({ length: classes }, (_, label) => label)
    .filter((label) => label !== attrs.backgroundLabel)
    .flatMap((label) => {
      const at = { offset: 4 * label, stride: 4 * classes };
      const boxes = shared ?? decodeBoxes(attrs, location, priors.data, at);
      const scores = new Float32Array(count);
      for (let i = 0; i < count; i += 1) scores[i] = confidence[i * classes + label]!;
      return suppress(attrs, boxes, scores).map((i) => {
        return { label, score: scores[i]!, box: boxes.subarray(4 * i, 4 * i + 4) };
      });
    });
}

/** The `keepTopK` best of an image, again by label, then score. */
function best(attrs: Ops["detectionOutput"], found: readonly Found[]): readonly Found[] {
  if (attrs.keepTopK < 0 || found.length <= attrs.keepTopK) return found;
  return found
    .toSorted((a, b) => b.score - a.score)
    .slice(0, attrs.keepTopK)
    .toSorted((a, b) => a.label - b.label);
}
