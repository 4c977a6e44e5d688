/**
 * Every target by name. A new chip is one folder and one line here.
 */
import { type InlayError, usageError } from "../error.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import type { Target } from "../target/target.ts";
import { gti2801, gti2803, gti5801 } from "./gti/targets.ts";
import { int8 } from "./int8/target.ts";

export const targets: readonly (Target | LayeredTarget)[] = [int8, gti2801, gti2803, gti5801];

/** The target of that name, of either form. A usage error lists the names there are. */
export function targetNamed(name: string): Target | LayeredTarget {
  const target = targets.find((one) => one.name === name);
  if (target !== undefined) return target;
  throw usageError("no such target", {
    expected: targets.map((one) => one.name).join(", "),
    got: `"${name}"`,
  });
}

/** The target of that name, where integers between quantize and dequantize are needed. A usage error else. */
export function qdqTargetNamed(name: string): Target {
  const target = targetNamed(name);
  if (target.form === "qdq") return target;
  throw wrongForm(name, "qdq", "inlay check says what this chip takes of a network");
}

/** The target of that name, where a chip of major layers is needed. A usage error else. */
export function layeredTargetNamed(name: string): LayeredTarget {
  const target = targetNamed(name);
  if (target.form === "layered") return target;
  throw wrongForm(name, "layered", "It has no such limits: inlay quantize takes it at once");
}

function wrongForm(name: string, form: "qdq" | "layered", hint: string): InlayError {
  const what = {
    qdq: "this needs a target of quantized ONNX operators",
    layered: "this needs a chip of major layers",
  };
  return usageError(what[form], {
    expected: targets
      .filter((one) => one.form === form)
      .map((one) => one.name)
      .join(", "),
    got: `"${name}"`,
    hint,
  });
}
