/**
 * The ONNX model around a differentiated graph: its variables (learned constants) as inputs, whatever else comes in,
 * and what goes out.
 */
import { type BuilderState, createBuilder, usedInitializers } from "../formats/onnx/builder.ts";
import { defaultOpset, encodeModel } from "../formats/onnx/lower.ts";
import { valueInfo } from "../formats/onnx/value-info.ts";
import { type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { BatchStatistics } from "../ir/training.ts";
import type { Shape } from "../tensor/shape.ts";
import type { TensorType } from "../tensor/tensor.ts";
import { type Kernels, plainKernels } from "./kernels.ts";
import { blockedDomain } from "./rules/blocked-conv.ts";
import { createTape, type Tape } from "./tape.ts";

/** A mask that the trainer draws for every iteration: see `Tape.dropoutMask`. */
export type DropoutMask = { readonly name: string; readonly shape: Shape; readonly ratio: number };

/** A model that is being written. */
export type StepWriter = {
  readonly tape: Tape;
  readonly types: Types;
  /** Declares an input of the model and gives its name. */
  readonly input: (name: string, type: TensorType) => string;
  /** Declares an output under a name of its own. */
  readonly output: (name: string, value: string) => void;
  /** Names of all outputs so far. */
  readonly outputs: () => readonly string[];
  readonly masks: readonly DropoutMask[];
  /** What nodes reported as the state's next values, by key. */
  readonly updates: ReadonlyMap<string, string>;
  /** The model's bytes. */
  readonly finish: () => Uint8Array;
};

/**
 * The graph with inputs in place of constants. `variables` gives the input's id for each of these constants; where
 * several have the same, as layers that share their weights do, all read one input.
 */
export function withVariables(graph: Graph, variables: ReadonlyMap<string, string>): Graph {
  const made = new Set<string>();
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const id = variables.get(node.id);
    if (node.op !== "const" || id === undefined) {
      const inputs = node.inputs.map((input) => variables.get(input) ?? input);
      return [{ ...node, inputs } as Node];
    }
    if (made.has(id)) return [];
    made.add(id);
    const { dtype, shape } = node.attrs.tensor;
    return [{ op: "input", id, inputs: [], attrs: { dtype, shape } }];
  });
  return { ...graph, nodes };
}

/**
 * Starts a model of the graph; all inputs of the graph are inputs of the model. `kernels` is `findKernels`'s, or
 * plain ones.
 */
export function createStepWriter(
  graph: Graph,
  statistics: readonly BatchStatistics[] = [],
  kernels: Kernels = plainKernels,
): StepWriter {
  const types = inferTypes(graph);
  const nodes = nodeMap(graph);
  const state: BuilderState = {
    nodes: [],
    initializers: new Map(),
    names: new Set(nodes.keys()),
    current: "",
  };
  const builder = createBuilder(state, defaultOpset, nodes, types);
  const inputs = new Map<string, TensorType>();
  const outputs = new Map<string, string>();
  const masks: DropoutMask[] = [];
  const updates = new Map<string, string>();
  const byId = new Map(statistics.map((one) => [one.id, one]));
  const input: StepWriter["input"] = (name, type) => {
    inputs.set(name, type);
    state.names.add(name);
    return name;
  };
  for (const node of graph.nodes) if (node.op === "input") input(node.id, node.attrs);
  const tape = createTape(builder, {
    at: (id) => {
      state.current = id;
    },
    kernels,
    statisticsOf: (id) => byId.get(id),
    update: (key, value) => {
      updates.set(key, value);
    },
    state: (key) => key,
    dropoutMask: (id, shape, ratio) => {
      const name = input(`${id}/mask`, { dtype: "float32", shape });
      masks.push({ name, shape, ratio });
      return name;
    },
  });
  const finish = (): Uint8Array => {
    const named = [...outputs].map(([name, value]) => {
      state.current = name;
      tape.emit("Identity", [value], {}, name);
      return name;
    });
    const message = {
      name: graph.name,
      node: state.nodes,
      initializer: usedInitializers(state, nodes, []),
      input: [...inputs].map(([name, { dtype, shape }]) => valueInfo(name, { dtype, dims: shape })),
      output: named.map((name) => valueInfo(name, undefined)),
    };
    const opsets = kernels.channelBlock === 0 ? {} : { [blockedDomain]: 1 };
    return encodeModel(message, { ...graph.opsets, ...opsets });
  };
  return {
    tape,
    types,
    input,
    output: (name, value) => {
      outputs.set(name, value);
    },
    outputs: () => [...outputs.keys()],
    masks,
    updates,
    finish,
  };
}
