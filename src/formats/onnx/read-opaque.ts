/**
 * Operators that the table does not know: kept as they are, with the types of their outputs where
 * the file declares them or where they are plain.
 */
import { inputError, workError } from "../../error.ts";
import type { Node } from "../../ir/ops.ts";
import type { TensorType } from "../../tensor/tensor.ts";
import { describeOnnx, type OnnxNode, onnxNode } from "./onnx-node.ts";
import { freshName, type Reading } from "./reading.ts";
import type { OnnxMessage } from "./schema.ts";

/** Operators whose first output has the type of their first input. */
const sameType: ReadonlySet<string> = new Set([
  ...["Abs", "Ceil", "Clip", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish"],
  ...["Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax"],
  ...["LpNormalization", "LRN", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid"],
  ...["Sign", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"],
  "BatchNormalization",
]);

/** Control flow inside control flow. */
const maxDepth = 32;

/** The opaque node and a result for each output that has a name. */
export function opaqueNodes(node: OnnxNode, reading: Reading): Node[] {
  refuseCaptures(node, reading.source.file);
  const id = freshName(reading, `${node.outputs.find((name) => name !== "") ?? node.name}/op`);
  const outputs = node.outputs.map((name, index) => typeOfOutput(node, name, index, reading));
  const attributes = node.encoded;
  const { domain, opType } = node;
  return [
    { op: "opaque", id, inputs: node.inputs, attrs: { domain, opType, attributes, outputs } },
    ...node.outputs.flatMap((name, index): Node[] =>
      name === "" ? [] : [{ op: "result", id: name, inputs: [id], attrs: { index } }],
    ),
  ];
}

function typeOfOutput(
  node: OnnxNode,
  name: string,
  index: number,
  reading: Reading,
): TensorType | undefined {
  const declared = reading.declared.get(name);
  if (declared !== undefined || index > 0 || node.domain !== "") return declared;
  return sameType.has(node.opType) ? reading.types.get(node.inputs[0] ?? "") : undefined;
}

/** Subgraphs are kept encoded, so that names they take from outside could not be followed. */
function refuseCaptures(node: OnnxNode, file: string): void {
  for (const attribute of node.attributes.values()) {
    for (const graph of [attribute.g, ...attribute.graphs]) {
      const captured = graph === undefined ? [] : capturedNames(graph, file);
      if (captured.length === 0) continue;
      throw workError("its subgraph reads values from outside, which is not supported", {
        node: describeOnnx(node),
        got: captured.map((name) => `"${name}"`).join(", "),
        hint: "Simplify the model first: unroll or remove the control flow",
      });
    }
  }
}

/** Names that a subgraph, or one inside it, reads and does not define. */
function capturedNames(
  graph: OnnxMessage<"GraphProto">,
  file: string,
  depth = 1,
): readonly string[] {
  if (depth > maxDepth) throw inputError("subgraphs are nested too deep", { where: file });
  const own = new Set([
    ...graph.input.map((input) => input.name ?? ""),
    ...graph.initializer.map((value) => value.name ?? ""),
    ...graph.node.flatMap((node) => node.output),
    "",
  ]);
  const inner = graph.node
    .flatMap((node) => [...onnxNode(node, file).attributes.values()])
    .flatMap((attribute) => [attribute.g, ...attribute.graphs])
    .flatMap((sub) => (sub === undefined ? [] : capturedNames(sub, file, depth + 1)));
  const read = [
    ...inner,
    ...graph.node.flatMap((node) => node.input),
    ...graph.output.map((output) => output.name ?? ""),
  ];
  return [...new Set(read.filter((name) => !own.has(name)))];
}
