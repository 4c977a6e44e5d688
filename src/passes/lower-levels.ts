/**
 * How values enter a chip, as float operators: a host's values as levels, and integers that come in as such.
 */
import type { Node } from "../ir/ops.ts";
import { type DType, float32, type Tensor, tensor } from "../tensor/tensor.ts";
import type { Emitter } from "./emitter.ts";

/**
 * `clamp(floor(x / step + 0.5), 0, qMax)` as float32. The floor is that of reduceBits, which limits nothing more: what
 * it gets is clamped already.
 */
export function lowerToLevels(node: Node<"toLevels">, x: string, emit: Emitter): void {
  const { step, qMax } = node.attrs;
  const { id } = node;
  const scale = emit.constant(`${id}.step`, float32([], [step]));
  const half = emit.constant(`${id}.half`, float32([], [0.5]));
  const steps = emit.fresh(`${id}.steps`);
  emit.add({ op: "div", id: steps, inputs: [x, scale], attrs: {} });
  const raised = emit.fresh(`${id}.raised`);
  emit.add({ op: "add", id: raised, inputs: [steps, half], attrs: {} });
  const clamped = emit.fresh(`${id}.clamped`);
  emit.add({ op: "clip", id: clamped, inputs: [raised], attrs: { min: 0, max: qMax + 0.5 } });
  const bits = Math.ceil(Math.log2(qMax + 1));
  emit.add({ op: "reduceBits", id, inputs: [clamped], attrs: { from: bits, to: bits } });
}

/** A copy of an integer value in float32; gives its id. */
export function asFloat(id: string, dtype: DType, emit: Emitter): string {
  const scale = emit.constant(`${id}.scale`, float32([], [1]));
  const inputs = [id, scale, emit.constant(`${id}.zero`, zeroOf(dtype))];
  return emit.add({ op: "dequantize", id: emit.fresh(`${id}.real`), inputs, attrs: { axis: 1 } });
}

function zeroOf(dtype: DType): Tensor {
  switch (dtype) {
    case "int8":
      return tensor(dtype, [], new Int8Array(1));
    case "uint8":
      return tensor(dtype, [], new Uint8Array(1));
    case "int16":
      return tensor(dtype, [], new Int16Array(1));
    case "uint16":
      return tensor(dtype, [], new Uint16Array(1));
    default:
      return tensor("int32", [], new Int32Array(1));
  }
}
