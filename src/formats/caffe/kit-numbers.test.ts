import { describe, expect, test } from "vitest";
import { InlayError } from "../../error.ts";
import { decode, encode } from "../../protobuf/binary.ts";
import { readCaffemodel, writeCaffemodel } from "./files.ts";
import { readCaffe } from "./read.ts";
import type { LayerInit } from "./schema/schema.ts";

/** The two fields by every number, and the transformation's, as files of either schema have them. */
const fileSchema = {
  enums: {},
  messages: {
    Net: { layer: { number: 100, type: "message", message: "Layer", repeated: true } },
    Layer: {
      name: { number: 1, type: "string" },
      type: { number: 2, type: "string" },
      bottom: { number: 3, type: "string", repeated: true },
      top: { number: 4, type: "string", repeated: true },
      transform: { number: 100, type: "message", message: "Transform" },
      conv: { number: 106, type: "message", message: "Conv" },
      at300: { number: 300, type: "message", message: "Coefficients" },
      relu301: { number: 301, type: "message", message: "Activation" },
      relu302: { number: 302, type: "message", message: "Activation" },
      input: { number: 143, type: "bytes" },
    },
    // The same number again: one file has it for the one, another for the other.
    ManualLayer: {
      name: { number: 1, type: "string" },
      type: { number: 2, type: "string" },
      conv: { number: 106, type: "message", message: "Conv" },
      conv301: { number: 301, type: "message", message: "Coefficients", repeated: true },
      relu302: { number: 302, type: "message", message: "Activation" },
    },
    ManualNet: { layer: { number: 100, type: "message", message: "ManualLayer", repeated: true } },
    Coefficients: {
      precision: { number: 1, type: "int32" },
      bits: { number: 2, type: "uint32" },
      shift: { number: 3, type: "bool" },
    },
    Activation: {
      shared: { number: 2, type: "bool" },
      bits: { number: 3, type: "uint32" },
      on: { number: 4, type: "bool" },
    },
    Conv: { outputs: { number: 1, type: "uint32" }, kernel: { number: 4, type: "uint32" } },
    Transform: {
      crop: { number: 3, type: "uint32" },
      on: { number: 8, type: "bool" },
      from: { number: 9, type: "uint32" },
      to: { number: 10, type: "uint32" },
    },
  },
} as const;

const read = (bytes: Uint8Array) => readCaffemodel({ name: "net.caffemodel", bytes }).layer;
const coefficients = { precision: 4, bits: 12, shift: true };
const activation = { shared: false, bits: 10, on: true };
const readCoefficients = { coef_precision: "THREE_BITS", bw_params: 12, shift_enable: true };
const readActivation = { channel_shared: false, act_bits: 10, quant_enable: true };

describe("the two parameters by either numbering", () => {
  test("the kit's: 300 and 301", () => {
    const layer = [
      { name: "c", type: "QuantConvolution", at300: coefficients },
      { name: "r", type: "QuantReLU", relu301: activation },
    ];
    const [conv, relu] = read(encode(fileSchema, "Net", { layer }));
    expect(conv?.quant_convolution_param).toEqual(readCoefficients);
    expect(relu?.quant_relu_param).toEqual(readActivation);
  });

  test("the manual's: 301 and 302, and what is written has the kit's", () => {
    const layer = [
      { name: "c", type: "QuantConvolution", conv301: [coefficients] },
      { name: "r", type: "QuantReLU", relu302: activation },
    ];
    const layers = read(encode(fileSchema, "ManualNet", { layer }));
    expect(layers[0]?.quant_convolution_param).toEqual(readCoefficients);
    expect(layers[1]?.quant_relu_param).toEqual(readActivation);
    const again = decode(fileSchema, "Net", writeCaffemodel({ layer: layers }), { file: "again" });
    expect(again.layer.map(({ at300, relu301, relu302 }) => ({ at300, relu301, relu302 }))).toEqual(
      [
        { at300: coefficients, relu301: undefined, relu302: undefined },
        { at300: undefined, relu301: activation, relu302: undefined },
      ],
    );
  });

  test("parts of one message are merged", () => {
    const parts = [{ precision: 4 }, { bits: 12 }, { shift: true }];
    const layer = [{ name: "c", type: "QuantConvolution", conv301: parts }];
    const [conv] = read(encode(fileSchema, "ManualNet", { layer }));
    expect(conv?.quant_convolution_param).toEqual(readCoefficients);
  });

  test("the kit's own comes first, and the other field is kept as it is", () => {
    const mixed = { name: "c", type: "QuantConvolution", at300: coefficients, relu301: activation };
    const bytes = encode(fileSchema, "Net", { layer: [mixed] });
    const [conv] = read(bytes);
    expect(conv?.quant_convolution_param).toEqual(readCoefficients);
    expect(conv?.quant_relu_param).toBeUndefined();
    expect(writeCaffemodel({ layer: conv ? [conv] : [] })).toEqual(bytes);
  });

  test("in layers of other types the fields stay what they are", () => {
    const other = { name: "c", type: "Convolution", relu301: activation, relu302: activation };
    const bytes = encode(fileSchema, "Net", { layer: [other] });
    const layers = read(bytes);
    expect(layers[0]?.quant_relu_param).toBeUndefined();
    expect(writeCaffemodel({ layer: layers })).toEqual(bytes);
  });

  test("a damaged one is an error that names file and layer", () => {
    const bytes = Uint8Array.of(
      ...[0xa2, 0x06, 18, 0x0a, 1, 0x72, 0x12, 9, ...new TextEncoder().encode("QuantReLU")],
      ...[0xea, 0x12, 1, 0x18],
    );
    expect(() => read(bytes)).toThrow(InlayError);
    expect(() => read(bytes)).toThrow('net.caffemodel: layer "r"');
  });
});

describe("the kit's numbers in a transformation", () => {
  const layer = [{ name: "d", type: "Data", top: ["d"], transform: { crop: 4, on: true, to: 4 } }];
  const bytes = encode(fileSchema, "Net", { layer });

  test("are read by their wire type, and written again", () => {
    const layers = read(bytes);
    expect(layers[0]?.transform_param).toMatchObject({
      crop_size: 4,
      quant_enable: true,
      bw_out: 4,
    });
    expect(writeCaffemodel({ layer: layers })).toEqual(bytes);
  });

  test("stand beside SSD's messages", () => {
    const both: LayerInit = {
      name: "d",
      transform_param: { resize_param: { height: 3, width: 5 }, quant_enable: true, bw_in: 10 },
    };
    const [again] = read(writeCaffemodel({ layer: [both] }));
    expect(again?.transform_param).toMatchObject({
      resize_param: { height: 3, width: 5 },
      quant_enable: true,
      bw_in: 10,
    });
  });

  test("reach the graph from a caffemodel alone", () => {
    const relu = { name: "y", type: "ReLU", bottom: ["d"], top: ["y"] };
    const graph = readCaffe({
      caffemodel: { name: "n", bytes: encode(fileSchema, "Net", { layer: [...layer, relu] }) },
    });
    const node = graph.nodes.find(({ op }) => op === "reduceBits");
    expect(node?.attrs).toEqual({ from: 8, to: 4 });
  });
});
