import { beforeAll, describe, expect, it } from "vitest";
import type { Dataset } from "../data/dataset.ts";
import { image } from "../data/image.ts";
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { Warning } from "../notice.ts";
import { canonicalize } from "../passes/pipeline.ts";
import { createRandom } from "../tensor/random.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { checkPreprocessing } from "./preprocess-check.ts";

const side = 8;
let runtime: Runtime;
beforeAll(async () => {
  runtime = await nodeRuntime({ threads: 1 });
});

/** Coloured noise with red around 200, green around 120, blue around 60. */
function pictures(count: number, gray = false): Dataset {
  const random = createRandom(5);
  const samples = Array.from({ length: count }, (_, at) => {
    const level = random.unit() * 40;
    const noise = Array.from({ length: side * side * 3 }, () => random.unit() * 40 - 40);
    const data = Uint8Array.from(noise, (value, byte) => {
      const pixel = noise[byte - (byte % 3)] ?? 0;
      return level + (gray ? 120 + pixel : ([200, 120, 60][byte % 3] ?? 0) + value);
    });
    const picture = image(side, side, 3, data);
    return { name: `${at}.png`, label: undefined, load: async () => picture };
  });
  return { source: "noise", samples };
}

function constant(id: string, value: Tensor): Node {
  return { op: "const", id, inputs: [], attrs: { tensor: value } };
}

const conv = (id: string, x: string, weight: string): Node => ({
  op: "conv",
  id,
  inputs: [x, weight],
  attrs: { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
});

const input: Node = {
  op: "input",
  id: "x",
  inputs: [],
  attrs: { dtype: "float32", shape: [1, 3, side, side] },
};
/** The three channels as they are. */
const pass = constant("w", float32([3, 3, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1]));

/** Batch norm that saw red 200, green 120, blue 60 with a deviation of 16, divided by 255. */
function normed(): Graph {
  const mean = [200 / 255, 120 / 255, 60 / 255];
  const variance = new Array<number>(3).fill((16 / 255) ** 2);
  const nodes: readonly Node[] = [
    input,
    pass,
    conv("c", "x", "w"),
    constant("m", float32([3], mean)),
    constant("v", float32([3], variance)),
    { op: "batchNorm", id: "n", inputs: ["c", "m", "v"], attrs: { epsilon: 1e-5 } },
    { op: "relu", id: "y", inputs: ["n"], attrs: { slope: 0 } },
  ];
  return { name: "normed", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
}

/** A clip at 6 behind the first layer. */
function clipped(): Graph {
  const nodes: readonly Node[] = [
    input,
    pass,
    conv("c", "x", "w"),
    { op: "clip", id: "y", inputs: ["c"], attrs: { min: 0, max: 6 } },
  ];
  return { name: "clipped", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
}

/** Two classes: the means of red and of blue, weighed; the other order is surer where `gain` says so. */
function classifier(gain: readonly number[]): Graph {
  const nodes: readonly Node[] = [
    input,
    constant("w", float32([2, 3, 1, 1], gain)),
    conv("c", "x", "w"),
    { op: "globalAvgPool", id: "p", inputs: ["c"], attrs: {} },
    { op: "flatten", id: "f", inputs: ["p"], attrs: { axis: 1, endAxis: -1 } },
    { op: "softmax", id: "y", inputs: ["f"], attrs: { axis: 1 } },
  ];
  return { name: "classifier", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
}

async function warningsOf(
  graph: Graph,
  dataset: Dataset,
  some: Partial<Preprocess> = {},
): Promise<readonly Warning[]> {
  const warnings: Warning[] = [];
  const network = { imported: graph, float: canonicalize(graph) };
  const preprocess = { ...defaultPreprocess, ...some };
  await checkPreprocessing(network, dataset, preprocess, runtime, (one) => warnings.push(one));
  return warnings;
}

describe("the first layer's batch norm", () => {
  it("says nothing where the statistics agree", async () => {
    expect(await warningsOf(normed(), pictures(40), { scale: 1 / 255 })).toEqual([]);
  });

  it("names the flags that fit where the scale is missing", async () => {
    const [warning, ...rest] = await warningsOf(normed(), pictures(40));
    expect(rest).toEqual([]);
    expect(warning?.id).toBe("preprocessing-statistics");
    expect(warning?.message).toContain("--order rgb --mean 0 --scale 1/255 fits much better");
    expect(warning?.where).toBe('conv "c"');
  });

  it("names the other order where that is what is wrong", async () => {
    const [warning] = await warningsOf(normed(), pictures(40), { scale: 1 / 255, order: "bgr" });
    expect(warning?.message).toContain("--order rgb --mean 0 --scale 1/255 fits");
  });

  it("names no flags where none of the usual fits", async () => {
    const odd = pictures(40, true);
    const [warning] = await warningsOf(normed(), odd, { scale: 3, mean: [77] });
    expect(warning?.message).toMatch(/check --mean, --scale, --std and --order$/);
  });
});

describe("the range", () => {
  it("tells a clipped layer that gets pixels", async () => {
    const [warning, ...rest] = await warningsOf(clipped(), pictures(20));
    expect(rest).toEqual([]);
    expect(warning?.id).toBe("preprocessing-range");
    expect(warning?.message).toContain("times the 6 that it clips at");
    expect(await warningsOf(clipped(), pictures(20), { scale: 1 / 64 })).toEqual([]);
  });

  it("tells a classifier that says the same of everything", async () => {
    const graph = classifier([1, 0, 0, 0, 0, 0]);
    const same = await warningsOf(graph, pictures(20), { mean: [200], scale: 1e-4 });
    expect(same.map(({ id }) => id)).toEqual(["preprocessing-range"]);
    expect(same[0]?.message).toContain("nearly the same of every picture");
  });
});

describe("the channel order", () => {
  /** Red minus 200 tells the classes; blue is 140 lower and makes every answer sure. */
  const order = classifier([0.3, 0, 0, 0, 0, 0]);

  it("follows the certainty", async () => {
    const mean = [200];
    expect(await warningsOf(order, pictures(60), { mean, order: "bgr" })).toEqual([]);
    const [warning] = await warningsOf(order, pictures(60), { mean });
    expect(warning?.id).toBe("channel-order");
    expect(warning?.message).toContain("--order bgr");
  });

  it("is not judged on grey pictures", async () => {
    expect(await warningsOf(order, pictures(60, true), { mean: [120] })).toEqual([]);
  });
});

describe("the pictures", () => {
  it("must not all be the same", async () => {
    const [one] = pictures(1).samples;
    const samples = new Array(12).fill(one);
    const [warning] = await warningsOf(normed(), { source: "copies", samples });
    expect(warning).toMatchObject({ id: "pictures-same", where: "copies" });
  });

  it("must have more than one colour", async () => {
    const white = image(side, side, 3, new Uint8Array(side * side * 3).fill(255));
    const sample = { name: "white.png", label: undefined, load: async () => white };
    const [warning] = await warningsOf(normed(), { source: "white", samples: [sample] });
    expect(warning?.message).toContain("of one colour");
  });

  it("tell nothing where they are few", async () => {
    expect(await warningsOf(normed(), pictures(4))).toEqual([]);
  });
});
