/**
 * Every choice of the int8 target on a real network: scalar and lowered simulation stay equal, and
 * ONNX Runtime's int8 kernels stay with them. Needs INLAY_DATA.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { quantizeJob } from "../src/job/quantize.node.ts";
import type { QuantizeOptions } from "../src/quantize/options.ts";
import { checkKernels, checkScalar } from "./check-network.ts";
import { context, dataDir, lenet } from "./networks.ts";

const choices: readonly QuantizeOptions[] = (["channel", "tensor"] as const).flatMap((unit) =>
  [false, true].flatMap((powerOfTwo) =>
    [false, true].flatMap((signed) =>
      [false, true].map((symmetric) => ({
        weights: { unit, powerOfTwo },
        activations: { signed, symmetric, powerOfTwo },
        biasCorrection: signed,
      })),
    ),
  ),
);

describe.skipIf(dataDir === undefined)("choices of the int8 target (INLAY_DATA)", () => {
  const out = mkdtempSync(join(tmpdir(), "inlay-options-"));
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  it.each(choices)("$weights $activations", async (options) => {
    const { model, preprocess, calibrate } = lenet;
    const pictures = { ...calibrate, limit: 50 };
    const job = { model, target: "int8", calibrate: pictures, preprocess, options, out };
    const report = await quantizeJob({ ...job, method: "mse" }, context);
    const isPowerOfTwo = (scale: number): boolean => Number.isInteger(Math.log2(scale));
    for (const { weightScale, inputScale } of report.layers) {
      expect(weightScale?.count === 1).toBe(options.weights.unit === "tensor");
      if (options.weights.powerOfTwo) {
        expect([weightScale?.min, inputScale].map((scale) => isPowerOfTwo(scale ?? 0))).toEqual([
          true,
          true,
        ]);
      }
    }
    expect(await checkScalar(lenet, out, 2)).toBeGreaterThan(0);
    const { worst, largest } = await checkKernels(lenet, out, 4);
    expect(worst).toBeGreaterThanOrEqual(0.999);
    expect(largest).toBeLessThanOrEqual(1);
  });
});
