/**
 * The files of a GTI conversion against those of the reference converter: the layers that it rounded go in, and
 * its bytes must come out; and reading its bytes must give the layers.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  coefficientText,
  formatC16e,
  readCoefficients,
} from "../src/chips/gti/files/coefficients-text.ts";
import { decodeFcBin, encodeFcBin, fcLayersOf } from "../src/chips/gti/files/fc-bin.ts";
import type { ChipLayer, FcLayer } from "../src/chips/gti/files/layers.ts";
import {
  decodeCnnParam,
  decodeFcParam,
  encodeCnnParam,
  encodeFcParam,
  parseShiftsText,
  shiftsText,
} from "../src/chips/gti/files/params.ts";
import { joinBytes } from "../src/tensor/chunks.ts";
import { asNchw } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";

type Named = VectorCase["outputs"];

function floats(tensors: Named, name: string): Tensor<"float32"> {
  const found = tensors[name];
  if (found?.dtype !== "float32") throw new Error(`${name} is not float32`);
  return found;
}

function fileOf({ outputs }: VectorCase, name: string): Uint8Array {
  const found = outputs[name];
  if (found?.dtype !== "uint8") throw new Error(`${name} is not a file`);
  return found.data;
}

function shiftsOf({ outputs }: VectorCase): number[] {
  return Array.from(outputs["shift_list"]?.data ?? [], Number);
}

function chipLayers(vector: VectorCase): ChipLayer[] {
  return shiftsOf(vector).map((shift, at) => {
    const weight = floats(vector.outputs, `resliced/conv${at}/0`);
    return {
      name: `conv${at}`,
      shape: asNchw(weight.shape),
      weight: weight.data,
      bias: floats(vector.outputs, `resliced/conv${at}/1`).data,
      shift,
    };
  });
}

function fcLayers({ inputs }: VectorCase): FcLayer[] {
  return ["fc6", "fc7"].map((name) => {
    const weight = floats(inputs, `init/${name}/0`);
    const [outputs = 0, columns = 0] = weight.shape;
    const bias = floats(inputs, `init/${name}/1`).data;
    return { name, outputs, inputs: columns, weight: weight.data, bias };
  });
}

const sizesOf = (layers: readonly Pick<FcLayer, "weight" | "bias">[]) =>
  layers.map(({ weight, bias }) => ({ weights: weight.length, biases: bias.length }));

/** The start of filter.txt as text, by case; it stands beside the tensors. */
function readHeads(folder: string): ReadonlyMap<string, string> {
  const { cases } = JSON.parse(readFileSync(join(folder, "convert.json"), "utf8")) as {
    readonly cases: readonly { readonly name: string; readonly filter_txt_head?: string }[];
  };
  return new Map(cases.map(({ name, filter_txt_head: head }) => [name, head ?? ""]));
}

const title =
  vectorsFolder === undefined
    ? "files of a conversion (INLAY_VECTORS is unset)"
    : "files of a conversion";

describe.skipIf(vectorsFolder === undefined)(title, () => {
  const folder = vectorsFolder ?? "";
  const all = vectorsFolder === undefined ? [] : readVectors(folder, "convert");
  const heads: ReadonlyMap<string, string> =
    vectorsFolder === undefined ? new Map() : readHeads(folder);
  const resliced = all.filter((vector) => "resliced/conv0/0" in vector.outputs);
  const written = all.filter((vector) => "cnn.param" in vector.outputs);

  it("are all there", () => {
    expect(resliced.length).toBeGreaterThan(20);
    expect(written.length).toBeGreaterThan(10);
  });

  it.each(resliced)("$name: filter.txt starts with the same text", (vector) => {
    const head = heads.get(vector.name) ?? "";
    const weights = chipLayers(vector).map((layer) => layer.weight);
    const text = new TextDecoder().decode(joinBytes([...coefficientText(weights)]));
    expect(head.length).toBeGreaterThan(100);
    expect(text.slice(0, head.length)).toBe(head);
  });

  it.each(written)("$name: filter.txt and bias.txt have the same numbers", (vector) => {
    const layers = chipLayers(vector);
    for (const [name, part] of [
      ["filter.txt", "weight"],
      ["bias.txt", "bias"],
    ] as const) {
      const values = layers.map((layer) => layer[part]);
      const bytes = joinBytes([...coefficientText(values)]);
      const lines = new TextDecoder().decode(bytes).trimEnd().split("\n");
      const wanted = vector.outputs[name];
      if (wanted?.dtype !== "float64") throw new Error(`${name} is not float64`);
      expect(lines).toEqual(Array.from(wanted.data, formatC16e));
      const counts = values.map((array) => array.length);
      expect(readCoefficients({ name, bytes }, counts)).toEqual(values);
    }
  });

  it.each(written)("$name: cnn.param and fxp_shift_bits.txt are the same bytes", (vector) => {
    const layers = chipLayers(vector);
    const bytes = fileOf(vector, "cnn.param");
    expect(encodeCnnParam(layers)).toEqual(bytes);
    const read = decodeCnnParam({ name: "cnn.param", bytes }, sizesOf(layers));
    for (const [at, { shift, weight, bias }] of read.entries()) {
      const step = 2 ** -shift;
      expect(shift).toBe(layers[at]?.shift);
      expect(Float32Array.from(bias, (value) => value * step)).toEqual(
        layers[at]?.bias.map((value) => value + 0),
      );
      // Adding 0 turns the -0 of the rounded weights into 0.
      expect(Float32Array.from(weight, (value) => value * step)).toEqual(
        layers[at]?.weight.map((value) => value + 0),
      );
    }
    const text = fileOf(vector, "fxp_shift_bits.txt");
    expect(new TextEncoder().encode(shiftsText(shiftsOf(vector)))).toEqual(text);
    const file = { name: "fxp_shift_bits.txt", bytes: text };
    expect(parseShiftsText(file, layers.length)).toEqual(shiftsOf(vector));
  });

  it.each(written)("$name: fc.param, fc.bin and fc6.bin are the same bytes", (vector) => {
    const layers = fcLayers(vector);
    const param = fileOf(vector, "fc.param");
    expect(joinBytes(encodeFcParam(layers))).toEqual(param);
    expect(decodeFcParam({ name: "fc.param", bytes: param }, sizesOf(layers))).toEqual(
      layers.map(({ weight, bias }) => ({ weight, bias })),
    );
    for (const entry of ["fc", "fc6"]) {
      const bytes = fileOf(vector, `${entry}.bin`);
      const taken = fcLayersOf(entry, layers);
      expect(joinBytes(encodeFcBin(taken))).toEqual(bytes);
      expect(decodeFcBin({ name: `${entry}.bin`, bytes })).toEqual(
        taken.map(({ name: _, ...layer }) => layer),
      );
    }
  });
});
