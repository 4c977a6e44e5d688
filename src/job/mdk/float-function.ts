/**
 * Whether an edit kept the network's float function: both networks run on the same pictures, without any rounding, and
 * watched values are compared.
 */
import { batches } from "../../data/batch.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import type { Runtime, Values } from "../../engine/runtime.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { batchSize } from "../../run/classify.ts";
import { pictureSize, withPictureInput } from "../../run/prepare.ts";
import { type GraphSession, openSession } from "../../run/session.ts";
import { asNchw } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A network and what it makes of pictures. */
export type View = { readonly graph: Graph; readonly preprocess: Preprocess };

export type Watched = {
  readonly id: string;
  /** The value after the edit times this should be the value before. */
  readonly factor: number;
  /** Rows and columns at the border that are left out: first and last. */
  readonly border: number;
};

export type Difference = {
  /** Largest difference, relative to the largest magnitude of the value before. */
  readonly error: number;
  /** Where it is; "" where nothing was compared. */
  readonly id: string;
};

/**
 * Largest difference that a step may make, relative to the layer's largest value: far more than float32 rounding (4e-6
 * after 30 layers), and far less than one of the 31 steps that the chip rounds to.
 */
export const sameFunction = 1e-4;

/** Activations without a cap and rounding. */
export function floatActivations(graph: Graph): Graph {
  const plain = (node: Node): Node =>
    node.op === "quantRelu" ? { ...node, attrs: { ...node.attrs, quantized: false } } : node;
  return { ...graph, nodes: graph.nodes.map(plain) };
}

/** Convolutions without rounding too: what training in float computed. */
function floatView(graph: Graph): Graph {
  const plain = (node: Node): Node =>
    node.op === "quantConv" ? { ...node, attrs: { ...node.attrs, precision: "float" } } : node;
  const float = floatActivations(graph);
  return { ...float, nodes: float.nodes.map(plain) };
}

/** The largest difference of watched values over the pictures. Values that either network lacks do not count. `onBatch` hears how many pictures are done. */
export async function largestDifference(
  before: View,
  after: View,
  watched: readonly Watched[],
  dataset: Dataset,
  runtime: Runtime,
  onBatch: (done: number) => void = () => {},
): Promise<Difference> {
  const present = (view: View): ReadonlySet<string> =>
    new Set(view.graph.nodes.map(({ id }) => id));
  const [a, b] = [present(before), present(after)];
  const both = watched.filter(({ id }) => a.has(id) && b.has(id));
  const ids = both.map(({ id }) => id);
  const open = (view: View): Promise<GraphSession> =>
    openSession(withPictureInput(floatView(view.graph), view.preprocess), runtime, { taps: ids });
  const sessions: GraphSession[] = [];
  try {
    for (const view of [before, after]) sessions.push(await open(view));
    let worst: Difference = { error: 0, id: "" };
    let done = 0;
    const reading = { batch: batchSize(before.graph), readAhead: 1 };
    const size = pictureSize(before.graph);
    for await (const batch of batches(dataset, before.preprocess, size, reading)) {
      const [old, now] = await runBoth(sessions, batch.images);
      worst = worse(worst, both, old, now);
      done += batch.names.length;
      onBatch(done);
    }
    return worst;
  } finally {
    for (const session of sessions) await session.release();
  }
}

async function runBoth(
  sessions: readonly GraphSession[],
  images: Tensor,
): Promise<readonly [Values, Values]> {
  const results: Values[] = [];
  for (const session of sessions) {
    results.push(await session.run(new Map([[session.inputs[0] ?? "", images]])));
  }
  const nothing: Values = new Map();
  return [results[0] ?? nothing, results[1] ?? nothing];
}

function worse(
  before: Difference,
  watched: readonly Watched[],
  old: Values,
  now: Values,
): Difference {
  let worst = before;
  for (const one of watched) {
    const error = differenceOf(old.get(one.id), now.get(one.id), one);
    if (error > worst.error || worst.id === "") worst = { error, id: one.id };
  }
  return worst;
}

/** Infinite where shapes differ or values are no numbers. */
function differenceOf(
  old: Tensor | undefined,
  now: Tensor | undefined,
  { factor, border }: Watched,
): number {
  if (old?.dtype !== "float32" || now?.dtype !== "float32") return Infinity;
  if (old.data.length !== now.data.length) return Infinity;
  const isInside = insideOf(old, border);
  let [difference, largest] = [0, 0];
  for (let at = 0; at < old.data.length; at += 1) {
    if (!isInside(at)) continue;
    const [was, is] = [old.data[at] ?? 0, (now.data[at] ?? 0) * factor];
    if (!Number.isFinite(was - is)) return Infinity;
    difference = Math.max(difference, Math.abs(was - is));
    largest = Math.max(largest, Math.abs(was));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** Tells whether an index of the tensor [n, c, h, w] lies inside the border. */
function insideOf({ shape }: Tensor, border: number): (at: number) => boolean {
  if (border === 0 || shape.length !== 4) return () => true;
  const [, , height, width] = asNchw(shape);
  const inner = (at: number, size: number): boolean => at >= border && at < size - border;
  return (at) => inner(at % width, width) && inner(Math.floor(at / width) % height, height);
}
