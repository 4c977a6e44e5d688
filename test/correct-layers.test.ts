/** The correction of layers finds the factor and the offset that a chip's layer lacks. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../src/data/dataset.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import {
  type CorrectedLayer,
  type Correction,
  layerCorrections,
} from "../src/quantize/correct-layers.ts";
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

/** The layer `y` on a grid of 2^-4; `asked` collects what it is to be corrected by. */
function layerOf(
  channels: number,
  largest: number | undefined,
  asked: Correction[],
): CorrectedLayer {
  const shape = [channels, 1, 1, 1];
  const grid = (values: ArrayLike<number>): Int32Array =>
    Int32Array.from(values, (value) => Math.round(16 * value));
  return {
    ...{ id: "y", sum: "sum", step: 1, largest },
    round: (correction) => {
      asked.push(correction);
      const { factors, offsets, weight } = correction;
      return {
        exact: factors.map((factor) => 16 * factor),
        weight: tensor("int32", shape, weight ? Int32Array.from(weight.levels) : grid(factors)),
        bias: tensor("int32", [channels], grid(offsets)),
        shift: 4,
      };
    },
  };
}

async function correctionOf(
  layer: CorrectedLayer,
  factors: readonly number[],
  offsets: readonly number[],
): Promise<Correction | undefined> {
  const planes = pictures.map((data) => tensor("uint8", [1, 1, side, side], data));
  const scene = {
    float: floatNetwork(factors, offsets),
    dataset,
    preprocess: defaultPreprocess,
    runtime: await nodeRuntime({ threads: 1 }),
    seed: 0,
  };
  return (await layerCorrections(chipNetwork(factors.length), [layer], planes, scene)).get("y");
}

describe("layerCorrections", () => {
  it("finds the factor and the offset of each channel", async () => {
    const [factors, offsets] = [
      [1, 1.5, 0.75],
      [0, 2, -0.5],
    ];
    const asked: Correction[] = [];
    const found = await correctionOf(layerOf(3, undefined, asked), factors, offsets);
    expect(asked).toEqual([found]);
    for (const [at, factor] of factors.entries()) {
      expect(found?.factors[at]).toBeCloseTo(factor, 4);
      expect(found?.offsets[at]).toBeCloseTo(offsets[at] ?? 0, 3);
    }
  });

  it("fits the offsets to the weights that compensated rounding gives", async () => {
    const factors = [1.53, 0.78];
    const found = await correctionOf(layerOf(2, 20, []), factors, [0, 0]);
    // 24.48 is more than the layer holds, 12.48 is near 12.
    expect(found?.weight).toEqual({ levels: Float64Array.of(20, 12), shift: 4 });
    const levels = pictures.flatMap((data) => [...data].map((pixel) => pixel / 8));
    const mean = levels.reduce((a, b) => a + b, 0) / levels.length;
    for (const [at, level] of [20, 12].entries()) {
      const want = ((factors[at] ?? 0) - level / 16) * mean;
      // Random pixels, and a bias on the grid.
      expect(Math.abs((found?.offsets[at] ?? 0) - want)).toBeLessThan(0.07);
    }
  });
});
