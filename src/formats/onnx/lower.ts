/**
 * A graph as an ONNX model: for ONNX Runtime, which computes everything here, and for files. It
 * writes what a plain exporter would write, so that nothing is slower than the model's own file.
 */
import { usageError } from "../../error.ts";
import { type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes, type Types, withBatch } from "../../ir/infer.ts";
import { apply, type Node } from "../../ir/ops.ts";
import { encode } from "../../protobuf/encode.ts";
import { type BuilderState, createBuilder, usedInitializers } from "./builder.ts";
import { loweringRules } from "./lower-rules.ts";
import { renameOutputs } from "./rename-outputs.ts";
import { type OnnxInit, onnxSchema } from "./schema.ts";
import { type Batch, declareTypes, valueInfo } from "./value-info.ts";

export type LowerOptions = {
  /** Operator-set version, 7 or newer. A graph with opaque ONNX nodes has its own. */
  readonly opset?: number | undefined;
  /** Ids of inner values that become outputs too. */
  readonly taps?: readonly string[] | undefined;
  readonly batch?: Batch;
  /** The ONNX graph's name; the graph's own by default. */
  readonly name?: string | undefined;
  /**
   * `"ids"` (default): each output is named after the node that gives it, so that taps and outputs
   * have one vocabulary. `"outputs"`: after the graph's output names, for files.
   */
  readonly outputNames?: "ids" | "outputs" | undefined;
};

/** The version written where nothing asks for another. */
export const defaultOpset = 17;
const oldestOpset = 7;
const opsetOf16Bit = 21;

/** The model's bytes. Throws a work error naming a node that has no ONNX form. */
export function lowerToOnnx(graph: Graph, options: LowerOptions = {}): Uint8Array {
  return encode(onnxSchema, "ModelProto", lowerToModel(graph, options));
}

/** The same as a message. Tensor payloads are views of the graph's tensors. */
export function lowerToModel(graph: Graph, options: LowerOptions = {}): OnnxInit<"ModelProto"> {
  const { batch } = options;
  const sized = typeof batch === "number" ? withBatch(graph, batch) : graph;
  const types = inferTypes(sized);
  const opset = opsetOf(sized, types, options.opset);
  const nodes = nodeMap(sized);
  const outputs = outputIds(sized, nodes, options.taps ?? []);
  const state: BuilderState = {
    nodes: [],
    initializers: new Map(),
    names: new Set(nodes.keys()),
    current: "",
  };
  const builder = createBuilder(state, opset, nodes, types);
  for (const node of sized.nodes) {
    state.current = node.id;
    apply(loweringRules, node, builder);
  }
  const declared = declareTypes(sized, types, batch);
  const message: OnnxInit<"GraphProto"> = {
    name: options.name ?? graph.name,
    node: state.nodes,
    initializer: usedInitializers(state, nodes, outputs),
    input: sized.nodes.flatMap((node) =>
      node.op === "input" ? [valueInfo(node.id, declared(node.id))] : [],
    ),
    output: outputs.map((id) => valueInfo(id, declared(id))),
    value_info: batch === undefined ? declaredResults(sized, types, outputs) : [],
  };
  const named = options.outputNames === "outputs" ? renameOutputs(message, sized.outputs) : message;
  return modelOf(named, graph.opsets, opset);
}

/** Opaque nodes hold only for the version they were written for. */
function opsetOf(graph: Graph, types: Types, wanted: number | undefined): number {
  const foreign = graph.nodes.some((node) => node.op === "opaque" && node.attrs.domain === "");
  const own = foreign ? graph.opsets[""] : undefined;
  const opset = own ?? wanted ?? neededOpset(graph, types);
  if (wanted !== undefined && wanted !== opset) {
    throw usageError("the graph holds operators of another opset", {
      expected: `${opset}`,
      got: `${wanted}`,
    });
  }
  if (!Number.isInteger(opset) || opset < oldestOpset) {
    throw usageError("opset is too old", { expected: `${oldestOpset} or newer`, got: `${opset}` });
  }
  return opset;
}

/** The default, or the first version that has 16-bit quantization where the graph uses it. */
function neededOpset(graph: Graph, types: Types): number {
  const wide = graph.nodes.some((node) => {
    const dtype = node.op === "quantize" ? types.get(node.id)?.dtype : undefined;
    const source = node.op === "dequantize" ? types.get(node.inputs[0] ?? "")?.dtype : dtype;
    return source?.endsWith("int16");
  });
  return wide ? opsetOf16Bit : defaultOpset;
}

/** The ids of all outputs and taps, each once. Throws where a tap names no value. */
function outputIds(
  graph: Graph,
  nodes: ReadonlyMap<string, Node>,
  taps: readonly string[],
): readonly string[] {
  for (const id of taps) {
    const node = nodes.get(id);
    if (node === undefined || node.op === "opaque") {
      throw usageError("no such value to tap", { got: `"${id}"` });
    }
  }
  return [...new Set([...graph.outputs.map((output) => output.id), ...taps])];
}

/** Types of opaque nodes' outputs, which no reader could infer. */
function declaredResults(
  graph: Graph,
  types: Types,
  outputs: readonly string[],
): OnnxInit<"ValueInfoProto">[] {
  const declared = new Set(outputs);
  return graph.nodes.flatMap((node) => {
    const type = node.op === "result" && !declared.has(node.id) ? types.get(node.id) : undefined;
    return type === undefined ? [] : [valueInfo(node.id, { dtype: type.dtype, dims: type.shape })];
  });
}

/** The bytes of a model around a graph. `opsets` are versions of further domains. */
export function encodeModel(
  graph: OnnxInit<"GraphProto">,
  opsets: Graph["opsets"],
  opset: number = defaultOpset,
): Uint8Array {
  return encode(onnxSchema, "ModelProto", modelOf(graph, opsets, opset));
}

function modelOf(
  graph: OnnxInit<"GraphProto">,
  opsets: Graph["opsets"],
  opset: number,
): OnnxInit<"ModelProto"> {
  const others = Object.entries(opsets).filter(([domain]) => domain !== "");
  return {
    ir_version: irVersion(opset),
    producer_name: "inlay",
    graph,
    opset_import: [
      { domain: "", version: opset },
      ...others.map(([domain, version]) => ({ domain, version })),
    ],
  };
}

/** The file format that came with an operator set; 4 is the first where weights are no inputs. */
function irVersion(opset: number): number {
  if (opset <= 9) return 4;
  if (opset <= 11) return 6;
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  return opset <= 20 ? 9 : 10;
}
