/**
 * The sums of a float network's layers at a few pixels of each picture, to hold a chip's sums against.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import { type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import type { Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { OnProgress } from "../notice.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import type { Random } from "../tensor/random.ts";
import { asNchw, type Nchw } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Where a layer is sampled: pixels of its own output, per picture. */
type Place = {
  /** How many pixels of the float sum lie between two of the node: 2 where sampling was folded. */
  readonly step: number;
  readonly shape: Nchw;
  /** `row * width + column`, per picture. */
  readonly pixels: readonly Int32Array[];
};

/** A place with the node that it is of, in the graph with folded sampling. */
export type NodePlace = Place & { readonly node: Node<"shiftConv"> };

/** Pixels of each picture that are looked at. */
const pixelsPerPicture = 128;

/** Random pixels for each of the layers, by the id of its shiftConv in `integer`. */
export function placesOf(
  integer: Graph,
  folded: Graph,
  ids: readonly string[],
  types: Types,
  pictures: number,
  random: Random,
): ReadonlyMap<string, NodePlace> {
  const whole = nodeMap(integer);
  // Folding keeps the constants: they tell which node a layer has become.
  const byWeight = new Map(nodesOf(folded, "shiftConv").map((node) => [node.inputs[1], node]));
  const places = new Map<string, NodePlace>();
  for (const id of ids) {
    const node = byWeight.get(whole.get(id)?.inputs[1] ?? "");
    if (node === undefined) throw workError("a layer is not in the graph", { node: id });
    const shape = asNchw(types.get(node.id)?.shape ?? [], node.id);
    places.set(id, { ...wholePlace(shape, pictures, random), node, step: node.id === id ? 1 : 2 });
  }
  return places;
}

/** Random pixels of a value of this shape. */
function wholePlace(shape: Nchw, pictures: number, random: Random): Place {
  const size = shape[2] * shape[3];
  const count = Math.min(size, pixelsPerPicture);
  const pixels = Array.from({ length: pictures }, () =>
    Int32Array.from({ length: count }, () => random.below(size)),
  );
  return { step: 1, shape, pixels };
}

export type FloatScene = {
  readonly float: Graph;
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly onProgress?: OnProgress | undefined;
};

/** Per layer and picture the values `sums.get(id)` of the float network at the layer's pixels: `[pixels, channels]`. */
export async function sampledSums(
  sums: ReadonlyMap<string, string>,
  places: ReadonlyMap<string, Place>,
  { float, dataset, preprocess, runtime, onProgress }: FloatScene,
): Promise<ReadonlyMap<string, readonly Float32Array[]>> {
  const outputs = [...new Set(sums.values())].map((id) => ({ name: id, id }));
  const session = await openSession({ ...withPictureInput(float, preprocess), outputs }, runtime);
  const found = new Map<string, Float32Array[]>([...sums.keys()].map((id) => [id, []]));
  let picture = 0;
  try {
    const [inputId = ""] = session.inputs;
    const reading = { batch: 1, readAhead: 2 };
    for await (const { images } of batches(dataset, preprocess, pictureSize(float), reading)) {
      const values = await session.run(new Map([[inputId, images]]));
      for (const [id, sum] of sums) {
        const [place, value] = [places.get(id), values.get(sum)];
        if (place === undefined || value === undefined) continue;
        found.get(id)?.push(gathered(value, place, picture, place.step));
      }
      picture += 1;
      onProgress?.({ label: "float sums", done: picture, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return found;
}

/** Values [1, c, h, w] at the pixels of a picture, `step` of the value's pixels for one of the layer's. */
export function gathered(
  value: Tensor,
  { pixels, shape }: Place,
  picture: number,
  step: number,
): Float32Array {
  if (value.dtype !== "float32") throw workError("sums must be float32", { got: value.dtype });
  const [, channels, , width] = shape;
  const [, , h, w] = asNchw(value.shape);
  const places = pixels[picture] ?? new Int32Array();
  const found = new Float32Array(places.length * channels);
  for (const [at, pixel] of places.entries()) {
    const place = Math.floor(pixel / width) * step * w + (pixel % width) * step;
    for (let channel = 0; channel < channels; channel += 1) {
      found[at * channels + channel] = value.data[channel * h * w + place] ?? 0;
    }
  }
  return found;
}
