/**
 * Chains of batch norm, scale and activation that are trained as one operator, against the same nodes one by one.
 */
import { describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node, Op, Ops } from "../src/ir/ops.ts";
import type { BatchStatistics } from "../src/ir/training.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import { gradientModel, gradientName } from "../src/train/gradient-model.ts";
import { runModel } from "./gradient-check.ts";
import { awayFromZero, normals } from "./small-case.ts";
import { expectClose } from "./within.ts";

/** Sums of products with x itself, not with the normalized x, lose a digit. */
const tolerance = 1e-4;
const channels = 3;
const shapes = [
  [4, channels, 5, 6],
  [2, channels, 1, 9],
  [16, channels],
];

type Activation = { readonly op: Op; readonly attrs: object; readonly caps?: number };
const levels = { slope: 0, bits: 5, quantized: true };
const activations: Readonly<Record<string, Activation | undefined>> = {
  nothing: undefined,
  "a ReLU": { op: "relu", attrs: { slope: 0 } },
  "levels under one cap": { op: "quantRelu", attrs: levels, caps: 1 },
  "levels under a cap per channel": {
    op: "quantRelu",
    attrs: { ...levels, bits: 3 },
    caps: channels,
  },
};

type Chain = {
  readonly graph: Graph;
  readonly values: ReadonlyMap<string, Tensor>;
  readonly statistics: readonly BatchStatistics[];
};

function chainOf(activation: Activation | undefined, seed: number, withBeta: boolean): Chain {
  const x = normals(seed, shapes[seed % shapes.length] ?? [], 2, 3);
  const values = new Map<string, Tensor>([
    ["x", x],
    ["gamma", normals(seed + 1, [channels])],
    ...(withBeta ? [["beta", normals(seed + 2, [channels])] as const] : []),
    ...(activation?.caps === undefined
      ? []
      : [["cap", awayFromZero(normals(seed + 3, [activation.caps]), true)] as const]),
  ]);
  const inputs = [...values].map(([id, { dtype, shape }]) =>
    made("input", id, [], { dtype, shape }),
  );
  const stored = ["mean", "variance"].map((id) =>
    made("const", id, [], { tensor: float32([channels], new Float32Array(channels).fill(1)) }),
  );
  const beta = withBeta ? ["beta"] : [];
  const cap = activation?.caps === undefined ? [] : ["cap"];
  const nodes = [
    ...[...inputs, ...stored],
    made("batchNorm", "norm", ["x", "mean", "variance"], { epsilon: 1e-3 }),
    made("scale", "scaled", ["norm", "gamma", ...beta], { axis: 1 }),
    ...(activation === undefined
      ? []
      : [{ ...made("identity", "y", ["scaled", ...cap], {}), ...activation } as Node]),
  ];
  const id = activation === undefined ? "scaled" : "y";
  const sum = (start: number): Tensor<"float32"> => normals(start, [channels]);
  return {
    graph: { name: "chain", nodes, outputs: [{ name: id, id }], opsets: {} },
    values,
    statistics: [
      {
        ...{ id: "norm", layer: "norm", fraction: 0.9 },
        sums: [sum(seed + 4), sum(seed + 5), float32([1], [seed])],
      },
    ],
  };
}

function made<K extends Op>(op: K, id: string, inputs: readonly string[], attrs: Ops[K]): Node {
  return { op, id, inputs, attrs } as unknown as Node;
}

describe("a batch norm by the batch's statistics, a scale and", () => {
  it.each(Object.entries(activations))("%s", async (_name, activation) => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const { graph, values, statistics } = chainOf(activation, seed, seed % 4 !== 0);
      const [output] = graph.outputs;
      const dy = normals(seed + 6, values.get("x")?.shape ?? []);
      const sums = statistics.flatMap(({ layer, sums: all }) =>
        all.map((value, index) => [`${layer}/${index}`, value] as const),
      );
      const given = new Map<string, Tensor>([
        ...values,
        ...sums,
        [gradientName(output?.id ?? ""), dy],
      ]);
      const wanted = [...values.keys()];
      const oneByOne = gradientModel(graph, wanted, statistics);
      const asOne = gradientModel(graph, wanted, statistics, { chains: true });
      expect(asOne).not.toEqual(oneByOne);
      const want = await runModel(oneByOne, given);
      const got = await runModel(asOne, given);
      expect([...got.keys()].toSorted()).toEqual([...want.keys()].toSorted());
      for (const [name, value] of want) expectClose(got.get(name), value, tolerance);
    }
  });

  it("is written node by node where somebody reads what is in between", () => {
    const { graph, statistics } = chainOf(activations["a ReLU"], 1, true);
    for (const read of ["norm", "scaled"]) {
      const tapped = { ...graph, outputs: [...graph.outputs, { name: read, id: read }] };
      const models = [true, false].map((chains) =>
        gradientModel(tapped, [], statistics, { chains }),
      );
      const sizes = models.map(({ length }) => length);
      // The norm and scale of a tapped scale are still one.
      if (read === "norm") expect(models[0]).toEqual(models[1]);
      else expect(sizes[0]).not.toBe(sizes[1]);
    }
  });

  it("keeps its values when it runs again", async () => {
    const { graph, values, statistics } = chainOf(activations["levels under one cap"], 5, true);
    const dy = normals(1, values.get("x")?.shape ?? []);
    const sums = statistics.flatMap(({ layer, sums: all }) =>
      all.map((value, index) => [`${layer}/${index}`, value] as const),
    );
    const given = new Map<string, Tensor>([...values, ...sums, [gradientName("y"), dy]]);
    const model = gradientModel(graph, [...values.keys()], statistics, { chains: true });
    const session = await (await nodeRuntime({ threads: 1 })).load(model);
    const [first, second] = [await session.run(given), await session.run(given)];
    await session.release();
    for (const [name, value] of first) expect(second.get(name)?.data).toEqual(value.data);
  });
});
