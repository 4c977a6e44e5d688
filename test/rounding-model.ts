/**
 * The rounding of coefficients alone, as a model: what the step does with a quantized convolution's weights.
 */
import type { CoefficientRule } from "../src/fixed/coefficients.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { roundCoefficients } from "../src/train/round-coefficients.ts";
import { createStepWriter } from "../src/train/step-model.ts";

/** Inputs `w` [out, in, kh, kw] and perhaps `b` [out]; outputs `w'` and `b'`. */
export function roundingModel(shape: Shape, hasBias: boolean, rule: CoefficientRule): Uint8Array {
  const input = (id: string, dims: Shape) =>
    ({ op: "input", id, inputs: [], attrs: { dtype: "float32", shape: dims } }) as const;
  const nodes = [input("w", shape), ...(hasBias ? [input("b", [shape[0] ?? 1])] : [])];
  const writer = createStepWriter({ name: "rounding", nodes, outputs: [], opsets: {} });
  const layer = { weight: "w", bias: hasBias ? "b" : undefined, shape };
  const { weight, bias } = roundCoefficients(layer, rule, writer.tape);
  writer.output("w'", weight);
  if (bias !== undefined) writer.output("b'", bias);
  return writer.finish();
}
