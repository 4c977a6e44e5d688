/**
 * The int8 target: 8-bit weights and activations, 32-bit bias and accumulator, with the arithmetic of
 * ONNX's quantized operators. docs/numerics.md states it; ONNX Runtime runs its files anywhere.
 */
import { numberFormats } from "../../fixed/number-format.ts";
import type { Op } from "../../ir/ops.ts";
import type { Target } from "../../target/target.ts";

export const int8: Target = {
  form: "qdq",
  name: "int8",
  description: "8-bit weights and activations as ONNX QDQ; any ONNX runtime runs it",
  weights: numberFormats.int8,
  activations: { unsigned: numberFormats.uint8, signed: numberFormats.int8 },
  bias: numberFormats.int32,
  accumulatorBits: 32,
  integerOperators: new Set<Op>([
    "conv",
    "linear",
    "maxPool",
    "globalMaxPool",
    "avgPool",
    "globalAvgPool",
    "add",
    "concat",
    "slice",
    "flatten",
    "reshape",
    "transpose",
    "relu",
    "clip",
  ]),
};
