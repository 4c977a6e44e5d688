/**
 * ONNX file to graph: initializers become constants, operators the table's where their meaning fits
 * exactly, everything else stays opaque for ONNX Runtime. Values keep their names.
 */
import { InlayError, inputError } from "../../error.ts";
import { type Graph, sweep } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { verify } from "../../ir/verify.ts";
import type { OnWarning } from "../../notice.ts";
import { decode } from "../../protobuf/decode.ts";
import type { Shape } from "../../tensor/shape.ts";
import { foldNode } from "./fold.ts";
import { describeOnnx, type OnnxNode, onnxNode } from "./onnx-node.ts";
import { elementwiseReadRules } from "./read-elementwise.ts";
import { initializerNodes } from "./read-initializer.ts";
import { linearReadRules } from "./read-linear.ts";
import { opaqueNodes } from "./read-opaque.ts";
import { quantizeReadRules } from "./read-quantize.ts";
import { resizeReadRules } from "./read-resize.ts";
import { shapeReadRules } from "./read-shape.ts";
import type { External } from "./read-tensor.ts";
import { declaredType, inputType, type Named } from "./read-types.ts";
import { windowReadRules } from "./read-window.ts";
import { addNode, type Reading, type ReadRules } from "./reading.ts";
import { type OnnxMessage, onnxSchema } from "./schema.ts";

export type OnnxFile = {
  /** The file's name, for errors. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Reads a file that the model keeps tensors in; without it such models are refused. */
  readonly external?: External | undefined;
  /** Shapes for inputs whose dimensions the file leaves open. */
  readonly inputShapes?: Readonly<Record<string, Shape>> | undefined;
  /** The same for every input that `inputShapes` does not name. */
  readonly inputShape?: Shape | undefined;
  readonly onWarning?: OnWarning | undefined;
};

const oldestOpset = 7;
/** The newest that ONNX Runtime 1.30 takes. */
const newestOpset = 26;
/** What the reader may copy whatever the file's size; beyond it, as much as the file is long. */
const freeElements = 2 ** 20;

/** How each operator of ONNX's own set is read; what is not here stays opaque. */
const readRules: ReadonlyMap<string, ReadRules[string]> = new Map(
  Object.entries({
    ...windowReadRules,
    ...linearReadRules,
    ...elementwiseReadRules,
    ...shapeReadRules,
    ...resizeReadRules,
    ...quantizeReadRules,
  }),
);

/**
 * The graph in an ONNX file, opset 7 to 26. An open batch dimension is taken as 1. Throws an
 * input error naming file and node or tensor where the file is damaged or contradicts itself, and a
 * work error where it uses what cannot be kept (functions, subgraphs that read outer values).
 */
export function readOnnx(file: OnnxFile): Graph {
  const model = decode(onnxSchema, "ModelProto", file.bytes, { file: file.name });
  const { graph } = model;
  if (graph === undefined || graph.node.length + graph.output.length === 0) {
    throw inputError("holds no ONNX graph", {
      where: file.name,
      hint: "Check that it is an ONNX model",
    });
  }
  if (graph.output.length === 0) {
    throw inputError("the network has no output", { where: file.name });
  }
  refuseUnsupported(model, graph, file.name);
  const opsets = opsetsOf(model, file.name);
  return located(file.name, () => {
    const reading = openReading(graph, opsets[""] ?? oldestOpset, file);
    for (const message of graph.node) readNode(onnxNode(message, file.name), reading);
    warnOpaque(reading, file);
    const outputs = graph.output.map(({ name = "" }) => ({ name, id: name }));
    const { nodes } = reading;
    return verify(sweep({ name: graph.name ?? "", nodes, outputs, opsets }), "imported");
  });
}

/** Adds the file's name to errors that do not have it. */
function located<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InlayError) || error.fields.where !== undefined) throw error;
    throw new InlayError({ ...error.fields, where: file }, { cause: error });
  }
}

function refuseUnsupported(
  model: OnnxMessage<"ModelProto">,
  graph: OnnxMessage<"GraphProto">,
  file: string,
): void {
  const found = [
    model.functions.length > 0 ? "functions" : undefined,
    graph.sparse_initializer.length > 0 ? "sparse initializers" : undefined,
  ].filter((part) => part !== undefined);
  if (found.length === 0) return;
  throw inputError("uses parts of ONNX that are not supported", {
    where: file,
    got: found.join(" and "),
    hint: "Export the model with plain operators and dense weights",
  });
}

function opsetsOf(model: OnnxMessage<"ModelProto">, file: string): Record<string, number> {
  const opsets = Object.fromEntries(
    model.opset_import.map(({ domain = "", version = 0 }) => {
      return [domain === "ai.onnx" ? "" : domain, version];
    }),
  );
  const own = opsets[""];
  if (own !== undefined && (own < oldestOpset || own > newestOpset)) {
    throw inputError("the model's opset is not supported", {
      where: file,
      expected: `${oldestOpset} to ${newestOpset}`,
      got: `${own}`,
      hint: "Convert it with ONNX's version converter",
    });
  }
  if (own === undefined && Object.keys(opsets).length === 0) {
    throw inputError("the model names no operator set", {
      where: file,
      hint: "Check that it is an ONNX model",
    });
  }
  return opsets;
}

/** The graph's inputs and initializers as nodes, and what is declared about its other values. */
function openReading(graph: OnnxMessage<"GraphProto">, opset: number, file: OnnxFile): Reading {
  const named: Named = new Map();
  const values = new Set(graph.initializer.map(({ name = "" }) => name));
  const inputs = graph.input.filter(({ name = "" }) => !values.has(name));
  const inputNodes = inputs.map((info): Node => {
    const { name: id = "" } = info;
    const attrs = inputType(info, file.name, file.inputShapes?.[id] ?? file.inputShape, named);
    return { op: "input", id, inputs: [], attrs };
  });
  const declared = [...graph.value_info, ...graph.output].flatMap((info) => {
    const type = declaredType(info, named);
    return type === undefined ? [] : [[info.name ?? "", type] as const];
  });
  const written = graph.node.flatMap((node) => node.output);
  const reading: Reading = {
    source: { file: file.name, external: file.external },
    opset,
    nodes: [],
    types: new Map(),
    constants: new Map(),
    declared: new Map(declared),
    names: new Set([...values, ...inputs.map(({ name = "" }) => name), ...written]),
    defined: new Set(),
    outputTypes: new Map(),
    budget: { elements: file.bytes.length + freeElements },
  };
  for (const node of inputNodes) addNode(reading, node);
  for (const message of graph.initializer) {
    for (const node of initializerNodes(message, reading)) addNode(reading, node);
  }
  return reading;
}

/** Adds the nodes that stand for one ONNX node: a constant, the table's, or an opaque one. */
function readNode(node: OnnxNode, reading: Reading): void {
  if (node.outputs.every((name) => name === "")) return;
  const twice = node.outputs.find((name) => reading.defined.has(name));
  if (twice !== undefined) {
    throw inputError("a value is given twice", { node: describeOnnx(node), got: `"${twice}"` });
  }
  const folded = foldNode(node, reading);
  if (folded !== undefined) {
    const id = node.outputs[0] ?? "";
    addNode(reading, { op: "const", id, inputs: [], attrs: { tensor: folded } });
    return;
  }
  const rule = node.domain === "" ? readRules.get(node.opType) : undefined;
  const nodes = rule?.(node, reading) ?? opaqueNodes(node, reading);
  for (const added of nodes) addNode(reading, added);
}

/** One warning that counts the operators that ONNX Runtime will run as they are. */
function warnOpaque(reading: Reading, file: OnnxFile): void {
  const counts = new Map<string, number>();
  for (const node of reading.nodes) {
    if (node.op !== "opaque") continue;
    counts.set(node.attrs.opType, (counts.get(node.attrs.opType) ?? 0) + 1);
  }
  if (counts.size === 0) return;
  const list = [...counts].map(([opType, count]) => (count === 1 ? opType : `${opType} x${count}`));
  file.onWarning?.({
    id: "onnx-opaque",
    message: `kept as they are, to be run in float: ${list.join(", ")}`,
    where: file.name,
  });
}
