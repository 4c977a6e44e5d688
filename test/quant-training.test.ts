/**
 * Training of the GTI chips' layers against reference vectors: rounded coefficients, the convolution and the capped
 * ReLU, forward and backward, as the step's ONNX graph computes them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Runtime, Session, Values } from "../src/engine/runtime.ts";
import type { CoefficientRule } from "../src/fixed/coefficients.ts";
import type { Precision } from "../src/fixed/precision.ts";
import type { Ops } from "../src/ir/ops.ts";
import { type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { gradientModel, gradientName } from "../src/train/gradient-model.ts";
import { runModel } from "./gradient-check.ts";
import { roundingModel } from "./rounding-model.ts";
import { say } from "./say.ts";
import { smallGraph } from "./small-graph.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { expectClose } from "./within.ts";

const precisions: Readonly<Record<string, Precision>> = {
  FLOATING_POINT: "float",
  DYNAMIC_FIXED_POINT: "dynamic",
  ONE_BIT: "oneBit",
  TWO_BITS: "twoBits",
  THREE_BITS: "threeBits",
  FIVE_BITS: "fiveBits",
};

function ruleOf({ params }: VectorCase): CoefficientRule {
  const precision = precisions[String(params["coef_precision"])];
  if (precision === undefined) throw new Error("no such precision");
  return {
    precision,
    parameterBits: Number(params["bw_params"]),
    shiftEnabled: params["shift_enable"] === true,
  };
}

/** Names of the cases in which the reference computes NaN. */
function withNan(suite: string): ReadonlySet<string> {
  const text = readFileSync(join(vectorsFolder ?? "", `${suite}.json`), "utf8");
  const { cases } = JSON.parse(text) as { cases: readonly { name: string; has_nan?: boolean }[] };
  return new Set(cases.filter(({ has_nan: hasNan }) => hasNan === true).map(({ name }) => name));
}

function floatsOf(values: Readonly<Record<string, Tensor>>, name: string): Tensor<"float32"> {
  const value = values[name];
  if (value?.dtype !== "float32") throw new Error(`no float32 "${name}"`);
  return value;
}

/** Elements that differ; 0 equals -0. */
function countDifferent(got: Tensor | undefined, want: Tensor): number {
  const values = got === undefined ? [] : toNumbers(got);
  return toNumbers(want).filter((value, at) => value !== values[at]).length;
}

const title =
  vectorsFolder === undefined
    ? "training of the GTI chips' layers (INLAY_VECTORS is unset)"
    : "training of the GTI chips' layers";

describe.skipIf(vectorsFolder === undefined)(title, () => {
  const read = (suite: string): readonly VectorCase[] => readVectors(vectorsFolder ?? "", suite);
  let runtime: Runtime;
  const sessions = new Map<string, Session>();
  beforeAll(async () => {
    runtime = await nodeRuntime({ threads: 1 });
  });
  afterAll(async () => {
    for (const session of sessions.values()) await session.release();
  });

  async function rounded(rule: CoefficientRule, { inputs }: VectorCase): Promise<Values> {
    const weight = floatsOf(inputs, "weight");
    const bias = inputs["bias"];
    const key = JSON.stringify([rule, weight.shape, bias !== undefined]);
    const session =
      sessions.get(key) ??
      (await runtime.load(roundingModel(weight.shape, bias !== undefined, rule)));
    sessions.set(key, session);
    return session.run(new Map([["w", weight], ...(bias ? ([["b", bias]] as const) : [])]));
  }

  it("rounds coefficients as the reference does, number by number", async () => {
    const undefinedThere = withNan("quant_weights");
    const defined = read("quant_weights").filter(({ name }) => !undefinedThere.has(name));
    const different: string[] = [];
    for (const vector of defined) {
      const { weight, bias } = vector.outputs;
      const got = await rounded(ruleOf(vector), vector);
      const count =
        countDifferent(got.get("w'"), weight ?? floatsOf(vector.outputs, "weight")) +
        (bias === undefined ? 0 : countDifferent(got.get("b'"), bias));
      if (count > 0) different.push(`${vector.name}: ${count}`);
    }
    say(`rounded coefficients: ${defined.length - different.length} of ${defined.length} equal`);
    expect(different).toEqual([]);
    expect(defined.length).toBeGreaterThan(0);
  });

  it("computes and trains the convolution", async () => {
    const cases = read("quant_conv");
    for (const { name, params, inputs, outputs } of cases) {
      const stride = Number(params["stride"]);
      const pad = Number(params["pad"]);
      const dilation = Number(params["dilation"]);
      const attrs: Ops["quantConv"] = {
        stride: [stride, stride],
        pads: [pad, pad, pad, pad],
        dilation: [dilation, dilation],
        groups: Number(params["group"]),
        ...ruleOf({ name, params, inputs, outputs }),
      };
      const operands = [floatsOf(inputs, "weight"), ...(inputs["bias"] ? [inputs["bias"]] : [])];
      const { graph, feeds } = smallGraph("quantConv", attrs, [floatsOf(inputs, "x")], operands);
      const wanted = ["x0", ...operands.map((_, at) => `c${at}`)];
      const got = await runModel(
        gradientModel(graph, wanted),
        new Map<string, Tensor>([
          ...feeds,
          ...operands.map((value, at) => [`c${at}`, value] as const),
          [gradientName("y"), floatsOf(inputs, "top_diff")],
        ]),
      );
      expectClose(got.get("y'"), floatsOf(outputs, "y"), 1e-6);
      const gradients = ["dX", "dW", ...(operands.length > 1 ? ["db"] : [])];
      for (const [at, key] of gradients.entries()) {
        expectClose(got.get(gradientName(wanted[at] ?? "")), floatsOf(outputs, key), 1e-6);
      }
    }
    expect(cases.length).toBeGreaterThan(0);
    say(`convolutions: y, dX, dW, db of ${cases.length} equal within 1e-6`);
  });

  it("computes and trains the capped ReLU", async () => {
    const forward = read("quant_relu").filter(({ outputs }) => outputs["dX"] !== undefined);
    const refused = forward.filter(
      ({ params, inputs }) =>
        params["quant_enable"] === true && toNumbers(floatsOf(inputs, "alpha")).some((a) => a <= 0),
    );
    for (const vector of refused) {
      const { graph } = reluGraph(vector);
      expect(() => gradientModel(graph, ["x0"])).toThrow(/cap .* must be positive/);
    }
    const accepted = forward.filter((vector) => !refused.includes(vector));
    let [inexact, values] = [0, 0];
    for (const vector of accepted) {
      for (const wanted of [["x0", "c0"], ["x0"]]) {
        const { graph, feeds } = reluGraph(vector);
        const { inputs, outputs } = vector;
        const learned = wanted.includes("c0") ? [["c0", floatsOf(inputs, "alpha")] as const] : [];
        const dy = [gradientName("y"), floatsOf(inputs, "top_diff")] as const;
        const got = await runModel(
          gradientModel(graph, wanted),
          new Map<string, Tensor>([...feeds, ...learned, dy]),
        );
        const [y, want] = [got.get("y'"), floatsOf(outputs, "y")];
        const ulps = worstUlps(y, want);
        expect(ulps, vector.name).toBeLessThanOrEqual(1);
        inexact += countDifferent(y, want);
        values += want.data.length;
        expect(countDifferent(got.get(gradientName("x0")), floatsOf(outputs, "dX"))).toBe(0);
        if (learned.length > 0) {
          expectSum(got.get(gradientName("c0")), floatsOf(outputs, "dalpha"), dy[1]);
        }
      }
    }
    expect(accepted.length).toBeGreaterThan(0);
    say(`capped ReLU: ${accepted.length} equal in levels and gradients, ${refused.length} refused`);
    say(`  of ${values} values ${inexact} differ in the last bit`);
  });
});

function reluGraph({ params, inputs }: VectorCase): ReturnType<typeof smallGraph> {
  const attrs = {
    slope: Number(params["negative_slope"]),
    bits: Number(params["act_bits"]),
    quantized: params["quant_enable"] === true,
  };
  return smallGraph("quantRelu", attrs, [floatsOf(inputs, "x")], [floatsOf(inputs, "alpha")]);
}

/** Sums of gradients in any order: their terms may cancel, so that the largest term is the measure. */
function expectSum(got: Tensor | undefined, want: Tensor, terms: Tensor): void {
  const allowed = 1e-6 * Math.max(...toNumbers(terms).map(Math.abs));
  expect(got?.shape).toEqual(want.shape);
  for (const [at, value] of toNumbers(want).entries()) {
    expect(Math.abs(value - Number(got?.data[at]))).toBeLessThanOrEqual(allowed);
  }
}

/** The largest difference in units of the last place. */
function worstUlps(got: Tensor | undefined, want: Tensor<"float32">): number {
  if (got?.dtype !== "float32") return Number.POSITIVE_INFINITY;
  const bits = (values: Float32Array): Int32Array =>
    new Int32Array(values.map((value) => value + 0).buffer);
  const [left, right] = [bits(got.data), bits(want.data)];
  return left.reduce((worst, value, at) => Math.max(worst, Math.abs(value - (right[at] ?? 0))), 0);
}
