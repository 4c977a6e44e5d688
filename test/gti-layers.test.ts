/**
 * The layers of the GTI kit's Caffe against reference vectors: read from prototxt and caffemodel, computed by the
 * scalar kernels and, folded, by ONNX Runtime. Pooling and Deconvolution as such run in caffe-layers.test.ts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Runtime } from "../src/engine/runtime.ts";
import { writeCaffemodel } from "../src/formats/caffe/files.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../src/ir/graph.ts";
import type { Warning } from "../src/notice.ts";
import { foldQuantLayers } from "../src/passes/fold-quant-layers.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { expectClose } from "./within.ts";

/** Float32 sums of the reference, relative to the tensor's maximum. */
const sumTolerance = 1e-6;

const hasVectors = vectorsFolder !== undefined;
const title = (what: string): string => (hasVectors ? what : `${what} (INLAY_VECTORS is unset)`);
const casesOf = (suite: string): readonly VectorCase[] =>
  vectorsFolder === undefined ? [] : readVectors(vectorsFolder, suite);

function value(tensors: VectorCase["inputs"], name: string): Tensor<"float32"> {
  const found = tensors[name];
  if (found?.dtype !== "float32") throw new Error(`${name} is no float32 tensor`);
  return found;
}

/** The layer `x` on an input of the shape of `data`, with its blobs. */
function readLayer(
  layer: string,
  data: Tensor,
  blobs: readonly Tensor<"float32">[],
  warnings: Warning[] = [],
): Graph {
  const dims = data.shape.map((dim) => `dim: ${dim}`).join(" ");
  const text = `input: "data" input_shape { ${dims} }
    layer { name: "x" bottom: "data" top: "y" ${layer} }`;
  const trained = {
    name: blobs.length > 0 ? "x" : "none",
    blobs: blobs.map((blob) => ({ shape: { dim: blob.shape }, data: blob.data })),
  };
  return readCaffe({
    prototxt: { name: "case.prototxt", bytes: new TextEncoder().encode(text) },
    caffemodel: { name: "case.caffemodel", bytes: writeCaffemodel({ layer: [trained] }) },
    onWarning: (warning) => warnings.push(warning),
  });
}

const fieldsOf = (params: VectorCase["params"], names: readonly string[]): string =>
  names.map((name) => `${name}: ${params[name]}`).join(" ");

/** The only output, by the scalar kernels. */
function scalarOutput(graph: Graph, data: Tensor): Tensor {
  const [output] = runScalar(graph, new Map([["data", data]])).values();
  if (output === undefined) throw new Error("no output");
  return output;
}

async function engineOutputs(
  runtime: Runtime,
  graph: Graph,
  data: Tensor,
): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(graph, runtime);
  try {
    return await session.run(new Map([["data", data]]));
  } finally {
    await session.release();
  }
}

/** The float32 patterns; with `anyZero` -0 counts as 0. */
function bitsOf(tensor: Tensor | undefined, anyZero = false): readonly number[] {
  if (tensor?.dtype !== "float32") throw new Error("no float32 tensor");
  const plain = anyZero ? tensor.data.map((x) => (x === 0 ? 0 : x)) : tensor.data;
  return Array.from(new Uint32Array(plain.slice().buffer));
}

let runtime: Runtime;
beforeAll(async () => {
  runtime = await nodeRuntime({ threads: 1 });
});

describe.skipIf(!hasVectors)(title("QuantConvolution"), () => {
  const cases = casesOf("quant_conv");
  const convolution = [
    ...["num_output", "kernel_size", "pad", "stride", "dilation", "group", "bias_term"],
  ];
  const read = ({ params, inputs }: VectorCase): Graph => {
    const blobs = ["weight", "bias"].filter((name) => name in inputs);
    const rule = fieldsOf(params, ["coef_precision", "bw_params", "shift_enable"]);
    return readLayer(
      `type: "QuantConvolution" convolution_param { ${fieldsOf(params, convolution)} }
        quant_convolution_param { ${rule} }`,
      value(inputs, "x"),
      blobs.map((name) => value(inputs, name)),
    );
  };

  it("has 87 cases", () => expect(cases).toHaveLength(87));

  it.each(cases)("$name", async (one) => {
    const graph = read(one);
    const x = value(one.inputs, "x");
    const y = value(one.outputs, "y");
    expectClose(scalarOutput(graph, x), y, sumTolerance);
    const folded = foldQuantLayers(graph);
    const [conv] = nodesOf(folded, "conv");
    const nodes = nodeMap(folded);
    for (const [at, name] of ["weight", "bias"].entries()) {
      const wanted = one.outputs[`${name}_eff`] ?? one.inputs[name];
      const found = constantOf(nodes.get(conv?.inputs[at + 1] ?? ""));
      expect(found === undefined).toBe(wanted === undefined);
      if (wanted !== undefined) expect(bitsOf(found)).toEqual(bitsOf(wanted));
    }
    // The rounded constants carry the names of those that they replace.
    expect(["x.weight", "x.bias"]).toEqual(expect.arrayContaining(conv?.inputs.slice(1) ?? [""]));
    expectClose(scalarOutput(folded, x), scalarOutput(graph, x), 0);
    expectClose((await engineOutputs(runtime, graph, x)).get("x"), y, sumTolerance);
  });
});

describe.skipIf(!hasVectors)(title("QuantReLU"), () => {
  const cases = casesOf("quant_relu").filter(({ name }) => name !== "defaults");
  const names = ["quant_enable", "channel_shared", "act_bits", "negative_slope"];
  const read = ({ params, inputs }: VectorCase): Graph =>
    readLayer(
      `type: "QuantReLU" quant_relu_param { ${fieldsOf(params, names)} }`,
      value(inputs, "x"),
      [value(inputs, "alpha")],
    );
  const isRefused = ({ name }: VectorCase): boolean => /^q1.*alpha_(zero|neg)/.test(name);

  it("has 61 cases, four of them with a cap that is not positive", () => {
    expect([cases.length, cases.filter(isRefused).length]).toEqual([61, 4]);
  });

  it.each(cases.filter((one) => !isRefused(one)))("$name", async (one) => {
    const graph = read(one);
    const [x, y] = [value(one.inputs, "x"), value(one.outputs, "y")];
    expect(bitsOf(scalarOutput(graph, x))).toEqual(bitsOf(y));
    // ONNX says nothing of the sign of a zero.
    const engine = (await engineOutputs(runtime, graph, x)).get("x");
    expect(bitsOf(engine, true)).toEqual(bitsOf(y, true));
  });

  it.each(cases.filter(isRefused))("$name is refused", (one) => {
    expect(() => read(one)).toThrow(
      'QuantReLU "x": the cap of a quantized activation must be above 0',
    );
  });

  it("defaults as the layer's", () => {
    const graph = readLayer('type: "QuantReLU"', float32([1, 3, 1, 1], [1, 2, 3]), []);
    const [node] = nodesOf(graph, "quantRelu");
    expect(node?.attrs).toEqual({ slope: 0, bits: 5, quantized: false });
    const cap = constantOf(nodeMap(graph).get(node?.inputs[1] ?? ""));
    expect(cap && [cap.shape, toNumbers(cap)]).toEqual([[1], [0.25]]);
  });
});

describe.skipIf(!hasVectors)(title("Deconvolution's fillers"), () => {
  const cases = casesOf("deconv");

  it("has 6 cases", () => expect(cases).toHaveLength(6));

  it.each(cases)("$name", ({ params, inputs, outputs }) => {
    const { weight_filler, ...rest } = params;
    const fields = fieldsOf(rest, Object.keys(rest));
    const layer = `type: "Deconvolution"
      convolution_param { ${fields} weight_filler { ${weight_filler} } }`;
    const graph = readLayer(layer, value(inputs, "x"), []);
    expect(bitsOf(constantOf(nodeMap(graph).get("x.weight")))).toEqual(
      bitsOf(value(outputs, "weight")),
    );
  });
});

describe.skipIf(!hasVectors)(title("transform_param with quant_enable"), () => {
  // Those without it, and the crop, run in data.test.ts.
  const cases = casesOf("data_transform").filter(
    ({ name, params }) => params["quant_enable"] === true && !name.includes("crop"),
  );
  const pictures = cases.filter(({ name }) => !name.startsWith("float_datum"));
  const floats = cases.filter(({ name }) => name.startsWith("float_datum"));

  it("has 22 cases, two of them with negative values", () => {
    expect([pictures.length, floats.length]).toEqual([20, 2]);
  });

  function read({ params }: VectorCase, data: Tensor, warnings: Warning[] = []): Graph {
    const means = `${params["mean_value"] ?? ""}`.split(",").filter((mean) => mean !== "");
    const given = ["quant_enable", "bw_in", "bw_out", "scale", "mirror"];
    const transform = fieldsOf(
      params,
      given.filter((name) => name in params),
    );
    const text = `layer { name: "read" type: "Data" top: "data" top: "label"
        transform_param { ${transform} ${means.map((mean) => `mean_value: ${mean}`).join(" ")} } }
      layer { name: "out" type: "Power" bottom: "data" top: "y" }`;
    return readCaffe({
      prototxt: { name: "case.prototxt", bytes: new TextEncoder().encode(text) },
      inputShape: data.shape,
      onWarning: (warning) => warnings.push(warning),
    });
  }

  const asBatch = (picture: Tensor, mirrored = false): Tensor<"float32"> => {
    const values = toNumbers(picture);
    const width = picture.shape.at(-1) ?? 1;
    const flipped = (at: number): number => at - (at % width) + (width - 1 - (at % width));
    const turned = values.map((given, at) => (mirrored ? (values[flipped(at)] ?? 0) : given));
    return float32([1, ...picture.shape], turned);
  };

  it.each(pictures)("$name", async (one) => {
    const warnings: Warning[] = [];
    const y = value(one.outputs, "y");
    const picture = one.inputs["x"];
    if (picture === undefined) throw new Error("no picture");
    // Which way the reference's dice fell shows in its output.
    const versions = one.params["mirror"] === true ? [false, true] : [false];
    const x = versions
      .map((mirrored) => asBatch(picture, mirrored))
      .find((batch) => {
        const found = scalarOutput(read(one, batch, warnings), batch);
        return toNumbers(found).every((level, at) => level === y.data[at]);
      });
    if (x === undefined) expect.fail("neither the picture nor its mirror image gives the levels");
    expect(
      [...(await engineOutputs(runtime, read(one, x), x)).values()].map((found) => bitsOf(found)),
    ).toEqual([bitsOf(y)]);
    const ignored = warnings.filter(({ id }) => id === "quant-input").map(({ message }) => message);
    expect(ignored).toEqual(
      "scale" in one.params
        ? ["with quant_enable the layer does not apply mean_value and scale"]
        : [],
    );
  });

  it.each(floats)("$name: what is not negative", (one) => {
    const x = value(one.inputs, "x");
    const y = value(one.outputs, "y");
    const places = [...x.data.keys()].filter((at) => (x.data[at] ?? -1) >= 0);
    const kept = float32(
      [1, 1, 1, places.length],
      places.map((at) => x.data[at] ?? 0),
    );
    expect(places.length).toBeGreaterThan(10);
    expect(toNumbers(scalarOutput(read(one, kept), kept))).toEqual(places.map((at) => y.data[at]));
    const all = asBatch(x);
    expect(() => scalarOutput(read(one, all), all)).toThrow("negative");
  });
});

describe.skipIf(!hasVectors)(title("a network of these layers, as the reference wrote it"), () => {
  const folder = vectorsFolder ?? "";
  const [one] = casesOf("files").filter(({ name }) => name === "tiny.caffemodel");
  const file = (name: string) => ({ name, bytes: readFileSync(join(folder, "files", name)) });

  it.each(["both files", "the caffemodel alone"])("%s", async (which) => {
    if (one === undefined) throw new Error("no such case");
    const caffemodel = file("tiny.caffemodel");
    const graph = readCaffe(
      which === "both files" ? { prototxt: file("tiny.prototxt"), caffemodel } : { caffemodel },
    );
    const data = value(one.inputs, "x");
    const nodes = nodeMap(graph);
    for (const [key, wanted] of Object.entries(one.outputs)) {
      const [, layer, at] = /^param\/(conv1|dw|relu1)\/(\d)$/.exec(key) ?? [];
      if (layer === undefined) continue;
      const constant = nodes.get(nodes.get(layer)?.inputs[Number(at) + 1] ?? "");
      expect(bitsOf(constantOf(constant))).toEqual(bitsOf(wanted));
    }
    const seen = new Map<string, Tensor>();
    runScalar(graph, new Map([["data", data]]), {
      onValue: (node, found) => seen.set(node.id, found),
    });
    expectClose(seen.get("relu1"), value(one.outputs, "conv1"), sumTolerance);
    expectClose(seen.get("prob"), value(one.outputs, "prob"), sumTolerance);
    const found = await engineOutputs(runtime, graph, data);
    expectClose(found.get("prob"), value(one.outputs, "prob"), sumTolerance);
  });
});
