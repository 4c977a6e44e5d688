/**
 * A graph with the gradients of chosen values, as an ONNX model: what a gradient rule is checked with.
 */
import type { Graph } from "../ir/graph.ts";
import type { BatchStatistics } from "../ir/training.ts";
import { float32 } from "../tensor/tensor.ts";
import { writeBackward, writeForward } from "./differentiate.ts";
import type { Kernels } from "./kernels.ts";
import { createStepWriter, withVariables } from "./step-model.ts";

/** Name of the gradient of a value: an input of the model for graph outputs, an output for what was wanted. */
export const gradientName = (id: string): string => `d(${id})`;

/** How the model is written: see `createStepWriter` and `writeForward`. */
export type GradientOptions = { readonly kernels?: Kernels | undefined; readonly chains?: boolean };

/**
 * A model whose inputs are the graph's inputs, the wanted constants (under their ids) and `d(output)` for every graph
 * output; its outputs are the graph's outputs under `id'` and `d(id)` of every wanted input or constant (zeros where no
 * gradient reaches it). Batch norms in `statistics` take theirs from the batch: their state keys are inputs, and `key'`
 * outputs.
 */
export function gradientModel(
  graph: Graph,
  wanted: readonly string[],
  statistics: readonly BatchStatistics[] = [],
  { kernels, chains = false }: GradientOptions = {},
): Uint8Array {
  const opened = withVariables(graph, new Map(wanted.map((id) => [id, id])));
  const writer = createStepWriter(opened, statistics, kernels);
  const { tape, types } = writer;
  for (const { layer, sums } of statistics) {
    for (const [index, { dtype, shape }] of sums.entries()) {
      writer.input(`${layer}/${index}`, { dtype, shape });
    }
  }
  const kept = new Set([...wanted, ...graph.outputs.map(({ id }) => id)]);
  const written = writeForward(opened, tape, chains ? kept : undefined);
  const seeds = new Map<string, readonly string[]>();
  for (const { id } of graph.outputs) {
    const shape = types.get(id)?.shape ?? [];
    seeds.set(id, [writer.input(gradientName(id), { dtype: "float32", shape })]);
    writer.output(`${id}'`, id);
  }
  const gradients = writeBackward(written, seeds, new Set(wanted), tape);
  for (const id of wanted) {
    const shape = types.get(id)?.shape ?? [];
    writer.output(gradientName(id), gradients.get(id) ?? zeros(shape));
  }
  for (const [key, value] of writer.updates) writer.output(`${key}'`, value);
  return writer.finish();

  function zeros(shape: readonly number[]): string {
    const count = shape.reduce((product, dim) => product * dim, 1);
    return tape.initializer(float32(shape, new Float32Array(count)), "zeros");
  }
}
