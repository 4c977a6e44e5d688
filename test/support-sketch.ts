/**
 * One operator between two layers, to see what becomes of it: which operators of the table it is read
 * as, and whether the int8 target computes them in integers.
 */
import { int8 } from "../src/chips/int8/target.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { type Attributes, encodeAttributes } from "../src/formats/onnx/attribute.ts";
import { readOnnx } from "../src/formats/onnx/read.ts";
import { onnxSchema } from "../src/formats/onnx/schema.ts";
import { tensorMessage } from "../src/formats/onnx/tensor-message.ts";
import type { Graph } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import { canonicalize } from "../src/passes/pipeline.ts";
import { encode } from "../src/protobuf/encode.ts";
import { planQuantization } from "../src/quantize/plan.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";

/** What the sketch has around the operator; their names begin so. */
const around = /^(?:data|before|after)/;

/** Weights that are neither zero nor all the same, which would be simplified. */
export const varied = (_: unknown, at: number): number => 0.05 * (1 + (at % 7));

export type Fate = {
  /** Operators of the table that it is read as. */
  readonly operators: readonly string[];
  readonly int8: "integers" | "float" | "folded away" | "integers, the rest float";
};

/** What becomes of the nodes of a graph that are not around the operator. */
export function fateOf(graph: Graph): Fate {
  const isProbe = (id: string): boolean => !around.test(id);
  const read = graph.nodes.filter(({ id, op }) => isProbe(id) && op !== "const" && op !== "result");
  const operators = [...new Set(read.map(({ op }) => op))];
  const canonical = canonicalize(graph);
  const left = canonical.nodes.filter(({ id, op }) => isProbe(id) && operators.includes(op));
  if (left.length === 0) return { operators, int8: "folded away" };
  const ids = new Set(left.map(({ id }) => id));
  const float = planQuantization(canonical, int8).floatLayers.filter(({ name }) => ids.has(name));
  if (float.length === 0) return { operators, int8: "integers" };
  return {
    operators,
    int8: float.length === left.length ? "float" : "integers, the rest float",
  };
}

/** A Caffe layer: the text of one that reads "before" (and "before2") and gives "probe". */
export function caffeSketch(layer: string): Graph {
  const conv = (name: string): string =>
    `layer { name: "${name}" type: "Convolution" bottom: "data" top: "${name}"
      convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "constant" value: 0.1 } } }\n`;
  const last = `layer { name: "after" type: "InnerProduct" bottom: "probe" top: "after"
    inner_product_param { num_output: 2 } }`;
  const text = `name: "sketch" input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }
    ${conv("before")} ${/before2/.test(layer) ? conv("before2") : ""} ${layer} ${last}`;
  const bytes = new TextEncoder().encode(text);
  const graph = readCaffe({ prototxt: { name: "sketch.prototxt", bytes } });
  return { ...graph, nodes: graph.nodes.map(withVariedWeights) };
}

function withVariedWeights(node: Node): Node {
  if (node.op !== "const" || node.attrs.tensor.dtype !== "float32") return node;
  const { shape, data } = node.attrs.tensor;
  return { ...node, attrs: { tensor: float32(shape, data.map(varied)) } };
}

export type OnnxSketch = {
  readonly opType: string;
  /** "before" [1, 4, 8, 8], "before2" (the same shape), "beforeFlat" [1, 256], or names of `values`. */
  readonly inputs?: readonly string[];
  readonly attributes?: Attributes;
  readonly values?: Readonly<Record<string, Tensor>>;
  readonly outputs?: readonly string[];
  readonly opset?: number;
};

type NodeText = readonly [type: string, inputs: readonly string[], outputs: readonly string[]];

function onnxGraph(sketch: OnnxSketch, after: readonly NodeText[], more: Attributes[]): Graph {
  const { opType, inputs = ["before"], outputs = ["probe"], values = {}, opset = 13 } = sketch;
  const weight = float32([4, 4, 1, 1], new Float32Array(16).fill(0.1));
  const tensors: Readonly<Record<string, Tensor>> = { "before.w": weight, ...values };
  const nodes: readonly (readonly [...NodeText, Attributes])[] = [
    ["Conv", ["data", "before.w"], ["before"], {}],
    ["Conv", ["data", "before.w"], ["before2"], {}],
    ["Flatten", ["before"], ["beforeFlat"], {}],
    [opType, inputs, outputs, sketch.attributes ?? {}],
    ...after.map((node, at) => [...node, more[at] ?? {}] as const),
  ];
  const result = after.at(-1)?.[2][0] ?? "probe";
  const dim = [1, 4, 8, 8].map((dim_value) => ({ dim_value }));
  const bytes = encode(onnxSchema, "ModelProto", {
    ir_version: 8,
    opset_import: [{ domain: "", version: opset }],
    graph: {
      name: "sketch",
      node: nodes.map(([op_type, input, output, attributes]) => {
        return { op_type, input, output, attribute: encodeAttributes(attributes) };
      }),
      input: [{ name: "data", type: { tensor_type: { elem_type: 1, shape: { dim } } } }],
      output: [{ name: result }],
      initializer: Object.entries(tensors).map(([name, value]) => tensorMessage(value, name)),
    },
  });
  return readOnnx({ name: "sketch.onnx", bytes });
}

/** The operator between a convolution and a fully connected layer. */
export function onnxSketch(sketch: OnnxSketch): Graph {
  const alone = onnxGraph(sketch, [], []);
  const type = inferTypes(alone).get("probe");
  if (type?.dtype !== "float32") return alone;
  const features = elementCount(type.shape.slice(1));
  const weight = float32([features, 2], new Float32Array(features * 2).fill(0.1));
  const values = { ...sketch.values, "after.w": weight };
  const after: readonly NodeText[] = [
    ["Flatten", ["probe"], ["afterFlat"]],
    ["Gemm", ["afterFlat", "after.w"], ["after"]],
  ];
  return onnxGraph({ ...sketch, values }, after, []);
}
