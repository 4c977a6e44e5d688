/**
 * A NodeProto with its attributes decoded, and typed access to them.
 */
import { decode } from "../../protobuf/decode.ts";
import { type OnnxMessage, onnxSchema } from "./schema.ts";

export type OnnxNode = {
  readonly opType: string;
  /** "" for ONNX's own operators. */
  readonly domain: string;
  readonly name: string;
  /** Names of values; "" for an omitted one. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxMessage<"AttributeProto">>;
  /** The attributes as they stood in the file. */
  readonly encoded: readonly Uint8Array[];
};

const utf8 = new TextDecoder();

export function onnxNode(message: OnnxMessage<"NodeProto">, file: string): OnnxNode {
  const domain = message.domain ?? "";
  const attributes = message.attribute.map((bytes) =>
    decode(onnxSchema, "AttributeProto", bytes, { file }),
  );
  return {
    opType: message.op_type ?? "",
    domain: domain === "ai.onnx" ? "" : domain,
    name: message.name ?? "",
    inputs: message.input,
    outputs: message.output,
    attributes: new Map(attributes.map((attribute) => [attribute.name ?? "", attribute])),
    encoded: message.attribute,
  };
}

/** `Conv "conv1"`, as errors name it. */
export function describeOnnx(node: OnnxNode): string {
  return `${node.opType} "${node.name === "" ? (node.outputs[0] ?? "") : node.name}"`;
}

export function intOf(node: OnnxNode, name: string, fallback: number): number {
  return node.attributes.get(name)?.i ?? fallback;
}

/** A float attribute: a float32 value. */
export function floatOf(node: OnnxNode, name: string, fallback: number): number {
  return node.attributes.get(name)?.f ?? fallback;
}

export function textOf(node: OnnxNode, name: string, fallback: string): string {
  const bytes = node.attributes.get(name)?.s;
  return bytes === undefined ? fallback : utf8.decode(bytes);
}

/** Undefined where the attribute is absent. */
export function intsOf(node: OnnxNode, name: string): readonly number[] | undefined {
  const values = node.attributes.get(name)?.ints;
  return values && Array.from(values, Number);
}

export function floatsOf(node: OnnxNode, name: string): readonly number[] | undefined {
  const values = node.attributes.get(name)?.floats;
  return values && Array.from(values);
}

/** True where the node gives nothing but its first output. */
export function hasOneOutput(node: OnnxNode): boolean {
  return node.outputs.slice(1).every((name) => name === "") && (node.outputs[0] ?? "") !== "";
}
