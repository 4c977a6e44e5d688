/** The GTI kit's layers as they are read; their arithmetic is tested with reference vectors. */
import { describe, expect, test } from "vitest";
import { InlayError } from "../../error.ts";
import { constantOf, type Graph, nodesOf } from "../../ir/graph.ts";
import type { Warning } from "../../notice.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import { writeCaffemodel } from "./files.ts";
import { readCaffe } from "./read.ts";
import type { LayerInit } from "./schema/schema.ts";

const input = 'input: "data" input_shape { dim: 1 dim: 2 dim: 5 dim: 5 }';

function read(text: string, warnings: Warning[] = [], layers: readonly LayerInit[] = []): Graph {
  const trained = writeCaffemodel({ layer: [{ name: "none" }, ...layers] });
  return readCaffe({
    prototxt: { name: "net.prototxt", bytes: new TextEncoder().encode(text) },
    caffemodel: { name: "net.caffemodel", bytes: trained },
    onWarning: (warning) => warnings.push(warning),
  });
}

const constant = 'weight_filler { type: "constant" } bias_filler { type: "constant" }';
const conv = (rule: string, shape = "num_output: 2 kernel_size: 3"): string =>
  `${input} layer { name: "c" type: "QuantConvolution" bottom: "data" top: "c"
     convolution_param { ${shape} ${constant} } quant_convolution_param { ${rule} } }`;
const relu = (fields: string): string =>
  `${input} layer { name: "r" type: "QuantReLU" bottom: "data" top: "r"
     quant_relu_param { ${fields} } }`;
const data = (transform: string, type = "Data"): string =>
  `layer { name: "data" type: "${type}" top: "data" top: "label" data_param { batch_size: 2 }
     transform_param { ${transform} } }
   layer { name: "c" type: "QuantConvolution" bottom: "data" top: "c"
     convolution_param { num_output: 2 kernel_size: 3 ${constant} } }`;

describe("QuantConvolution", () => {
  test.each([
    ["", "float", 8, false],
    ["coef_precision: FLOATING_POINT bw_params: 0", "float", 0, false],
    ["coef_precision: DYNAMIC_FIXED_POINT bw_params: 12", "dynamic", 12, false],
    ["coef_precision: ONE_BIT shift_enable: true", "oneBit", 8, true],
    ["coef_precision: 3", "twoBits", 8, false],
    ["coef_precision: THREE_BITS bw_params: 2", "threeBits", 2, false],
    ["coef_precision: FIVE_BITS bw_params: 24", "fiveBits", 24, false],
  ])("%s", (rule, precision, parameterBits, shiftEnabled) => {
    const [node] = nodesOf(read(conv(rule)), "quantConv");
    expect(node?.attrs).toMatchObject({ precision, parameterBits, shiftEnabled });
  });

  test.each([
    ["coef_precision: FLOAT POINTING", "coef_precision has no value `FLOAT`"],
    ["coef_precision: ONE_BITS", "Did you mean ONE_BIT"],
    ["Shift_enable: true", "no field `Shift_enable`. Did you mean shift_enable?"],
    ["coef_precision: ONE_BIT bw_params: 1", "bw_params is out of range"],
    ["coef_precision: ONE_BIT bw_params: 25", "bw_params is out of range"],
    ["coef_precision: 9", "coef_precision"],
  ])("%s is refused", (rule, message) => {
    expect(() => read(conv(rule))).toThrow(InlayError);
    expect(() => read(conv(rule))).toThrow(message);
  });

  test("kernel is not kernel_size", () => {
    expect(() => read(conv("", "num_output: 2 kernel: 3"))).toThrow("Did you mean kernel_size");
  });
});

describe("QuantReLU", () => {
  test("has one cap, or one per channel", () => {
    for (const [shared, caps] of [
      [true, [2]],
      [false, [2, 2]],
    ] as const) {
      const graph = read(relu(`channel_shared: ${shared} filler { value: 2 } quant_enable: true`));
      const [cap] = graph.nodes.flatMap((node) => constantOf(node) ?? []);
      expect(cap && toNumbers(cap)).toEqual(caps);
      const [node] = nodesOf(graph, "quantRelu");
      expect(node?.attrs).toEqual({ slope: 0, bits: 5, quantized: true });
    }
  });

  test("takes any width and cap while it does not quantize", () => {
    const [node] = nodesOf(read(relu("act_bits: 40 filler { value: -1 }")), "quantRelu");
    expect(node?.attrs).toEqual({ slope: 0, bits: 40, quantized: false });
  });

  test.each([
    ["act_bits: 32", 'QuantReLU "r": act_bits is out of range'],
    ["act_bits: 0", "act_bits is out of range"],
    ["filler { value: 0 }", "the cap of a quantized activation must be above 0"],
    ["filler { value: -3 }", "got -3"],
    ["filler { value: inf }", "the cap of a quantized activation must be above 0"],
    ["Act_bits: 5", "Did you mean act_bits"],
  ])("quantized with %s is refused", (fields, message) => {
    expect(() => read(relu(`quant_enable: true ${fields}`))).toThrow(InlayError);
    expect(() => read(relu(`quant_enable: true ${fields}`))).toThrow(message);
  });
});

describe("transform_param", () => {
  const blobs = [{ shape: { dim: [2, 1, 3, 3] }, data: new Float32Array(18) }];
  const bias = { shape: { dim: [2] }, data: new Float32Array(2) };
  const trained = [{ name: "c", blobs: [...blobs, bias] }];

  test("quant_enable rounds the picture behind the input, whose channels the weights tell", () => {
    const warnings: Warning[] = [];
    const graph = read(data("crop_size: 6 quant_enable: true"), warnings, trained);
    expect(graph.nodes.filter(({ op }) => op !== "const")).toMatchObject([
      { op: "input", id: "data", attrs: { shape: [2, 1, 6, 6] } },
      { op: "reduceBits", inputs: ["data"], attrs: { from: 8, to: 5 } },
      { op: "quantConv", inputs: ["data.levels", "c.weight", "c.bias"] },
    ]);
    expect(warnings).toEqual([]);
  });

  test("its mean and scale are left out, with a warning", () => {
    const warnings: Warning[] = [];
    const transform = 'mean_file: "m" scale: 0.5 quant_enable: true bw_in: 10 bw_out: 4';
    const graph = read(data(`crop_size: 6 ${transform}`), warnings, trained);
    expect(nodesOf(graph, "reduceBits")[0]?.attrs).toEqual({ from: 10, to: 4 });
    expect(warnings).toEqual([
      {
        id: "quant-input",
        message: "with quant_enable the layer does not apply mean_file and scale",
        where: 'input "data"',
      },
    ]);
  });

  test("widths that the kit cannot take, and a layer that does not transform", () => {
    const wide = data("crop_size: 6 quant_enable: true bw_in: 17");
    expect(() => read(wide, [], trained)).toThrow("bw_in and bw_out are out of range");
    const warnings: Warning[] = [];
    const still = `layer { name: "d" type: "Input" top: "data" transform_param { quant_enable: true }
      input_param { shape { dim: 1 dim: 2 dim: 3 dim: 3 } } }
      layer { name: "a" type: "AbsVal" bottom: "data" top: "a" }`;
    expect(nodesOf(read(still, warnings), "reduceBits")).toEqual([]);
    expect(warnings.map(({ id }) => id)).toContain("quant-input");
  });
});

describe("fillers", () => {
  const deconv = (filler: string): string =>
    `${input} layer { name: "d" type: "Deconvolution" bottom: "data" top: "d" convolution_param {
       num_output: 2 group: 2 kernel_size: 2 stride: 2 bias_term: false weight_filler { ${filler} } } }`;

  test.each([
    [
      "value_array: [1, 0, 0, 0]",
      'a filler with value_array is of type constant_array: got "constant"',
    ],
    ['type: "constant_array" value_array: [1, 0, 0]', "a whole number of times"],
    ['type: "constant_array"', "a whole number of times"],
  ])("%s is refused", (filler, message) => {
    expect(() => read(deconv(filler))).toThrow(message);
  });
});
