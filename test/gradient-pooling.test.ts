/**
 * Pooling forward and backward against the reference vectors, as the step's ONNX graph computes it.
 */
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { PoolAttrs } from "../src/ir/ops.ts";
import { gradientModel, gradientName } from "../src/train/gradient-model.ts";
import { checkGradients, runModel } from "./gradient-check.ts";
import { say } from "./say.ts";
import { awayFromZero, smallCases } from "./small-case.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { expectClose } from "./within.ts";

/** Float32 sums of the reference, relative to the tensor's maximum; a maximum is exact. */
const sumTolerance = 1e-6;

/** The layer as a graph; undefined for the chips' sampling, which the reference does not compute. */
function pooling({ params, inputs }: VectorCase): SmallGraph | undefined {
  const { x } = inputs;
  if (x === undefined) throw new Error("no input");
  if (params["global_pooling"] === true) return smallGraph("globalMaxPool", {}, [x]);
  const both = (key: string): readonly [number, number] => [
    Number(params[key]),
    Number(params[key]),
  ];
  const attrs: PoolAttrs = {
    kernel: both("kernel_size"),
    stride: both("stride"),
    pads: [...both("pad"), ...both("pad")],
    dilation: [1, 1],
    ceil: params["round_mode"] !== "FLOOR",
  };
  if (params["pool"] === "AVE") return smallGraph("avgPool", { ...attrs, countPad: true }, [x]);
  return params["sample"] === true ? undefined : smallGraph("maxPool", attrs, [x]);
}

const { stochasticPool: stochastic } = smallCases;
if (stochastic === undefined) throw new Error("no case");

const title =
  vectorsFolder === undefined
    ? "pooling by the reference (INLAY_VECTORS is unset)"
    : "pooling by the reference";

describe.skipIf(vectorsFolder === undefined)(title, () => {
  const vectors = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "pooling");
  const cases = vectors.flatMap((vector) => {
    const small = pooling(vector);
    return small === undefined ? [] : [{ vector, small }];
  });

  it.each(cases.map((one) => [one.vector.name, one] as const))("%s", async (_name, one) => {
    const { inputs, outputs, params } = one.vector;
    const { top_diff: dy } = inputs;
    if (dy === undefined) throw new Error("no gradient");
    const model = gradientModel(one.small.graph, ["x0"]);
    const got = await runModel(model, new Map([...one.small.feeds, [gradientName("y"), dy]]));
    const tolerance = params["pool"] === "AVE" ? sumTolerance : 0;
    expectClose(got.get("y'"), outputs["y"], tolerance);
    // Where windows overlap, sums are rounded.
    expectClose(got.get(gradientName("x0")), outputs["dX"], sumTolerance);
  });

  it("leaves out only what the reference does not compute", () => {
    const left = vectors.filter((vector) => pooling(vector) === undefined);
    expect(left.every(({ params }) => params["sample"] === true)).toBe(true);
    expect(cases.length).toBeGreaterThan(40);
  });

  afterAll(() => {
    say(`pooling: ${cases.length} of ${vectors.length} ran; left out: MAX with sample`);
  });
});

describe("stochastic pooling", () => {
  it("passes the gradient of what it computes, for sums above 0", async () => {
    const property = fc.asyncProperty(stochastic, fc.nat(2 ** 20), ({ graph, feeds }, seed) => {
      const positive = [...feeds].map(([id, x]) => {
        if (x.dtype !== "float32") throw new Error("not float32");
        return [id, awayFromZero(x, true)] as const;
      });
      return checkGradients(graph, new Map(positive), { wanted: ["x0"], seed });
    });
    await fc.assert(property, { numRuns: 60 });
  });
});
