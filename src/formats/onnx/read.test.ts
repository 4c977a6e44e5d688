/** Reading ONNX: folding, opaque nodes, payload spellings, round trips, damage. */
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { InlayError } from "../../error.ts";
import { printGraph } from "../../ir/print.ts";
import type { Warning } from "../../notice.ts";
import { encode } from "../../protobuf/encode.ts";
import { float32, int64, type Tensor } from "../../tensor/tensor.ts";
import { encodeAttributes, float, int, ints, tensorAttribute, text } from "./attribute.ts";
import { lowerToOnnx } from "./lower.ts";
import { type OnnxFile, readOnnx } from "./read.ts";
import { readTensor } from "./read-tensor.ts";
import { type OnnxInit, onnxSchema } from "./schema.ts";
import { tensorMessage } from "./tensor-message.ts";

type NodeInit = OnnxInit<"NodeProto">;
type Dim = number | string;

function node(
  op_type: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Parameters<typeof encodeAttributes>[0] = {},
): NodeInit {
  return { op_type, input, output, attribute: encodeAttributes(attributes) };
}

function info(name: string, shape?: readonly Dim[], code = 1): OnnxInit<"ValueInfoProto"> {
  const dim = shape?.map((size) =>
    typeof size === "number" ? { dim_value: size } : { dim_param: size },
  );
  return { name, type: { tensor_type: { elem_type: code, shape: dim && { dim } } } };
}

type Sketch = {
  readonly nodes: readonly NodeInit[];
  readonly input?: readonly OnnxInit<"ValueInfoProto">[];
  readonly outputs?: readonly string[];
  readonly values?: Readonly<Record<string, Tensor>>;
  readonly messages?: readonly OnnxInit<"TensorProto">[];
  readonly valueInfo?: readonly OnnxInit<"ValueInfoProto">[];
  readonly opset?: number;
  readonly model?: OnnxInit<"ModelProto">;
};

function bytesOf(sketch: Sketch): Uint8Array {
  const { nodes, input = [info("x", [1, 2, 4, 4])], outputs = ["y"], values = {} } = sketch;
  return encode(onnxSchema, "ModelProto", {
    ir_version: 8,
    opset_import: [{ domain: "", version: sketch.opset ?? 13 }],
    graph: {
      name: "sketch",
      node: nodes,
      input,
      output: outputs.map((name) => ({ name })),
      initializer: [
        ...Object.entries(values).map(([name, value]) => tensorMessage(value, name)),
        ...(sketch.messages ?? []),
      ],
      value_info: sketch.valueInfo ?? [],
    },
    ...sketch.model,
  });
}

const read = (sketch: Sketch, more: Partial<OnnxFile> = {}): ReturnType<typeof readOnnx> =>
  readOnnx({ name: "sketch.onnx", bytes: bytesOf(sketch), ...more });

function errorOf(work: () => unknown): InlayError {
  try {
    work();
  } catch (error) {
    if (error instanceof InlayError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

describe("folding", () => {
  it("turns an exported reshape into one that holds for every batch", () => {
    const graph = read({
      nodes: [
        node("Shape", ["x"], ["shape"]),
        node("Constant", [], ["zero"], { value: tensorAttribute(int64([], [0])) }),
        node("Gather", ["shape", "zero"], ["batch"], { axis: int(0) }),
        node("Constant", [], ["axis"], { value: tensorAttribute(int64([1], [0])) }),
        node("Unsqueeze", ["batch", "axis"], ["batches"]),
        node("Constant", [], ["rest"], { value: tensorAttribute(int64([1], [-1])) }),
        node("Concat", ["batches", "rest"], ["target"], { axis: int(0) }),
        node("Reshape", ["x", "target"], ["y"]),
      ],
      input: [info("x", ["N", 2, 4, 4])],
    });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "x: float32[1x2x4x4] = input()
      y: float32[1x32] = reshape(x) shape=0,-1
      -> y"
    `);
  });

  it("computes small sizes exactly", () => {
    const graph = read({
      nodes: [
        node("Shape", ["x"], ["shape"], { start: int(2) }),
        node("Cast", ["shape"], ["sizes"], { to: int(1) }),
        node("Mul", ["sizes", "half"], ["halves"]),
        node("Floor", ["halves"], ["whole"]),
        node("Cast", ["whole"], ["y"], { to: int(7) }),
      ],
      input: [info("x", [1, 2, 5, 7])],
      values: { half: float32([1], [0.5]) },
      opset: 15,
    });
    const value = graph.nodes.find(({ id }) => id === "y");
    expect(value?.op === "const" && value.attrs.tensor).toEqual(int64([2], [2, 3]));
  });
});

describe("operators", () => {
  it("turns a matrix product with weights into a fully connected layer", () => {
    const graph = read({
      nodes: [node("MatMul", ["x", "w"], ["y"])],
      input: [info("x", [1, 2])],
      values: { w: float32([2, 3], [1, 2, 3, 4, 5, 6]) },
    });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "x: float32[1x2] = input()
      y: float32[1x3] = linear(x, [3x2])
      -> y"
    `);
    const weight = graph.nodes.find(({ op }) => op === "const");
    const tensor = weight?.op === "const" ? weight.attrs.tensor : undefined;
    expect(Array.from((tensor?.data ?? []) as Float32Array)).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("reads the usual parts of a network", () => {
    const graph = read({
      nodes: [
        node("Conv", ["x", "w"], ["c"], { auto_pad: text("SAME_LOWER"), strides: ints([2, 2]) }),
        node("Clip", ["c", "zero", "six"], ["r"]),
        node("Split", ["r", "lengths"], ["a", "b"], { axis: int(1) }),
        node("Mul", ["a", "b"], ["m"]),
        node("ReduceMean", ["m"], ["p"], { axes: ints([-1, -2]), keepdims: int(0) }),
        node("Unsqueeze", ["p", "two"], ["y"]),
      ],
      values: {
        w: float32([2, 2, 3, 3], new Float32Array(36)),
        zero: float32([], [0]),
        six: float32([], [6]),
        lengths: int64([2], [1, 1]),
        two: int64([1], [2]),
      },
    });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "x: float32[1x2x4x4] = input()
      c: float32[1x2x2x2] = conv(x, [2x2x3x3]) stride=2,2 pads=1,1,0,0
      r: float32[1x2x2x2] = clip(c) min=0 max=6
      a: float32[1x1x2x2] = slice(r) axis=1 start=0 end=1
      b: float32[1x1x2x2] = slice(r) axis=1 start=1 end=2
      m: float32[1x1x2x2] = mul(a, b)
      p.pool: float32[1x1x1x1] = globalAvgPool(m)
      p: float32[1x1] = flatten(p.pool) axis=1 endAxis=-1
      y: float32[1x1x1] = reshape(p) shape=0,1,1
      -> y"
    `);
  });

  it("reads quantized networks, with the zero point that a node leaves out", () => {
    const graph = read({
      nodes: [
        node("QuantizeLinear", ["x", "s"], ["q"]),
        node("DequantizeLinear", ["q", "s"], ["y"]),
      ],
      values: { s: float32([], [0.5]) },
    });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "x: float32[1x2x4x4] = input()
      q: uint8[1x2x4x4] = quantize(x, [scalar], [scalar]) axis=1
      y: float32[1x2x4x4] = dequantize(q, [scalar], [scalar]) axis=1
      -> y"
    `);
  });
});

describe("what the table does not know", () => {
  const sketch: Sketch = {
    nodes: [
      node("HardSwish", ["x"], ["h"]),
      node("TopK", ["h", "k"], ["v", "i"], { axis: int(1) }),
      node("Relu", ["v"], ["y"]),
    ],
    values: { k: int64([1], [1]) },
    outputs: ["y", "i"],
    valueInfo: [info("v", [1, 1, 4, 4])],
    opset: 14,
  };

  it("stays opaque, with a warning, and comes back the same", () => {
    const warnings: Warning[] = [];
    const graph = read(sketch, { onWarning: (warning) => warnings.push(warning) });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "x: float32[1x2x4x4] = input()
      h/op = opaque:HardSwish(x)
      h: float32[1x2x4x4] = result(h/op) index=0
      v/op = opaque:TopK(h, [1])
      v: float32[1x1x4x4] = result(v/op) index=0
      i = result(v/op) index=1
      y: float32[1x1x4x4] = relu(v)
      -> y, i"
    `);
    expect(warnings.map(({ id, message }) => [id, message])).toEqual([
      ["onnx-opaque", "kept as they are, to be run in float: HardSwish, TopK"],
    ]);
    expect(graph.opsets).toEqual({ "": 14 });
    const again = readOnnx({ name: "again.onnx", bytes: lowerToOnnx(graph) });
    expect(printGraph(again)).toBe(printGraph(graph));
  });

  it("keeps initializers of element types that we lack", async () => {
    const bfloat = { name: "b", dims: [2], data_type: 16, raw_data: Uint8Array.of(128, 63, 0, 64) };
    const graph = read({
      nodes: [node("Cast", ["b"], ["f"], { to: int(1) }), node("Add", ["x", "f"], ["y"])],
      input: [info("x", [2])],
      messages: [bfloat],
      valueInfo: [info("f", [2])],
    });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "x: float32[2] = input()
      b/op = opaque:Constant()
      b = result(b/op) index=0
      f/op = opaque:Cast(b)
      f: float32[2] = result(f/op) index=0
      y: float32[2] = add(x, f)
      -> y"
    `);
    const session = await InferenceSession.create(lowerToOnnx(graph), { logSeverityLevel: 4 });
    expect(session.outputNames).toEqual(["y"]);
    await session.release();
  });

  it("refuses subgraphs that read outer values", () => {
    const branch = (input: string): OnnxInit<"GraphProto"> => ({
      name: "branch",
      node: [node("Relu", [input], ["r"])],
      output: [{ name: "r" }],
    });
    const attribute = encode(onnxSchema, "AttributeProto", {
      name: "then_branch",
      type: 5,
      g: branch("x"),
    });
    const error = errorOf(() =>
      read({ nodes: [{ op_type: "If", input: ["x"], output: ["y"], attribute: [attribute] }] }),
    );
    expect(error.message).toMatchInlineSnapshot(
      `"sketch.onnx: If "y": its subgraph reads values from outside, which is not supported: got "x". Simplify the model first: unroll or remove the control flow"`,
    );
  });
});

describe("payloads", () => {
  const source = { file: "t.onnx" };
  const message = (fields: OnnxInit<"TensorProto">): Parameters<typeof readTensor>[0] => ({
    dims: [2],
    float_data: new Float32Array(0),
    int32_data: new Int32Array(0),
    int64_data: new BigInt64Array(0),
    double_data: new Float64Array(0),
    uint64_data: new BigUint64Array(0),
    string_data: [],
    external_data: [],
    ...(fields as object),
  });

  it.each([
    [1, { float_data: Float32Array.of(1, 2) }, Float32Array.of(1, 2)],
    [2, { int32_data: Int32Array.of(1, 255) }, Uint8Array.of(1, 255)],
    [3, { int32_data: Int32Array.of(1, -2) }, Int8Array.of(1, -2)],
    [4, { int32_data: Int32Array.of(1, 65535) }, Uint16Array.of(1, 65535)],
    [5, { int32_data: Int32Array.of(1, -300) }, Int16Array.of(1, -300)],
    [6, { int32_data: Int32Array.of(1, -70000) }, Int32Array.of(1, -70000)],
    [7, { int64_data: BigInt64Array.of(1n, -(2n ** 40n)) }, BigInt64Array.of(1n, -(2n ** 40n))],
    [9, { int32_data: Int32Array.of(0, 1) }, Uint8Array.of(0, 1)],
    [10, { int32_data: Int32Array.of(0x3c00, 0xbc00) }, Uint16Array.of(0x3c00, 0xbc00)],
    [11, { double_data: Float64Array.of(1, 0.1) }, Float64Array.of(1, 0.1)],
    [12, { uint64_data: BigUint64Array.of(1n, 2n ** 32n - 1n) }, Uint32Array.of(1, 2 ** 32 - 1)],
    [13, { uint64_data: BigUint64Array.of(1n, 2n ** 63n) }, BigUint64Array.of(1n, 2n ** 63n)],
    [
      1,
      { raw_data: Uint8Array.of(0, 0, 0, 128, 63, 0, 0, 0, 64).subarray(1) },
      Float32Array.of(1, 2),
    ],
  ])("of element type %i are read", (data_type, fields, wanted) => {
    expect(readTensor(message({ data_type, ...fields }), source)?.data).toEqual(wanted);
  });

  it("are refused where they do not fit their dimensions", () => {
    const short = message({ name: "w", data_type: 1, raw_data: new Uint8Array(7) });
    expect(errorOf(() => readTensor(short, source)).message).toMatchInlineSnapshot(
      `"t.onnx: tensor "w": tensor data does not fit its dimensions: expected 2 = 8 bytes, got 7. The file is damaged or was cut off"`,
    );
    const huge = message({ name: "w", data_type: 1, dims: [2 ** 40, 2 ** 40] });
    expect(errorOf(() => readTensor(huge, source)).message).toMatchInlineSnapshot(
      `"t.onnx: tensor "w": shape is too large: expected at most 2147483647 elements, got [1099511627776, 1099511627776]"`,
    );
    const negative = message({ name: "w", data_type: 1, dims: [-1] });
    expect(errorOf(() => readTensor(negative, source)).fields.where).toBe("t.onnx");
  });

  it("in other files come through the callback, within their bounds", () => {
    const entries = (offset: string): OnnxInit<"TensorProto"> => ({
      name: "w",
      data_type: 1,
      data_location: 1,
      external_data: [
        { key: "location", value: "w.bin" },
        { key: "offset", value: offset },
        { key: "length", value: "8" },
      ],
    });
    const file = new Uint8Array(Float32Array.of(0, 1, 2).buffer);
    const external = (): Uint8Array => file;
    const found = readTensor(message(entries("4")), { ...source, external });
    expect(found?.data).toEqual(Float32Array.of(1, 2));
    const outside = (): unknown => readTensor(message(entries("8")), { ...source, external });
    expect(errorOf(outside).message).toMatch(/outside their file/);
    expect(errorOf(() => readTensor(message(entries("0")), source)).message).toMatch(
      /another file/,
    );
  });
});

describe("damage and what is not supported", () => {
  const relu = [node("Relu", ["x"], ["y"])];

  it.each<[string, Sketch, RegExp]>([
    ["no nodes", { nodes: [], outputs: [] }, /sketch.onnx: holds no ONNX graph/],
    ["an old opset", { nodes: relu, opset: 6 }, /sketch.onnx: .*opset.*expected 7 to 26, got 6/],
    ["no opset", { nodes: relu, model: { opset_import: [] } }, /names no operator set/],
    ["functions", { nodes: relu, model: { functions: [new Uint8Array(0)] } }, /got functions/],
    ["an undefined value", { nodes: [node("Relu", ["a"], ["y"])] }, /sketch.onnx: Relu.*got "a"/],
    ["a value given twice", { nodes: [...relu, ...relu] }, /sketch.onnx: Relu "y": .*twice/],
    ["a missing output", { nodes: relu, outputs: ["z"] }, /sketch.onnx: output "z"/],
    ["a text input", { nodes: relu, input: [info("x", [1], 8)] }, /input "x".*got string/],
    ["an open image size", { nodes: relu, input: [info("x", [1, 3, "H", 4])] }, /axis 2 = H/],
    [
      "channels that do not fit",
      {
        nodes: [node("Conv", ["x", "w"], ["y"])],
        values: { w: float32([1, 3, 1, 1], [1, 2, 3]) },
      },
      /sketch.onnx: conv "y": channels do not fit the weights/,
    ],
    [
      "an axis out of range",
      { nodes: [node("Concat", ["x", "x"], ["y"], { axis: int(9) })] },
      /sketch.onnx: .*axis is out of range/,
    ],
  ])("%s", (_name, sketch, message) => {
    expect(errorOf(() => read(sketch)).message).toMatch(message);
  });

  it("takes shapes for open dimensions from the caller", () => {
    const sketch = { nodes: relu, input: [info("x", ["N", 3, "H", 4])] };
    const graph = read(sketch, { inputShapes: { x: [1, 3, 8, 4] } });
    expect(printGraph(graph)).toContain("y: float32[1x3x8x4] = relu(x)");
  });

  it("gives a named error, or a graph, for a file with one wrong byte", () => {
    for (let seed = 1; seed < 200; seed += 1) {
      const bytes = bytesOf({ nodes: [...relu], values: { w: float32([3], [1, 2, 3]) } });
      bytes[(seed * 7919) % bytes.length] = seed;
      try {
        readOnnx({ name: "random.onnx", bytes });
      } catch (error) {
        expect(error).toBeInstanceOf(InlayError);
      }
    }
  });

  it("bounds the axes of a tensor and the depth of subgraphs", () => {
    const deep = {
      nodes: relu,
      input: [
        info(
          "x",
          Array.from({ length: 1000 }, () => 1),
        ),
      ],
    };
    expect(errorOf(() => read(deep)).message).toMatch(
      /too many axes: expected at most 32, got 1000/,
    );
    let graph: OnnxInit<"GraphProto"> = { name: "inner" };
    for (let depth = 0; depth < 40; depth += 1) {
      const branch = { name: "then_branch", type: 5, g: graph };
      const attribute = [encode(onnxSchema, "AttributeProto", branch)];
      graph = { name: "outer", node: [{ op_type: "If", output: ["y"], attribute }] };
    }
    expect(errorOf(() => read({ nodes: graph.node ?? [] })).message).toMatch(/nested too deep/);
  });

  it("copies no more weights than a small file can ask for", () => {
    const count = 400;
    const ids = Array.from({ length: count }, (_, at) => `y${at}`);
    const graph = read({
      nodes: ids.map((id) => node("MatMul", ["x", "w"], [id])),
      input: [info("x", [1, 100])],
      values: { w: float32([100, 100], new Float32Array(10_000)) },
      outputs: ids,
    });
    const elements = graph.nodes.reduce((sum, { op, attrs }) => {
      return op === "const" ? sum + (attrs as { tensor: Tensor }).tensor.data.length : sum;
    }, 0);
    expect(elements).toBeLessThan(1.5e6);
    expect(graph.nodes.some(({ op }) => op === "linear")).toBe(true);
    expect(graph.nodes.some(({ op }) => op === "opaque")).toBe(true);
  });

  it("leaves operators in training mode to ONNX Runtime", () => {
    const graph = read({
      nodes: [
        node("Dropout", ["x", "r", "t"], ["y"]),
        node("Elu", ["y"], ["z"], { alpha: float(2) }),
      ],
      values: { r: float32([], [0.5]), t: { dtype: "bool", shape: [], data: Uint8Array.of(1) } },
      outputs: ["z"],
    });
    expect(graph.nodes.some(({ op }) => op === "opaque")).toBe(true);
  });
});
