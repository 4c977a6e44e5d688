/**
 * The reference models run as a user's are: read, brought to canonical form, computed by a session.
 * Needs INLAY_DATA.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { floatNetwork, loadModel } from "../src/job/load-model.node.ts";
import { openSession } from "../src/run/session.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";

export const dataDir: string | undefined = process.env["INLAY_DATA"];
export const at = (...parts: readonly string[]): string => join(dataDir ?? "", ...parts);

/** The canonical float network of files under `models`. */
export async function floatModel(...files: readonly string[]): Promise<Graph> {
  const paths = files.map((file) => at("models", file));
  return verify(floatNetwork(await loadModel(paths)), "canonical");
}

/** A prototxt under `models` and the caffemodel beside it, of the same name if none is given. */
export function caffeModel(net: string, weights: string = net): Promise<Graph> {
  return floatModel(`${net}.prototxt`, `${weights}.caffemodel`);
}

/** The outputs by name for one batch; the session is released before it returns. */
export async function run(graph: Graph, input: Tensor): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(graph, await nodeRuntime({ threads: 1 }), {
    batch: input.shape[0] ?? 1,
  });
  try {
    const [id = ""] = session.inputs;
    const results = await session.run(new Map([[id, input]]));
    return new Map(
      graph.outputs.flatMap((output): [string, Tensor][] => {
        const value = results.get(output.id);
        return value === undefined ? [] : [[output.name, value]];
      }),
    );
  } finally {
    await session.release();
  }
}

/** The shape that a network's only input declares, for `batch` pictures. */
export function inputShape(graph: Graph, batch: number): Shape {
  const [input, ...others] = nodesOf(graph, "input");
  if (input === undefined || others.length > 0) throw new Error("one input was expected");
  return input.attrs.shape.with(0, batch);
}

/** Reproducible numbers in `low`..`high`. */
export function noise(shape: Shape, low = -1, high = 1): Tensor<"float32"> {
  const random = createRandom(elementCount(shape));
  const values = Float32Array.from(
    { length: elementCount(shape) },
    () => low + random.unit() * (high - low),
  );
  return float32(shape, values);
}

/** Picture `index` of a batch, as a batch of one. */
export function pictureOf(batch: Tensor, index: number): Tensor<"float32"> {
  if (batch.dtype !== "float32") throw new Error("float32 was expected");
  const size = elementCount(batch.shape.slice(1));
  const data = batch.data.subarray(index * size, (index + 1) * size);
  return float32(batch.shape.with(0, 1), data);
}

/** Little-endian float32 values of a file. */
export function floatsOf(path: string, shape: Shape): Tensor<"float32"> {
  return float32(shape, new Float32Array(new Uint8Array(readFileSync(path)).buffer));
}
