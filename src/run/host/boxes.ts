/**
 * Boxes of SSD in float32, four numbers each: decoded from locations and default boxes, compared,
 * and thinned out. The formulas are those of Caffe's SSD branch.
 */
import type { Ops } from "../../ir/ops.ts";

const round = Math.fround;

/** Boxes [xmin, ymin, xmax, ymax] of `count` priors; locations start at `offset`, `stride` apart. */
export function decodeBoxes(
  attrs: Ops["detectionOutput"],
  locations: Float32Array,
  priors: Float32Array,
  at: { readonly offset: number; readonly stride: number },
): Float32Array {
  const half = priors.length / 2;
  const boxes = new Float32Array(half);
  const decode = decoders[attrs.codeType];
  const variance = new Float32Array(4).fill(1);
  for (let i = 0; i < half; i += 4) {
    const start = at.offset + (i / 4) * at.stride;
    const location = locations.subarray(start, start + 4);
    if (!attrs.varianceEncodedInTarget) variance.set(priors.subarray(half + i, half + i + 4));
    decode(boxes.subarray(i, i + 4), location, priors.subarray(i, i + 4), variance);
  }
  return boxes;
}

type Decoder = (
  box: Float32Array,
  location: Float32Array,
  prior: Float32Array,
  variance: Float32Array,
) => void;

const decoders: { readonly [T in Ops["detectionOutput"]["codeType"]]: Decoder } = {
  corner: (box, location, prior, variance) => {
    for (let k = 0; k < 4; k += 1) box[k] = prior[k]! + round(variance[k]! * location[k]!);
  },
  cornerSize: (box, location, prior, variance) => {
    for (let k = 0; k < 4; k += 1) {
      const size = round(prior[(k % 2) + 2]! - prior[k % 2]!);
      box[k] = prior[k]! + round(round(variance[k]! * location[k]!) * size);
    }
  },
  centerSize: (box, location, prior, variance) => {
    for (let axis = 0; axis < 2; axis += 1) {
      const size = round(prior[axis + 2]! - prior[axis]!);
      const centre = round(round(prior[axis]! + prior[axis + 2]!) / 2);
      const shift = round(round(round(variance[axis]! * location[axis]!) * size) + centre);
      const scale = round(variance[axis + 2]! * location[axis + 2]!);
      const extent = round(round(Math.exp(scale)) * size);
      box[axis] = shift - extent / 2;
      box[axis + 2] = shift + extent / 2;
    }
  },
};

/** Area of box `i`; 0 for a box turned inside out. */
function area(boxes: Float32Array, i: number): number {
  const [w, h] = [boxes[i + 2]! - boxes[i]!, boxes[i + 3]! - boxes[i + 1]!];
  return w < 0 || h < 0 ? 0 : round(round(w) * round(h));
}

/** Intersection over union of two boxes: 0..1. */
function overlap(boxes: Float32Array, a: number, b: number): number {
  const w = round(Math.min(boxes[a + 2]!, boxes[b + 2]!) - Math.max(boxes[a]!, boxes[b]!));
  const h = round(Math.min(boxes[a + 3]!, boxes[b + 3]!) - Math.max(boxes[a + 1]!, boxes[b + 1]!));
  if (!(w > 0 && h > 0)) return 0;
  const common = round(w * h);
  return round(common / round(round(area(boxes, a) + area(boxes, b)) - common));
}

/** Prior numbers above the threshold, best score first (ties in order), at most `nmsTopK`. */
function candidates(attrs: Ops["detectionOutput"], scores: Float32Array): readonly number[] {
  const found: number[] = [];
  for (let i = 0; i < scores.length; i += 1) {
    if (scores[i]! > attrs.confidenceThreshold) found.push(i);
  }
  found.sort((a, b) => scores[b]! - scores[a]!);
  return attrs.nmsTopK > -1 ? found.slice(0, attrs.nmsTopK) : found;
}

/** Greedy non-maximum suppression: priors that overlap no better one by more than the threshold. */
export function suppress(
  attrs: Ops["detectionOutput"],
  boxes: Float32Array,
  scores: Float32Array,
): readonly number[] {
  let threshold = attrs.nmsThreshold;
  const kept: number[] = [];
  for (const i of candidates(attrs, scores)) {
    if (kept.some((better) => overlap(boxes, 4 * i, 4 * better) > threshold)) continue;
    kept.push(i);
    if (attrs.nmsEta < 1 && threshold > 0.5) threshold = round(threshold * attrs.nmsEta);
  }
  return kept;
}
