/**
 * Collects the nodes and initializers of an ONNX graph while it is written. Values are named after
 * our nodes' ids; what a rule needs in between gets fresh names. It knows versions of operators only
 * through `opset`, and no operator.
 */
import { workError } from "../../error.ts";
import { constantOf, describe, freshId } from "../../ir/graph.ts";
import type { Types } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import { float32, int64, type Tensor, type TensorType } from "../../tensor/tensor.ts";
import { type Attributes, encodeAttributes } from "./attribute.ts";
import type { OnnxInit } from "./schema.ts";
import { tensorMessage } from "./tensor-message.ts";

/** What a lowering rule writes with. */
export type Builder = {
  /** Version of ONNX's own operator set that the nodes are written for. */
  readonly opset: number;
  /** The type of one of our values. Throws a work error where it is not known. */
  readonly typeOf: (id: string) => TensorType;
  readonly knownType: (id: string) => TensorType | undefined;
  /** The tensor behind an id, where it is a constant. */
  readonly constant: (id: string) => Tensor | undefined;
  /** Names of an opaque node's outputs by index: the first `result` of each. */
  readonly outputsOf: (id: string) => ReadonlyMap<number, string>;
  /** Adds a node with one output and gives the output's name: `output`, or a fresh one. */
  readonly emit: (
    opType: string,
    inputs: readonly string[],
    attributes?: Attributes,
    output?: string,
  ) => string;
  /** The same for several outputs, with fresh names that end in `suffixes`. */
  readonly emitMany: (
    opType: string,
    inputs: readonly string[],
    attributes: Attributes,
    suffixes: readonly string[],
  ) => string[];
  /** A name that nothing has yet, in the node that is being written. */
  readonly fresh: (base: string) => string;
  /** Adds a node as it is. */
  readonly emitNode: (node: OnnxInit<"NodeProto">) => void;
  /** Adds a constant of our own and gives its name. */
  readonly initializer: (tensor: Tensor, base: string) => string;
  /** A float32 constant of rank 0. */
  readonly scalar: (value: number, base: string) => string;
  /** An int64 constant of rank 1. */
  readonly integers: (values: readonly number[], base: string) => string;
};

export type BuilderState = {
  readonly nodes: OnnxInit<"NodeProto">[];
  readonly initializers: Map<string, Tensor>;
  /** Names in use: our ids, and all that was written so far. */
  readonly names: Set<string>;
  /** The node that is being written. */
  current: string;
};

/** A builder that writes into `state`. */
export function createBuilder(
  state: BuilderState,
  opset: number,
  nodes: ReadonlyMap<string, Node>,
  types: Types,
): Builder {
  const fresh = (base: string): string => {
    const name = freshId(base, state.names);
    state.names.add(name);
    return name;
  };
  const initializer = (value: Tensor, base: string): string => {
    const name = fresh(base);
    state.initializers.set(name, value);
    return name;
  };
  const push = (
    opType: string,
    input: readonly string[],
    attributes: Attributes,
    output: readonly string[],
  ): void => {
    const attribute = encodeAttributes(attributes);
    state.nodes.push({ name: output[0], op_type: opType, input, output, attribute });
  };
  return {
    opset,
    typeOf: (id) => {
      const type = types.get(id);
      if (type === undefined) throw unknownType(id, nodes.get(state.current));
      return type;
    },
    knownType: (id) => types.get(id),
    constant: (id) => constantOf(nodes.get(id)),
    outputsOf: outputsByNode(nodes),
    emit: (opType, inputs, attributes = {}, output) => {
      const name = output ?? fresh(`${state.current}/${opType}`);
      push(opType, inputs, attributes, [name]);
      return name;
    },
    emitMany: (opType, inputs, attributes, suffixes) => {
      const names = suffixes.map((suffix) => fresh(`${state.current}/${suffix}`));
      push(opType, inputs, attributes, names);
      return names;
    },
    fresh: (base) => fresh(`${state.current}/${base}`),
    emitNode: (node) => {
      state.nodes.push(node);
    },
    initializer,
    scalar: (value, base) => initializer(float32([], [value]), base),
    integers: (values, base) => initializer(int64([values.length], values), base),
  };
}

function outputsByNode(nodes: ReadonlyMap<string, Node>): Builder["outputsOf"] {
  const outputs = new Map<string, Map<number, string>>();
  for (const node of nodes.values()) {
    if (node.op !== "result") continue;
    const source = node.inputs[0] ?? "";
    const ids = outputs.get(source) ?? new Map<number, string>();
    if (!ids.has(node.attrs.index)) ids.set(node.attrs.index, node.id);
    outputs.set(source, ids);
  }
  return (id) => outputs.get(id) ?? new Map();
}

function unknownType(id: string, reader: Node | undefined): Error {
  return workError(`the shape of "${id}" is not known`, {
    node: reader && describe(reader),
    hint: "Declare the output shapes of the operators before it, or simplify the model first",
  });
}

/** The initializers that the nodes (or outputs) read, as messages: ours, and constants of the graph. */
export function usedInitializers(
  state: BuilderState,
  nodes: ReadonlyMap<string, Node>,
  outputs: readonly string[],
): OnnxInit<"TensorProto">[] {
  const read = new Set([...state.nodes.flatMap((node) => node.input ?? []), ...outputs]);
  return [...read].flatMap((name) => {
    const value = state.initializers.get(name) ?? constantOf(nodes.get(name));
    return value === undefined ? [] : [tensorMessage(value, name)];
  });
}
