import { expect, test } from "vitest";
import { normalize } from "../data/normalize.ts";
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import type { Graph } from "../ir/graph.ts";
import { createRandom } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { withPictureInput } from "./prepare.ts";
import { runScalar } from "./scalar/run-scalar.ts";

const shape = [2, 3, 4, 5];
const identity: Graph = {
  name: "pictures",
  nodes: [
    { op: "input", id: "data", inputs: [], attrs: { dtype: "float32", shape } },
    { op: "identity", id: "out", inputs: ["data"], attrs: {} },
  ],
  outputs: [{ name: "out", id: "out" }],
  opsets: {},
};
const random = createRandom(1);
const pictures = tensor(
  "uint8",
  [2, 4, 5, 3],
  Uint8Array.from({ length: 120 }, () => random.below(256)),
);
const meanImage = {
  file: "mean.binaryproto",
  shape: [3, 6, 7] as const,
  values: Array.from({ length: 126 }, () => random.unit() * 255),
};

const settings: readonly Partial<Preprocess>[] = [
  {},
  { mean: [104, 117, 123] },
  { mean: [127.5], scale: 1 / 127.5 },
  { mean: [123.675, 116.28, 103.53], scale: 1 / 255, std: [0.229, 0.224, 0.225] },
  { mean: meanImage, scale: 0.00390625 },
];

test.each(settings)("the graph computes what normalize defines: %j", (setting) => {
  const preprocess: Preprocess = { ...defaultPreprocess, ...setting };
  const graph = withPictureInput(identity, preprocess);
  const got = runScalar(graph, new Map([["data.bytes", pictures]])).get("out");
  expect(got).toEqual(normalize(pictures, preprocess));
});
