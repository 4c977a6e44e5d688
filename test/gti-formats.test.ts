/**
 * The number formats of the GTI chips against reference vectors, bit for bit: coefficients of the training layer and of
 * the converter, the capped activation, and pictures of fewer bits.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cappedRelu, slopedRelu } from "../src/fixed/capped-relu.ts";
import {
  type Coefficients,
  coefficientIntegers,
  type QuantizedCoefficients,
  quantizeCoefficients,
  type ResliceRule,
  resliceCoefficients,
} from "../src/fixed/coefficients.ts";
import type { MaskedPrecision } from "../src/fixed/kernel-levels.ts";
import { joinMagnitudes, splitMagnitudes } from "../src/fixed/kernel-magnitudes.ts";
import type { Precision } from "../src/fixed/precision.ts";
import { reduceBits } from "../src/fixed/reduce-bits.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { say } from "./say.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";

// ---------------------------------------------------------------- reading

/** What stands beside a case's tensors in the manifest. */
type Flags = Readonly<Record<string, unknown>>;

function flagsOf(suite: string): ReadonlyMap<string, Flags> {
  const text = readFileSync(join(vectorsFolder ?? "", `${suite}.json`), "utf8");
  const { cases } = JSON.parse(text) as { readonly cases: readonly (Flags & { name: string })[] };
  return new Map(cases.map((flags) => [flags.name, flags]));
}

type Suite = readonly { readonly vector: VectorCase; readonly flags: Flags }[];

function readSuite(suite: string): Suite {
  const flags = flagsOf(suite);
  return readVectors(vectorsFolder ?? "", suite).map((vector) => ({
    vector,
    flags: flags.get(vector.name) ?? {},
  }));
}

function floats(tensor: Tensor | undefined): Float32Array {
  if (tensor?.dtype !== "float32") throw new Error("no float32 tensor");
  return tensor.data;
}

/** Bits, so that 0 and -0 differ. */
function sameBits(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const bits = (values: Float32Array): Int32Array =>
    new Int32Array(values.buffer, values.byteOffset, values.length);
  const [left, right] = [bits(a), bits(b)];
  return left.length === right.length && left.every((value, at) => value === right[at]);
}

/** Numbers: 0 equals -0. */
function sameNumbers(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  return sameBits(
    a?.map((value) => value + 0),
    b?.map((value) => value + 0),
  );
}

function layerOf(weight: Tensor | undefined, bias: Tensor | undefined): Coefficients {
  const [, , rows = 1, columns = 1] = weight?.shape ?? [];
  return {
    weight: floats(weight),
    bias: bias === undefined ? undefined : floats(bias),
    taps: rows * columns,
  };
}

const precisions: Readonly<Record<string, Precision>> = {
  FLOATING_POINT: "float",
  DYNAMIC_FIXED_POINT: "dynamic",
  ONE_BIT: "oneBit",
  TWO_BITS: "twoBits",
  THREE_BITS: "threeBits",
  FIVE_BITS: "fiveBits",
};

function quantized({ params, inputs }: VectorCase): QuantizedCoefficients {
  const precision = precisions[String(params["coef_precision"])];
  if (precision === undefined) throw new Error("no such precision");
  return quantizeCoefficients(layerOf(inputs["weight"], inputs["bias"]), {
    precision,
    parameterBits: Number(params["bw_params"]),
    shiftEnabled: params["shift_enable"] === true,
  });
}

function resliceRule({ params }: VectorCase): ResliceRule {
  return {
    bits: Number(params["coef_bits"]) as ResliceRule["bits"],
    parameterBits: Number(params["weight_bits"]),
    shiftMax: Number(params["shift_max"]),
  };
}

const maskedOf: Readonly<Record<number, MaskedPrecision>> = {
  1: "oneBit",
  2: "twoBits",
  3: "threeBits",
  5: "fiveBits",
};

type NetworkLayer = {
  readonly name: string;
  readonly layer: Coefficients;
  readonly rule: ResliceRule;
  readonly wanted: {
    readonly weight: Float32Array;
    readonly bias: Float32Array;
    readonly shift: number;
  };
};

/** The convolutions of a converted network; none where the case is about something else. */
function networkLayers(vector: VectorCase): readonly NetworkLayer[] {
  const { name, inputs, outputs } = vector;
  if (outputs["resliced/conv0/0"] === undefined) return [];
  return Array.from(outputs["shift_list"]?.data ?? [], Number).map((shift, at) => ({
    name: `${name} conv${at}`,
    layer: layerOf(inputs[`init/conv${at}/0`], inputs[`init/conv${at}/1`]),
    rule: resliceRule(vector),
    wanted: {
      weight: floats(outputs[`resliced/conv${at}/0`]),
      bias: floats(outputs[`resliced/conv${at}/1`]),
      shift,
    },
  }));
}

/** Names of the cases that `holds` says no to. */
function failing(suite: Suite, holds: (vector: VectorCase, flags: Flags) => boolean): string[] {
  return suite.filter(({ vector, flags }) => !holds(vector, flags)).map((each) => each.vector.name);
}

const title =
  vectorsFolder === undefined
    ? "number formats of the GTI chips (INLAY_VECTORS is unset)"
    : "number formats of the GTI chips";

describe.skipIf(vectorsFolder === undefined)(title, () => {
  // -------------------------------------------------------------- coefficients

  it("give the training layer's coefficients, with and without a shift", () => {
    const edges = readSuite("quant_weights");
    const undefinedThere = edges.filter(({ flags }) => flags["has_nan"] === true);
    const defined = edges.filter(({ flags }) => flags["has_nan"] !== true);
    expect(
      failing(defined, (vector) => {
        const got = quantized(vector);
        const { weight, bias } = vector.outputs;
        return (
          sameBits(got.weight, floats(weight)) &&
          sameBits(got.bias, bias === undefined ? undefined : floats(bias))
        );
      }),
    ).toEqual([]);
    expect(
      failing(undefinedThere, (vector) => {
        const got = quantized(vector);
        return got.allZero && got.weight.every((value) => value === 0);
      }),
    ).toEqual([]);
    const layers = readSuite("quant_conv").filter(({ vector }) => vector.outputs["weight_eff"]);
    expect(
      failing(layers, (vector) => {
        const got = quantized(vector);
        const { weight_eff: weight, bias_eff: bias } = vector.outputs;
        return (
          sameBits(got.weight, floats(weight)) &&
          sameBits(got.bias, bias === undefined ? undefined : floats(bias)) &&
          (got.shift !== undefined) === vector.params["shift_enable"]
        );
      }),
    ).toEqual([]);
    expect(defined.length).toBeGreaterThan(0);
    expect(layers.length).toBeGreaterThan(0);
    say(`coefficients: ${defined.length} equal, ${undefinedThere.length} NaN in the reference`);
    say(`effective coefficients of layers: ${layers.length} equal`);
  });

  it("give the converter's coefficients and shifts at the edges", () => {
    const edges = readSuite("reslice_edges");
    expect(
      failing(edges, (vector) => {
        const { weight, bias, shift } = vector.outputs;
        const layer = layerOf(vector.inputs["weight"], vector.inputs["bias"]);
        const got = resliceCoefficients(layer, resliceRule(vector));
        return (
          sameBits(got.weight, floats(weight)) &&
          sameBits(got.bias, floats(bias)) &&
          got.shift === shift?.data[0]
        );
      }),
    ).toEqual([]);
    expect(edges.length).toBeGreaterThan(0);
    say(`converter at the edges: ${edges.length} equal`);
  });

  it("tell where layer and converter differ, as the reference does", () => {
    const edges = readSuite("reslice_edges");
    const counts = { equal: 0, different: 0, allZero: 0 };
    expect(
      failing(edges, (vector, flags) => {
        const rule = resliceRule(vector);
        const got = quantizeCoefficients(layerOf(vector.inputs["weight"], vector.inputs["bias"]), {
          precision: maskedOf[rule.bits] ?? "dynamic",
          parameterBits: rule.parameterBits,
          shiftEnabled: true,
        });
        const { weight, bias } = vector.outputs;
        const equal =
          sameNumbers(got.weight, floats(weight)) && sameNumbers(got.bias, floats(bias));
        // Undefined in the reference's layer; here it is what the converter gives.
        if (got.allZero) counts.allZero += 1;
        else if (equal) counts.equal += 1;
        else counts.different += 1;
        return got.allZero
          ? equal && got.shift === rule.shiftMax
          : equal === flags["equal_to_layer"];
      }),
    ).toEqual([]);
    expect(counts.different).toBeGreaterThan(0);
    say(`layer and converter: ${JSON.stringify(counts)}`);
  });

  it("give the converter's coefficients of whole networks", () => {
    const networks = readSuite("convert").filter(({ vector }) => networkLayers(vector).length > 0);
    const layers = networks.flatMap(({ vector }) => networkLayers(vector));
    const wrong = layers.filter(({ layer, rule, wanted }) => {
      const got = resliceCoefficients(layer, rule);
      return !(
        sameBits(got.weight, wanted.weight) &&
        sameBits(got.bias, wanted.bias) &&
        got.shift === wanted.shift
      );
    });
    expect(wrong.map(({ name }) => name)).toEqual([]);
    expect(layers.length).toBeGreaterThan(0);
    say(`converter on ${networks.length} networks: ${layers.length} layers equal`);
  });

  it("split the converter's integers into magnitudes and back", () => {
    const layers = readSuite("convert").flatMap(({ vector }) => networkLayers(vector));
    let split = 0;
    for (const { layer, rule, wanted } of layers) {
      const masked = maskedOf[rule.bits];
      if (masked === undefined) continue;
      const integers = coefficientIntegers(wanted.weight, wanted.shift);
      const kernels = splitMagnitudes(integers, layer.taps, masked);
      expect(kernels && joinMagnitudes(kernels, layer.taps)).toEqual(integers);
      split += 1;
    }
    expect(split).toBeGreaterThan(0);
    say(`split into magnitudes: ${split} layers`);
  });

  // -------------------------------------------------------------- activations

  it("give the capped activation", () => {
    const suite = readSuite("quant_relu");
    const forward = suite.filter(({ vector }) => vector.outputs["y"] !== undefined);
    const caps = ({ vector }: Suite[number]): Float32Array => floats(vector.inputs["alpha"]);
    const refused = forward.filter(
      (each) => each.vector.params["quant_enable"] === true && caps(each).some((cap) => cap <= 0),
    );
    const run = ({ inputs, params, outputs }: VectorCase): boolean => {
      const x = floats(inputs["x"]);
      const cap = floats(inputs["alpha"]);
      const [, channels = 1, ...rest] = inputs["x"]?.shape ?? [];
      const size = rest.reduce((a, b) => a * b, 1);
      const bits = Number(params["act_bits"]);
      const slope = Number(params["negative_slope"] ?? 0);
      const y = x.map((value, at) =>
        params["quant_enable"] === true
          ? cappedRelu(value, cap[Math.floor(at / size) % channels] ?? cap[0]!, bits)
          : slopedRelu(value, slope),
      );
      return sameBits(y, floats(outputs["y"]));
    };
    const accepted = forward.filter((each) => !refused.includes(each));
    expect(failing(accepted, run)).toEqual([]);
    for (const { vector } of refused) expect(() => run(vector)).toThrow(/cap .* must be positive/);
    expect(accepted.length).toBeGreaterThan(0);
    say(`capped activation: ${accepted.length} equal, ${refused.length} caps refused`);
    say(`  left out ${suite.length - forward.length}: no forward output`);
  });

  // -------------------------------------------------------------- pictures

  it("reduce the bits of pictures", () => {
    const suite = readSuite("data_transform").filter(
      ({ vector }) => vector.params["quant_enable"] === true,
    );
    let negative = 0;
    expect(
      failing(suite, ({ params, inputs, outputs }, flags) => {
        const [from, to] = [Number(params["bw_in"] ?? 8), Number(params["bw_out"] ?? 5)];
        const wanted = outputs["y"]?.data ?? [];
        const pixels = placed(inputs["x"], Number(params["crop_size"] ?? 0), flags["mirrored"]);
        if (pixels.length !== wanted.length) return false;
        return pixels.every((value, at) => {
          if (value >= 0) return reduceBits(value, from, to) === wanted[at];
          negative += 1;
          expect(() => reduceBits(value, from, to)).toThrow(/negative/);
          return true;
        });
      }),
    ).toEqual([]);
    expect(suite.length).toBeGreaterThan(0);
    say(`pictures of fewer bits: ${suite.length} equal, ${negative} negative values refused`);
  });
});

/** The pixels in the order of the output: the middle square of `crop` (0: all), perhaps mirrored. */
function placed(x: Tensor | undefined, crop: number, mirrored: unknown): readonly number[] {
  const [channels = 1, height = 1, width = 1] = x?.shape ?? [];
  const data = Array.from(x?.data ?? [], Number);
  const [rows, columns] = crop === 0 ? [height, width] : [crop, crop];
  const [top, left] = [(height - rows) >> 1, (width - columns) >> 1];
  return Array.from({ length: channels * rows * columns }, (_, at) => {
    const column = at % columns;
    const row = Math.floor(at / columns) % rows;
    const channel = Math.floor(at / (rows * columns));
    const from = mirrored === true ? columns - 1 - column : column;
    const value = data[(channel * height + top + row) * width + left + from];
    if (value === undefined) throw new Error("a pixel outside of the picture");
    return value;
  });
}
