/**
 * One training step as an ONNX model: forward, backward and update. What comes in: the graph's inputs, dropout masks,
 * the iteration's numbers (learning rate) and the state; what goes out: losses and the state's next values.
 */
import type { Parameter, TrainingNetwork } from "../ir/training.ts";
import { elementCount, type Shape } from "../tensor/shape.ts";
import { float32 } from "../tensor/tensor.ts";
import { writeBackward, writeForward } from "./differentiate.ts";
import type { Kernels } from "./kernels.ts";
import { constraintsOf } from "./layer-limits.ts";
import { learnedKeys, learnedParameters } from "./learned-parameters.ts";
import { emitLoss } from "./losses/losses.ts";
import { emitConstraints } from "./solver/constraints.ts";
import type { UpdateSettings } from "./solver/settings.ts";
import { emitUpdates, historiesOf, stepScalars } from "./solver/updates.ts";
import {
  createStepWriter,
  type DropoutMask,
  type StepWriter,
  withVariables,
} from "./step-model.ts";

/**
 * Which part of an iteration a model does. `whole`: all of it. With `iter_size` above 1 each pass but the last is an
 * `accumulate`, which only adds its gradients up; the last is an `apply`, which adds its own and updates.
 */
export type StepPart = "whole" | "accumulate" | "apply";

export type TrainingStep = {
  readonly model: Uint8Array;
  /** Ids of the graph's inputs: pictures and labels. */
  readonly inputs: readonly string[];
  readonly masks: readonly DropoutMask[];
  /** Names of scalar inputs, as `stepScalars` gives them. */
  readonly scalars: readonly string[];
  /** State that the model reads, by key; each is an input of that name. */
  readonly reads: readonly string[];
  /** State that it gives back, by key; each is an output named `nextName(key)`. */
  readonly writes: readonly string[];
  /** Names of the losses' outputs, in the network's order. */
  readonly losses: readonly string[];
};

export const nextName = (key: string): string => `${key}'`;
export const historyKey = (key: string, index: number): string => `${key}#${index}`;
export const sumKey = (key: string): string => `${key}+`;
/** Name of the output that gives the scores of an accuracy layer. */
export const scoresName = (id: string): string => `scores:${id}`;

/** Writes the model of one part of an iteration. For `kernels` see `createStepWriter`. */
export function buildStep(
  network: TrainingNetwork,
  settings: UpdateSettings,
  part: StepPart,
  kernels?: Kernels,
): TrainingStep {
  const learned = learnedParameters(network);
  const names = learnedKeys(network);
  const graph = withVariables(network.graph, names);
  const variables = new Set(names.values());
  const writer = createStepWriter(graph, network.statistics, kernels);
  const reads = [...variables, ...sumInputs(network, writer)];
  const written = writeForward(graph, writer.tape, readOutside(network));
  const { seeds, losses } = writeLosses(network, writer);
  const gradients = writeBackward(written, seeds, variables, writer.tape);
  const moved = learned.flatMap((parameter): readonly Moved[] => {
    const shape = writer.types.get(parameter.key)?.shape ?? [];
    const own = gradients.get(parameter.key) ?? decayOnly(parameter, shape, settings, writer);
    const gradient = summed(parameter.key, shape, own, part, writer);
    return gradient === undefined ? [] : [{ parameter, shape, gradient }];
  });
  if (part !== "whole") reads.push(...moved.map(({ parameter }) => sumKey(parameter.key)));
  const scalars: string[] = [];
  if (part === "accumulate") {
    for (const { parameter, gradient } of moved) {
      writer.output(nextName(sumKey(parameter.key)), gradient);
    }
  } else {
    for (const name of stepScalars(settings, 0).keys()) {
      scalars.push(writer.input(name, { dtype: "float32", shape: [] }));
    }
    reads.push(...writeUpdates(network, settings, moved, writer));
  }
  for (const [key, value] of writer.updates) writer.output(nextName(key), value);
  for (const { scores } of network.accuracies) writer.output(scoresName(scores), scores);
  const inputs = graph.nodes.flatMap(({ op, id }) => (op === "input" ? [id] : []));
  const outputs = writer.outputs();
  return {
    model: writer.finish(),
    inputs: inputs.filter((id) => !variables.has(id)),
    masks: writer.masks,
    scalars,
    reads,
    writes: outputs.flatMap((name) => (name.endsWith("'") ? [name.slice(0, -1)] : [])),
    losses,
  };
}

/** Values that are read by others than the graph's nodes (and names of other things). */
function readOutside({ graph, losses, accuracies }: TrainingNetwork): ReadonlySet<string> {
  const fields = [...losses, ...accuracies].flatMap((one) => Object.values(one));
  const names = fields.filter((value) => typeof value === "string");
  return new Set([...graph.outputs.map(({ id }) => id), ...names]);
}

type Moved = {
  readonly parameter: Parameter;
  readonly shape: Shape;
  /** Name of its gradient. */
  readonly gradient: string;
};

/** Zeros for a blob that no gradient reaches, as a cap's that is not in use: weight decay moves it all the same. */
function decayOnly(
  { decayMult }: Parameter,
  shape: Shape,
  { weightDecay }: UpdateSettings,
  { tape }: StepWriter,
): string | undefined {
  if (decayMult * weightDecay === 0) return undefined;
  return tape.initializer(float32(shape, new Float32Array(elementCount(shape))), "zeros");
}

/** Declares the sums of batch norms as inputs and gives their keys. */
export function sumInputs(
  { statistics }: TrainingNetwork,
  writer: Pick<StepWriter, "input">,
): readonly string[] {
  return statistics.flatMap(({ layer, sums }) =>
    sums.map(({ dtype, shape }, index) => writer.input(`${layer}/${index}`, { dtype, shape })),
  );
}

/** The gradient with what earlier passes of the iteration gave; undefined where no pass gives any. */
function summed(
  key: string,
  shape: Shape,
  own: string | undefined,
  part: StepPart,
  { tape, input }: StepWriter,
): string | undefined {
  if (part === "whole" || own === undefined) return own;
  return tape.add(input(sumKey(key), { dtype: "float32", shape }), own);
}

/** The new values of parameters and histories as outputs; gives the keys of the histories that are read. */
function writeUpdates(
  network: TrainingNetwork,
  settings: UpdateSettings,
  moved: readonly Moved[],
  { tape, input, output, types }: StepWriter,
): readonly string[] {
  const updated = moved.map(({ parameter: { key, lrMult, decayMult }, shape, gradient }) => {
    const histories = Array.from({ length: historiesOf(settings) }, (_, index) =>
      input(historyKey(key, index), { dtype: "float32", shape }),
    );
    return { key, value: key, gradient, histories, lrMult, decayMult, shape };
  });
  const values = new Map<string, string>();
  for (const { key, value, histories } of emitUpdates(settings, updated, tape)) {
    values.set(key, value);
    for (const [index, history] of histories.entries()) {
      output(nextName(historyKey(key, index)), history);
    }
  }
  const constraints = settings.limits === undefined ? [] : constraintsOf(network, settings.limits);
  const shapeOf = (key: string): Shape => types.get(key)?.shape ?? [];
  for (const [key, value] of emitConstraints(constraints, values, shapeOf, tape)) {
    output(nextName(key), value);
  }
  return updated.flatMap(({ histories }) => histories);
}

/** Values of all losses as outputs, and the gradients that they begin with, by the value that they belong to. */
function writeLosses(
  { losses }: TrainingNetwork,
  { tape, output }: StepWriter,
): { readonly seeds: ReadonlyMap<string, readonly string[]>; readonly losses: readonly string[] } {
  const seeds = new Map<string, string[]>();
  const names = losses.map((loss, index) => {
    tape.at(loss.name);
    const { value, backward } = emitLoss(loss, tape);
    const name = `loss:${index}`;
    output(name, value);
    if (loss.weight === 0) return name;
    for (const [id, gradient] of backward()) seeds.set(id, [...(seeds.get(id) ?? []), gradient]);
    return name;
  });
  return { seeds, losses: names };
}
