import { describe, expect, test } from "vitest";
import { InlayError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import { verify } from "../../ir/verify.ts";
import type { Warning } from "../../notice.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import { writeCaffemodel } from "./files.ts";
import { readCaffe } from "./read.ts";
import type { LayerInit } from "./schema/schema.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const head = 'input: "data" input_shape { dim: 1 dim: 4 dim: 9 dim: 8 } ';

function read(text: string, layers?: readonly LayerInit[], warnings: Warning[] = []): Graph {
  return readCaffe({
    prototxt: { name: "net.prototxt", bytes: bytes(text) },
    ...(layers && {
      caffemodel: { name: "net.caffemodel", bytes: writeCaffemodel({ layer: layers }) },
    }),
    onWarning: (warning) => warnings.push(warning),
  });
}

/** Nodes as `id = op(inputs)`, without constants. */
function lines(graph: Graph): readonly string[] {
  verify(graph, "imported");
  const outputs = graph.outputs.map(({ name, id }) => `${name} <- ${id}`);
  const nodes = graph.nodes.filter(({ op }) => op !== "const");
  return [...nodes.map(({ id, op, inputs }) => `${id} = ${op}(${inputs.join(", ")})`), ...outputs];
}

function shapes(text: string): string {
  const graph = verify(read(head + text), "imported");
  const types = inferTypes(graph);
  return graph.outputs.map(({ name, id }) => `${name} ${types.get(id)?.shape.join("x")}`).join(" ");
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof InlayError) return error.message;
    throw error;
  }
  return "no error";
}

const layer = (type: string, fields = "", bottoms = 'bottom: "data"') =>
  `layer { name: "x" type: "${type}" ${bottoms} top: "y" ${fields} } `;

describe("shapes as Caffe has them", () => {
  test.each([
    ["Convolution", "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 }", "6x5x4"],
    [
      "Convolution",
      "convolution_param { num_output: 6 kernel_h: 3 kernel_w: 1 pad_h: 1 group: 2 }",
      "6x9x8",
    ],
    ["Convolution", "convolution_param { num_output: 4 kernel_size: [3, 1] dilation: 2 }", "4x5x8"],
    ["DepthwiseConvolution", "convolution_param { num_output: 4 kernel_size: 3 }", "4x7x6"],
    [
      "ConvolutionDepthwise",
      "convolution_param { num_output: 4 kernel_size: 3 group: 1 }",
      "4x7x6",
    ],
    [
      "Deconvolution",
      "convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 }",
      "6x18x16",
    ],
    [
      "QuantConvolution",
      "convolution_param { num_output: 2 kernel_size: 3 } quant_convolution_param { bw_params: 12 }",
      "2x7x6",
    ],
    ["Pooling", "pooling_param { kernel_size: 3 stride: 2 }", "4x4x4"],
    ["Pooling", "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }", "4x4x3"],
    ["Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 }", "4x5x5"],
    ["Pooling", "pooling_param { pool: AVE global_pooling: true }", "4x1x1"],
    ["Pooling", "pooling_param { pool: STOCHASTIC kernel_h: 9 kernel_w: 2 }", "4x1x7"],
    ["Pooling", "pooling_param { kernel_size: 2 stride: 2 sample: true }", "4x5x4"],
    ["Slice", "slice_param { axis: -1 }", "4x9x8"],
    ["Permute", "permute_param { order: 0 order: 2 }", "9x4x8"],
    ["Reshape", "reshape_param { shape { dim: 2 dim: -1 } axis: 1 num_axes: 1 }", "2x2x9x8"],
    ["Reshape", "reshape_param { shape { dim: 0 dim: -1 } }", "288"],
    ["Reshape", "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }", "4x9x8x1"],
    ["Flatten", "flatten_param { axis: 1 end_axis: 2 }", "36x8"],
    ["Interp", "interp_param { shrink_factor: 2 zoom_factor: 3 }", "4x13x10"],
    ["Interp", "interp_param { height: 5 width: 6 }", "4x5x6"],
    ["Upsample", "upsample_param { scale: 2 }", "4x18x16"],
    ["Upsample", "upsample_param { scale_h: 1 scale_w: 3 }", "4x9x24"],
    ["ArgMax", "argmax_param { top_k: 3 axis: -3 }", "3x9x8"],
    ["ArgMax", "argmax_param { top_k: 3 out_max_val: true }", "2x3"],
    ["InnerProduct", "inner_product_param { num_output: 7 }", "7"],
  ])("%s %s", (type, fields, expected) => {
    expect(shapes(layer(type, fields))).toBe(`y 1x${expected}`);
  });

  test("Crop cuts to the second blob's size", () => {
    const text = 'input: "small" input_shape { dim: 1 dim: 4 dim: 5 dim: 8 } ';
    const crop = layer(
      "Crop",
      "crop_param { offset: 2 offset: 0 }",
      'bottom: "data" bottom: "small"',
    );
    expect(shapes(text + crop)).toBe("y 1x4x5x8");
  });
});

describe("blobs and values", () => {
  test("in-place layers become values of their own; unread blobs are outputs", () => {
    const text = `${head}
      layer { name: "a" type: "ReLU" bottom: "data" top: "a" }
      layer { name: "a" type: "Sigmoid" bottom: "a" top: "a" }
      layer { name: "b" type: "TanH" bottom: "a" top: "b" }
      layer { name: "c" type: "AbsVal" bottom: "a" top: "c" }
      layer { name: "d" type: "Silence" bottom: "c" }`;
    expect(lines(read(text))).toEqual([
      "data = input()",
      "a = relu(data)",
      "a.2 = sigmoid(a)",
      "b = tanh(a.2)",
      "b <- b",
    ]);
  });

  test("Split, Slice and Eltwise", () => {
    const text = `${head}
      layer { name: "s" type: "Split" bottom: "data" top: "p" top: "q" }
      layer { name: "t" type: "Slice" bottom: "p" top: "u" top: "v" slice_param { slice_point: 1 } }
      layer { name: "e" type: "Eltwise" bottom: "q" bottom: "q" bottom: "q" top: "e"
        eltwise_param { operation: PROD } }`;
    expect(lines(read(text))).toEqual([
      "data = input()",
      "t = slice(data)",
      "t.2 = slice(data)",
      "e.part1 = mul(data, data)",
      "e = mul(e.part1, data)",
      "u <- t",
      "v <- t.2",
      "e <- e",
    ]);
  });
});

describe("training networks become networks to deploy", () => {
  test("phases, data, labels, losses, accuracy", () => {
    const text = `
      layer { name: "train" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        data_param { batch_size: 64 } transform_param { crop_size: 5 } }
      layer { name: "test" type: "Data" top: "data" top: "label" include { phase: TEST }
        data_param { batch_size: 2 } transform_param { crop_size: 4 force_gray: true } }
      layer { name: "noise" type: "Power" bottom: "data" top: "data" exclude { phase: TEST } }
      layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
      layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }
      layer { name: "half" type: "Power" bottom: "label" top: "half" }
      layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`;
    const graph = read(text);
    expect(lines(graph)).toEqual([
      "data = input()",
      "ip.flatten = flatten(data)",
      "ip = linear(ip.flatten, ip.weight, ip.bias)",
      "loss = softmax(ip)",
      "loss <- loss",
    ]);
    expect(inferTypes(graph).get("data")?.shape).toEqual([2, 1, 4, 4]);
  });

  test("heads with less weight go, with what only they need", () => {
    const text = `${head}
      layer { name: "trunk" type: "ReLU" bottom: "data" top: "trunk" }
      layer { name: "side" type: "ReLU" bottom: "trunk" top: "side" }
      layer { name: "acc" type: "Accuracy" bottom: "side" bottom: "data" top: "acc" }
      layer { name: "aux" type: "SoftmaxWithLoss" bottom: "side" bottom: "data" loss_weight: 0.3 }
      layer { name: "main" type: "SoftmaxWithLoss" bottom: "trunk" bottom: "data" top: "main" }`;
    const warnings: Warning[] = [];
    expect(lines(read(text, undefined, warnings))).toEqual([
      "data = input()",
      "trunk = relu(data)",
      "main = softmax(trunk)",
      "main <- main",
    ]);
    expect(warnings[0]?.message).toContain("aux");
  });

  test("a training-only network takes its training data", () => {
    const text = `layer { name: "d" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
      image_data_param { new_height: 6 new_width: 7 } }
      layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
      layer { name: "l" type: "EuclideanLoss" bottom: "r" bottom: "label" top: "l" }`;
    const graph = read(text);
    expect(lines(graph)).toEqual(["data = input()", "r = relu(data)", "r <- r"]);
    expect(inferTypes(graph).get("data")?.shape).toEqual([1, 3, 6, 7]);
  });
});

describe("old forms", () => {
  test("V1 layers with enum types", () => {
    const text = `input: "data" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4
      layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 weight_decay: 1
        convolution_param { num_output: 2 kernel_size: 3 bias_term: false } }
      layers { name: "r" type: RELU bottom: "c" top: "c" }`;
    expect(lines(read(text))).toEqual([
      "data = input()",
      "c = conv(data, c.weight)",
      "r = relu(c)",
      "c <- r",
    ]);
  });

  test("V0 layers, padding merged", () => {
    const text = `input: "data" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4
      layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
      layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 } bottom: "pad" top: "c" }`;
    const graph = read(text);
    expect(inferTypes(graph).get("c")?.shape).toEqual([1, 2, 4, 4]);
  });
});

describe("weights", () => {
  const conv = head + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }");
  const trained = (
    name: string,
    weight: readonly number[],
    bias: readonly number[],
  ): LayerInit => ({
    name,
    blobs: [
      { shape: { dim: weight }, data: new Float32Array(weight.reduce((a, b) => a * b, 1)).fill(2) },
      { shape: { dim: bias }, data: new Float32Array(bias.reduce((a, b) => a * b, 1)) },
    ],
  });

  test("fit by name; dimensions of 1 may differ", () => {
    expect(lines(read(conv, [trained("x", [2, 4, 1, 1], [1, 1, 1, 2])]))[1]).toContain("conv");
  });

  test("errors name layer, expected and found shape", () => {
    expect(failure(() => read(conv, [trained("x", [2, 3, 1, 1], [2])]))).toContain(
      'Convolution "x" blob 0: the weights in the file have another shape than the layer needs: ' +
        "expected 2x4x1x1, got 2x3x1x1",
    );
    expect(failure(() => read(conv, [trained("z", [2, 4, 1, 1], [2])]))).toContain(
      "layers have no weights in the caffemodel: got x",
    );
    const lone = { name: "x", blobs: trained("x", [2, 4, 1, 1], [2]).blobs?.slice(0, 1) ?? [] };
    expect(failure(() => read(conv, [lone]))).toContain("another number of weight blobs");
    const lying = { name: "x", blobs: [{ shape: { dim: [2 ** 40, 2 ** 40] } }, {}] };
    expect(failure(() => read(conv, [lying]))).toContain("shape is too large");
  });

  test("without a caffemodel zeros, and a warning says so", () => {
    const warnings: Warning[] = [];
    read(conv, undefined, warnings);
    expect(warnings.map(({ id }) => id)).toEqual(["no-weights"]);
  });

  test("a constant filler stands in, with a warning", () => {
    const warnings: Warning[] = [];
    const text = layer(
      "Deconvolution",
      `convolution_param { num_output: 4 group: 4 kernel_size: 2
      stride: 2 bias_term: false weight_filler { type: "constant_array" value_array: [1, 0, 0, 0] } }`,
    );
    const graph = read(head + text, [{ name: "other" }], warnings);
    const [weights] = graph.nodes.filter((node) => node.op === "const");
    expect(weights?.op === "const" && toNumbers(weights.attrs.tensor).slice(0, 8)).toEqual([
      ...[1, 0, 0, 0],
      ...[1, 0, 0, 0],
    ]);
    expect(warnings.map(({ id }) => id)).toEqual(["filled-weights"]);
  });

  test.each([
    [4, [0.25, 0.75, 0.75, 0.25]],
    [3, [0.5, 1, 0.5]],
  ])("Caffe's bilinear filler, kernel %i", (size, tent) => {
    const text = layer(
      "Deconvolution",
      `convolution_param { num_output: 4 group: 4 kernel_size: ${size} stride: 2 bias_term: false
        weight_filler { type: "bilinear" } }`,
    );
    const [weights] = read(head + text, [{ name: "other" }]).nodes.filter(
      ({ op }) => op === "const",
    );
    const kernel = tent.flatMap((row) => tent.map((column) => row * column));
    expect(
      weights?.op === "const" && toNumbers(weights.attrs.tensor).slice(0, kernel.length),
    ).toEqual(kernel);
  });

  test("batch norm's sums are divided by their count", () => {
    const blob = (...data: number[]) => ({
      shape: { dim: [data.length] },
      data: Float32Array.from(data),
    });
    const blobs = [blob(2, 4, 6, 8), blob(1, 1, 1, 1), blob(2)];
    const graph = read(head + layer("BatchNorm"), [{ name: "x", blobs }]);
    const [mean] = graph.nodes.filter((node) => node.op === "const");
    expect(mean?.op === "const" && toNumbers(mean.attrs.tensor)).toEqual([1, 2, 3, 4]);
  });

  test("a transposed fully connected layer", () => {
    const text =
      head +
      layer(
        "InnerProduct",
        `inner_product_param { num_output: 2 transpose: true
      axis: 1 bias_term: false }`,
      );
    const data = Float32Array.from({ length: 576 }, (_, at) => at);
    const graph = read(text, [{ name: "x", blobs: [{ shape: { dim: [288, 2] }, data }] }]);
    const [weights] = graph.nodes.filter((node) => node.op === "const");
    expect(weights?.op === "const" && weights.attrs.tensor.shape).toEqual([2, 288]);
    expect(weights?.op === "const" && weights.attrs.tensor.data[1]).toBe(2);
    expect(weights?.op === "const" && weights.attrs.tensor.data[288]).toBe(1);
  });
});

/** Processor time of this process in ms: unlike the clock, it does not count other processes. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

describe("errors", () => {
  test.each([
    ["Convolutoin", "", "Did you mean Convolution?"],
    ["Convolution", "convolution_param { num_output: 2 kernel: 3 }", "net.prototxt:1:"],
    [
      "Convolution",
      "convolution_param { num_output: 3 kernel_size: 3 group: 2 }",
      "multiples of group",
    ],
    ["Convolution", "convolution_param { num_output: 3 }", "must be above 0"],
    [
      "Convolution",
      "convolution_param { num_output: 3 kernel_size: 20 }",
      "smaller than the kernel",
    ],
    ["Pooling", "pooling_param { kernel_size: 2 pad: 2 }", "pad must be smaller"],
    ["Pooling", "", "kernel_size and stride"],
    ["Slice", "slice_param { slice_point: 1 }", "slice_point needs one number less"],
    ["LRN", "lrn_param { local_size: 4 }", "must be odd"],
    ["Eltwise", "", "reads too few blobs"],
    ["Reshape", "reshape_param { shape { dim: 7 } }", "reshape does not keep"],
    ["PriorBox", "", "needs min_size"],
    ["LSTM", "", "not supported"],
    ["ReLU", 'bottom: "dat"', "Did you mean data?"],
  ])("%s %s: %s", (type, fields, expected) => {
    expect(failure(() => verify(read(head + layer(type, fields)), "imported"))).toContain(expected);
  });

  test("no shape, no layers, nothing", () => {
    const data = layer("Data", "", "");
    expect(failure(() => read(data + layer("ReLU", "", 'bottom: "y"')))).toContain(
      "does not tell the shape of its input. Give it: --input-shape",
    );
    expect(failure(() => read("base_lr: 1"))).toContain("the file has no layers");
    expect(failure(() => readCaffe({}))).toContain("needs a prototxt, a caffemodel, or both");
    const empty = { name: "x.caffemodel", bytes: new Uint8Array() };
    expect(failure(() => readCaffe({ caffemodel: empty }))).toContain("the file is empty");
  });

  test.each([
    'input: "x" input_dim: 2000000000 input_dim: 2000000000 input_dim: 9 input_dim: 9',
    `${head} ${layer("InnerProduct", "inner_product_param { num_output: 4000000000 }")}`,
    `${head} ${layer("Convolution", "convolution_param { num_output: 400000000 kernel_size: 1 }")}`,
    `${head} ${layer("Upsample", "upsample_param { scale: 400000000 }")}`,
    `${head} ${layer("Deconvolution", "convolution_param { num_output: 1 kernel_size: 3 pad: 4000000 }")}`,
  ])("sizes out of all proportion are refused: %s", (text) => {
    expect(failure(() => read(text))).toMatch(/too large/);
  });

  test("GBK comments and names, CRLF and a byte-order mark", () => {
    const gbk = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
    const text = `${head}\r\n# \xce\xd2\r\nlayer { name: "\xce\xd2" type: "ReLU" bottom: "data" top: "y" }`;
    const graph = readCaffe({ prototxt: { name: "gbk.prototxt", bytes: gbk(text) } });
    expect(graph.nodes.map(({ id }) => id)).toEqual(["data", "我"]);
    expect(lines(read(`\uFEFF${head}\r\n${layer("ReLU")}\r\n`))).toContain("y <- x");
  });

  test("a network of a million layers is refused in time", () => {
    const start = cpuMs();
    expect(failure(() => read("layer { }".repeat(900_000)))).toContain("too many");
    expect(cpuMs() - start).toBeLessThan(5000);
  });
});
