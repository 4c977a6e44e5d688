/**
 * Lowered graphs, run by ONNX Runtime, against the scalar definition: random small graphs of each
 * operator, within the operator's tolerance.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Runtime } from "../src/engine/runtime.ts";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import type { Op } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { tolerances } from "../src/run/tolerance.ts";
import { float32 } from "../src/tensor/tensor.ts";
import { smallCases } from "./small-case.ts";
import { smallChipCases } from "./small-chip-case.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";
import { termSize } from "./term-size.ts";
import { expectWithin } from "./within.ts";

/** Operators without a case, and why. */
const leftOut: { readonly [O in Op]?: string } = {
  input: "part of every case",
  const: "part of every case",
  priorBox: "has reference vectors of its own",
  detectionOutput: "runs on the host",
  quantConv: "folded by a pass of its own",
  intConv: "lowered by a pass of its own",
  intLinear: "lowered by a pass of its own",
  intAvgPool: "lowered by a pass of its own",
  intAdd: "lowered by a pass of its own",
  requantize: "lowered by a pass of its own",
  shiftConv: "lowered by a pass of its own",
  toLevels: "gives integers in the definition, float32 in the engine: shifted-simulation.test.ts",
  opaque: "ONNX Runtime alone knows it",
  result: "ONNX Runtime alone knows it",
};

const allCases = { ...smallCases, ...smallChipCases };

const runs = 40;

describe("lowered to ONNX and run by ONNX Runtime", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await nodeRuntime({ threads: 1 });
  });

  async function compare(op: Op, drawn: SmallGraph): Promise<void> {
    const { graph, feeds } = drawn;
    const want = runScalar(graph, feeds).get("y");
    const session = await runtime.load(lowerToOnnx(graph));
    try {
      expectWithin(op, (await session.run(feeds)).get("y"), want, () => termSize(op, drawn));
    } finally {
      await session.release();
    }
  }

  for (const op of Object.keys(allCases) as Op[]) {
    const cases = allCases[op];
    if (cases === undefined) continue;
    it(op, async () => {
      await fc.assert(
        fc.asyncProperty(cases, (drawn) => compare(op, drawn)),
        { numRuns: runs },
      );
    });
  }

  it("a sum that almost cancels", async () => {
    // 1.42 * -0.066 + 0.15 * 0.448 - 0.302 * 0.988 + 1.43 * 0.19 + 0.347 * 0.155 = 3.2e-4
    const x = float32([1, 5], [1.41767275, 0.14970264, 0.30151251, 1.42856848, -0.34735548]);
    const own = [-0.0659948959, 0.4478706121, -0.9882984757, 0.189584747, -0.155402571];
    const weight = float32([1, 5], own);
    const drawn = smallGraph("linear", {}, [x], [weight]);
    expect(termSize("linear", drawn)).toBeGreaterThan(0.7);
    await compare("linear", drawn);
  });

  it.each([
    ["dilated", { kernel: [2, 2], dilation: [2, 2], pads: [3, 3, 0, 0] }],
    ["in a wide pad", { kernel: [1, 1], dilation: [1, 1], pads: [1, 2, 1, 0] }],
  ] as const)("windows that see only padding average to 0: %s", async (_name, some) => {
    const x = float32([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const countPad of [false, true]) {
      const attrs = { ...some, stride: [1, 1] as const, ceil: false, countPad };
      const { graph, feeds } = smallGraph("avgPool", attrs, [x]);
      const want = runScalar(graph, feeds).get("y");
      expect(want?.data[0]).toBe(0);
      for (const opset of [11, 17, 21]) {
        const session = await runtime.load(lowerToOnnx(graph, { opset }));
        expectWithin("avgPool", (await session.run(feeds)).get("y"), want);
        await session.release();
      }
    }
  });

  it("every operator has a case or a reason", () => {
    const missing = (Object.keys(tolerances) as Op[]).filter(
      (op) => (allCases[op] === undefined) === (leftOut[op] === undefined),
    );
    expect(missing).toEqual([]);
  });
});
