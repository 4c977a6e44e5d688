import { describe, expect, it } from "vitest";
import { initialState } from "../../ir/training-state.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { writeCaffemodel } from "./files.ts";
import { readTraining, trainingNet } from "./read-training.ts";
import { stateToCaffemodel } from "./write-trained.ts";

type State = ReadonlyMap<string, Tensor<"float32">>;

const bits = (state: State): Record<string, unknown> =>
  Object.fromEntries(
    [...state].map(([key, { shape, data }]) => [
      key,
      { shape, bits: [...new Uint32Array(data.slice().buffer)] },
    ]),
  );

describe("stateToCaffemodel", () => {
  const text = `name: "whole" layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 1 dim: 6 dim: 6 } } }
    layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
    layer { name: "a" type: "Convolution" bottom: "data" top: "a" param { name: "w" lr_mult: 0 } param { name: "b" }
      convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
    layer { name: "b" type: "Convolution" bottom: "data" top: "b" param { name: "w" } param { name: "c" }
      convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
    layer { name: "bn" type: "BatchNorm" bottom: "sum" top: "sum" }
    layer { name: "frozen" type: "BatchNorm" bottom: "sum" top: "sum" batch_norm_param { use_global_stats: true } }
    layer { name: "cap" type: "QuantReLU" bottom: "sum" top: "sum" }
    layer { name: "one" type: "PReLU" bottom: "sum" top: "sum" prelu_param { channel_shared: true } }
    layer { name: "two" type: "PReLU" bottom: "sum" top: "sum" }
    layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
      inner_product_param { num_output: 3 transpose: true weight_filler { type: "gaussian" std: 0.1 } } } layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }`;

  const prototxt = { name: "net.prototxt", bytes: new TextEncoder().encode(text) };
  const written = (state: State) =>
    stateToCaffemodel(trainingNet({ prototxt, phase: "TRAIN" }), state);

  const read = () => readTraining({ prototxt, phase: "TRAIN", seed: 1 });
  const state: State = new Map(
    [...initialState(read())].map(([key, value], at) => [
      key,
      { ...value, data: value.data.map((_, index) => Math.fround(Math.sin(index + at * 31))) },
    ]),
  );

  it("reads back to the same state, bit for bit", () => {
    const caffemodel = { name: "x.caffemodel", bytes: writeCaffemodel(written(state)) };
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown): void => {
      warnings.push(warning);
    };
    const network = readTraining({ prototxt, phase: "TRAIN", caffemodel, onWarning });
    expect(warnings).toEqual([]);
    expect(bits(initialState(network))).toEqual(bits(state));
    expect(state.size).toBe(14);
  });

  it("has the phase's layers with their parameters, and blobs of Caffe's shapes", () => {
    const { name, layer = [] } = written(state);
    expect(name).toBe("whole");
    expect(layer.map((one) => [one.name, one.blobs?.map(({ shape }) => shape?.dim)])).toEqual([
      ["data", []],
      ["label", []],
      ["a", [[2, 1, 3, 3], [2]]],
      ["b", [[2, 1, 3, 3], [2]]],
      ["sum", []],
      ["bn", [[2], [2], [1]]],
      ["frozen", [[2], [2], [1]]],
      ["cap", [[]]],
      ["one", [[]]],
      ["two", [[2]]],
      ["fc", [[72, 3], [3]]],
      ["loss", []],
    ]);
    expect(layer[2]).toMatchObject({
      ...{ type: "Convolution", bottom: ["data"], top: ["a"] },
      convolution_param: { num_output: 2 },
    });
  });
});
