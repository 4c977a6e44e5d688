/**
 * Finds where numbers stop being finite in a step: the first value or gradient, in the order of their computation.
 */
import type { Runtime, Values } from "../engine/runtime.ts";
import type { TrainingNetwork } from "../ir/training.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { writeBackward, writeForward } from "./differentiate.ts";
import { learnedKeys, learnedParameters } from "./learned-parameters.ts";
import { emitLoss } from "./losses/losses.ts";
import { sumInputs } from "./step.ts";
import { createStepWriter, withVariables } from "./step-model.ts";

/** A description of the first value that is not finite: `output of conv "conv1"`; undefined where all are. */
export async function firstNotFinite(
  network: TrainingNetwork,
  runtime: Runtime,
  state: ReadonlyMap<string, Tensor<"float32">>,
  feeds: Values,
): Promise<string | undefined> {
  const bad = [...state].find(([, { data }]) => !data.every(Number.isFinite));
  if (bad !== undefined) return `blob "${bad[0]}"`;
  const learned = learnedParameters(network);
  const names = learnedKeys(network);
  const graph = withVariables(network.graph, names);
  const writer = createStepWriter(graph, network.statistics);
  const { tape, types } = writer;
  const sums = sumInputs(network, writer);
  const labels: string[] = [];
  const watch = (name: string, label: string): void => {
    // Infinity and NaN times 0 are NaN, and so is their sum with anything.
    const sum = tape.emit("ReduceSum", [tape.mul(name, tape.number(0))], {});
    writer.output(`watched:${labels.length}`, sum);
    labels.push(label);
  };
  const written = writeForward(graph, tape);
  for (const { node } of written) {
    if (node.op === "const" || types.get(node.id)?.dtype !== "float32") continue;
    watch(node.id, `output of ${node.op} "${node.id}"`);
  }
  const seeds = new Map<string, string[]>();
  for (const loss of network.losses) {
    const { value, backward } = emitLoss(loss, tape);
    watch(value, `loss "${loss.name}"`);
    for (const [id, gradient] of backward()) seeds.set(id, [...(seeds.get(id) ?? []), gradient]);
  }
  const all = new Set(written.map(({ node }) => node.id));
  const gradients = writeBackward(written, seeds, all, tape);
  for (const { node } of written.toReversed()) {
    const name = gradients.get(node.id);
    if (name !== undefined) watch(name, `gradient of ${node.op} "${node.id}"`);
  }
  const model = writer.finish();
  const session = await runtime.load(model);
  try {
    const masks = writer.masks.map(({ name, shape }): [string, Tensor] => [name, ones(shape)]);
    const keys = [...learned.map(({ key }) => key), ...sums];
    const given = keys.flatMap((key): [string, Tensor][] => {
      const value = state.get(key);
      return value === undefined ? [] : [[key, value]];
    });
    const results = await session.run(new Map([...feeds, ...given, ...masks]));
    const at = labels.findIndex((_, index) => {
      const [value] = results.get(`watched:${index}`)?.data ?? [];
      return !Number.isFinite(Number(value));
    });
    return labels[at];
  } finally {
    await session.release();
  }
}

function ones(shape: readonly number[]): Tensor<"float32"> {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { dtype: "float32", shape, data: new Float32Array(count).fill(1) };
}
