/**
 * The messages of onnx.proto that we read and write; field numbers are ONNX's. Attributes of a node
 * stay encoded (same wire type), so that nodes we do not know pass through byte for byte. What is
 * not listed is kept as unknown fields.
 */
import type { Message, MessageInit, MessageName } from "../../protobuf/schema.ts";

export const onnxSchema = {
  enums: {},
  messages: {
    ModelProto: {
      ir_version: { number: 1, type: "int64" },
      producer_name: { number: 2, type: "string" },
      producer_version: { number: 3, type: "string" },
      opset_import: { number: 8, type: "message", message: "OperatorSetIdProto", repeated: true },
      graph: { number: 7, type: "message", message: "GraphProto" },
      /** FunctionProto, encoded. */
      functions: { number: 25, type: "bytes", repeated: true },
    },
    OperatorSetIdProto: {
      domain: { number: 1, type: "string" },
      version: { number: 2, type: "int64" },
    },
    GraphProto: {
      node: { number: 1, type: "message", message: "NodeProto", repeated: true },
      name: { number: 2, type: "string" },
      initializer: { number: 5, type: "message", message: "TensorProto", repeated: true },
      input: { number: 11, type: "message", message: "ValueInfoProto", repeated: true },
      output: { number: 12, type: "message", message: "ValueInfoProto", repeated: true },
      value_info: { number: 13, type: "message", message: "ValueInfoProto", repeated: true },
      /** SparseTensorProto, encoded. */
      sparse_initializer: { number: 15, type: "bytes", repeated: true },
    },
    NodeProto: {
      input: { number: 1, type: "string", repeated: true },
      output: { number: 2, type: "string", repeated: true },
      name: { number: 3, type: "string" },
      op_type: { number: 4, type: "string" },
      /** AttributeProto, encoded. */
      attribute: { number: 5, type: "bytes", repeated: true },
      domain: { number: 7, type: "string" },
      overload: { number: 8, type: "string" },
    },
    AttributeProto: {
      name: { number: 1, type: "string" },
      f: { number: 2, type: "float" },
      i: { number: 3, type: "int64" },
      s: { number: 4, type: "bytes" },
      t: { number: 5, type: "message", message: "TensorProto" },
      g: { number: 6, type: "message", message: "GraphProto" },
      floats: { number: 7, type: "float", repeated: true, bulk: true },
      ints: { number: 8, type: "int64", repeated: true, bulk: true },
      strings: { number: 9, type: "bytes", repeated: true },
      graphs: { number: 11, type: "message", message: "GraphProto", repeated: true },
      type: { number: 20, type: "int32" },
      ref_attr_name: { number: 21, type: "string" },
    },
    TensorProto: {
      dims: { number: 1, type: "int64", repeated: true },
      data_type: { number: 2, type: "int32" },
      float_data: { number: 4, type: "float", repeated: true, bulk: true },
      int32_data: { number: 5, type: "int32", repeated: true, bulk: true },
      string_data: { number: 6, type: "bytes", repeated: true },
      int64_data: { number: 7, type: "int64", repeated: true, bulk: true },
      name: { number: 8, type: "string" },
      raw_data: { number: 9, type: "bytes" },
      double_data: { number: 10, type: "double", repeated: true, bulk: true },
      uint64_data: { number: 11, type: "uint64", repeated: true, bulk: true },
      external_data: {
        number: 13,
        type: "message",
        message: "StringStringEntryProto",
        repeated: true,
      },
      /** 0: in this message, 1: external. */
      data_location: { number: 14, type: "int32" },
    },
    StringStringEntryProto: {
      key: { number: 1, type: "string" },
      value: { number: 2, type: "string" },
    },
    ValueInfoProto: {
      name: { number: 1, type: "string" },
      type: { number: 2, type: "message", message: "TypeProto" },
    },
    TypeProto: {
      tensor_type: { number: 1, type: "message", message: "TensorTypeProto" },
      /** The other kinds of value, encoded: told apart from tensors, not read. */
      sequence_type: { number: 4, type: "bytes" },
      map_type: { number: 5, type: "bytes" },
      sparse_tensor_type: { number: 8, type: "bytes" },
      optional_type: { number: 9, type: "bytes" },
    },
    TensorTypeProto: {
      elem_type: { number: 1, type: "int32" },
      shape: { number: 2, type: "message", message: "TensorShapeProto" },
    },
    TensorShapeProto: {
      dim: { number: 1, type: "message", message: "DimensionProto", repeated: true },
    },
    DimensionProto: {
      dim_value: { number: 1, type: "int64" },
      dim_param: { number: 2, type: "string" },
    },
  },
} as const;

/** A decoded message. */
export type OnnxMessage<N extends MessageName<typeof onnxSchema>> = Message<typeof onnxSchema, N>;
/** A message to be written. */
export type OnnxInit<N extends MessageName<typeof onnxSchema>> = MessageInit<typeof onnxSchema, N>;
