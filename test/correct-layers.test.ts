/** The correction of layers finds the factor and the offset that a chip's layer lacks. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../src/data/dataset.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { type Correction, layerCorrections } from "../src/quantize/correct-layers.ts";
import { createRandom } from "../src/tensor/random.ts";
import { float32, type Tensor, tensor } from "../src/tensor/tensor.ts";

const side = 16;
const random = createRandom(4);
/** Multiples of 8, which a chip's 5 bits hold exactly; gray. */
const pictures: readonly Uint8Array[] = Array.from({ length: 8 }, () =>
  Uint8Array.from({ length: side * side }, () => 8 * random.below(16)),
);

const dataset: Dataset = {
  source: "drawn",
  samples: pictures.map((data, at) => ({
    name: `${at}`,
    label: undefined,
    load: () => Promise.resolve({ width: side, height: side, channels: 1, data }),
  })),
};

const window = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
const constant = (id: string, value: Tensor): Node => ({
  op: "const",
  id,
  inputs: [],
  attrs: { tensor: value },
});
const input: Node = {
  op: "input",
  id: "x",
  inputs: [],
  attrs: { dtype: "float32", shape: [1, 1, side, side] },
};

/** `sum = factor * level + offset` per channel, a level being 8 grey levels. */
function floatNetwork(factors: readonly number[], offsets: readonly number[]): Graph {
  const channels = factors.length;
  const weight = float32(
    [channels, 1, 1, 1],
    factors.map((factor) => factor / 8),
  );
  return {
    name: "float",
    nodes: [
      input,
      constant("w", weight),
      constant("b", float32([channels], offsets)),
      { op: "conv", id: "sum", inputs: ["x", "w", "b"], attrs: window },
      { op: "relu", id: "y", inputs: ["sum"], attrs: { slope: 0 } },
    ],
    outputs: [{ name: "y", id: "y" }],
    opsets: {},
  };
}

/** `level` itself in every channel, as a layer of shift 4. */
function chipNetwork(channels: number): Graph {
  const ones = new Int16Array(channels).fill(16);
  return {
    name: "chip",
    nodes: [
      input,
      { op: "reduceBits", id: "levels", inputs: ["x"], attrs: { from: 8, to: 5 } },
      constant("w", tensor("int16", [channels, 1, 1, 1], ones)),
      constant("b", tensor("int32", [channels], new Int32Array(channels))),
      {
        op: "shiftConv",
        id: "y",
        inputs: ["levels", "w", "b"],
        attrs: {
          ...window,
          shift: 4,
          identityShift: 0,
          output: { kind: "levels", qMin: 0, qMax: 31 },
        },
      },
    ],
    outputs: [{ name: "y", id: "y" }],
    opsets: {},
  };
}

describe("layerCorrections", () => {
  it("finds the factor and the offset of each channel", async () => {
    const [factors, offsets] = [
      [1, 1.5, 0.75],
      [0, 2, -0.5],
    ];
    const rounded: number[][] = [];
    const layer = {
      id: "y",
      sum: "sum",
      step: 1,
      round: ({ factors: by, offsets: moved }: Correction) => {
        rounded.push([...by], [...moved]);
        return {
          exact: by.map((value) => 16 * value),
          weight: tensor(
            "int32",
            [3, 1, 1, 1],
            Int32Array.from(by, (value) => 16 * value),
          ),
          bias: tensor(
            "int32",
            [3],
            Int32Array.from(moved, (value) => 16 * value),
          ),
          shift: 4,
        };
      },
    };
    const planes = pictures.map((data) => tensor("uint8", [1, 1, side, side], data));
    const scene = {
      float: floatNetwork(factors, offsets),
      dataset,
      preprocess: defaultPreprocess,
      runtime: await nodeRuntime({ threads: 1 }),
      seed: 0,
    };
    const found = (await layerCorrections(chipNetwork(3), [layer], planes, scene)).get("y");
    expect([...(found?.factors ?? [])]).toEqual(rounded[0]);
    for (const [at, factor] of factors.entries()) {
      expect(found?.factors[at]).toBeCloseTo(factor, 4);
      expect(found?.offsets[at]).toBeCloseTo(offsets[at] ?? 0, 3);
    }
  });
});
