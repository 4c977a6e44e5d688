/**
 * Initializers: constants of the graph, or opaque Constant nodes where the element type is none of
 * ours (bfloat16, int4, strings, ...), so that ONNX Runtime still gets them as they are.
 */
import type { Node } from "../../ir/ops.ts";
import { attributeType, encodeAttributes } from "./attribute.ts";
import { embedded, readTensor } from "./read-tensor.ts";
import { freshName, type Reading } from "./reading.ts";
import type { OnnxMessage } from "./schema.ts";

/** The nodes that stand for one initializer. Throws where its data do not fit. */
export function initializerNodes(message: OnnxMessage<"TensorProto">, reading: Reading): Node[] {
  const id = message.name ?? "";
  const value = readTensor(message, reading.source);
  if (value !== undefined) return [{ op: "const", id, inputs: [], attrs: { tensor: value } }];
  const attributes = encodeAttributes({
    value: { type: attributeType.tensor, t: embedded(message, reading.source) },
  });
  const source = freshName(reading, `${id}/op`);
  const attrs = { domain: "", opType: "Constant", attributes, outputs: [undefined] };
  return [
    { op: "opaque", id: source, inputs: [], attrs },
    { op: "result", id, inputs: [source], attrs: { index: 0 } },
  ];
}
