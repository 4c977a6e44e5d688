import { expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import type { Ops } from "../../ir/ops.ts";
import { float32, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";

const boxes: Ops["priorBox"] = {
  minSizes: [4],
  maxSizes: [],
  aspectRatios: [],
  flip: false,
  clip: false,
  variances: [0.1, 0.1, 0.2, 0.2],
  offset: 0.5,
};

it("priorBox takes shapes from its inputs", () => {
  const [feature, image] = [
    float32([1, 1, 1, 1], [0]),
    float32([1, 1, 8, 16], new Float32Array(128)),
  ];
  const { graph, feeds } = smallGraph("priorBox", boxes, [feature, image]);
  const y = runScalar(graph, feeds).get("y")!;
  expect(y.shape).toEqual([1, 2, 4]);
  const variances = [0.1, 0.1, 0.2, 0.2].map(Math.fround);
  expect(toNumbers(y)).toEqual([6 / 16, 2 / 8, 10 / 16, 6 / 8, ...variances]);
});

it("detectionOutput decodes and keeps the best box of a class, at either precision", () => {
  const attrs: Ops["detectionOutput"] = {
    classes: 2,
    shareLocation: true,
    backgroundLabel: 0,
    nmsThreshold: 0.5,
    nmsTopK: -1,
    nmsEta: 1,
    keepTopK: -1,
    confidenceThreshold: 0.25,
    codeType: "corner",
    varianceEncodedInTarget: true,
  };
  const priors = float32([1, 2, 8], [0, 0, 0.5, 0.5, 0, 0, 0.5, 0.25, 0, 0, 0, 0, 0, 0, 0, 0]);
  const locations = float32([1, 8], [0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0]);
  const confidences = float32([1, 4], [0.25, 0.75, 0.75, 0.125]);
  const { graph, feeds } = smallGraph("detectionOutput", attrs, [locations, confidences, priors]);
  for (const precision of ["float32", "float64"] as const) {
    const y = runScalar(graph, feeds, { precision }).get("y")!;
    expect([y.dtype, ...y.shape]).toEqual([precision, 1, 1, 1, 7]);
    expect(toNumbers(y)).toEqual([0, 1, 0.75, 0.25, 0.25, 0.75, 0.75]);
  }
});
