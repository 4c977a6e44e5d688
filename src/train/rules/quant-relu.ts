/**
 * The ReLU on a grid of levels in training, in few elementwise passes. Activations are the largest tensors of a step, and
 * a pass costs as much as it moves memory: masks are bytes, and are multiplied because ONNX Runtime's Where costs twice.
 */
import { inputError } from "../../error.ts";
import { float, int } from "../../formats/onnx/attribute.ts";
import { emitChain, type Link } from "../../formats/onnx/chain.ts";
import { elementCode } from "../../formats/onnx/element-types.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { elementCount } from "../../tensor/shape.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";
import { channelsOf, sumToChannels } from "./columns.ts";

export const quantRelu: TrainRule<"quantRelu"> = (node, tape) =>
  node.attrs.quantized ? quantized(node, tape) : plain(node, tape);

/** Leaky: the cap has no part in it, and gets no gradient. */
function plain({ id, inputs, attrs: { slope } }: Node<"quantRelu">, tape: Tape): Backward {
  const [x = ""] = inputs;
  if (slope === 0) tape.emit("Relu", [x], {}, id);
  else tape.emit("LeakyRelu", [x], { alpha: float(slope) }, id);
  return (dy, [wantsX]) => {
    if (!wantsX) return [];
    const isPositive = tape.emit("Greater", [x, tape.number(0)]);
    if (slope === 0) return [masked(dy, isPositive, tape)];
    return [tape.emit("Where", [isPositive, dy, tape.mul(dy, tape.number(slope))])];
  };
}

/** `dx = dy` where `0 < x < cap`, else 0; `dcap` sums dy where `x >= cap`. */
function quantized(node: Node<"quantRelu">, tape: Tape): Backward {
  const [x = "", cap = ""] = node.inputs;
  const shape = tape.shapeOf(x);
  const high = channelsOf(tape, cap, shape.length);
  const clamp: readonly Link[] =
    elementCount(tape.shapeOf(cap)) === 1
      ? [{ op: "Clip", inputs: [tape.number(0), high] }]
      : [{ op: "Relu" }, { op: "Min", inputs: [high] }];
  const { toLevels, step } = levelsOf(node, high, tape);
  const round: readonly Link[] = [
    { op: "Add", inputs: [tape.number(belowHalf)] },
    { op: "Floor" },
    ...(step === undefined ? [] : [{ op: "Mul", inputs: [step] }]),
  ];
  emitChain(tape, x, [...clamp, ...toLevels, ...round], node.id);
  return (dy, [wantsX, wantsCap]) => {
    const isCapped = tape.emit("GreaterOrEqual", [x, high]);
    // The cap is positive: what is capped is positive too.
    const isInside = (): string =>
      tape.emit("Xor", [tape.emit("Greater", [x, tape.number(0)]), isCapped]);
    return [
      wantsX ? masked(dy, isInside(), tape) : undefined,
      wantsCap ? sumToChannels(tape, masked(dy, isCapped, tape), shape, cap) : undefined,
    ];
  };
}

/** Added before a floor this rounds a float32 that is not negative half up: 0.5 itself takes 0.49999997 to 1. */
const belowHalf = 0.5 - 2 ** -25;

/** From the clamped value to units of a level, and the size of a level; undefined for 1. */
type Levels = { readonly toLevels: readonly Link[]; readonly step: string | undefined };

/**
 * The definition multiplies by q and divides by the cap, both rounded to float32. One product does for a known cap
 * where it is exact: where the cap is a power of two, or q is the cap times one, as after refining (31 of 31).
 */
function levelsOf(node: Node<"quantRelu">, high: string, tape: Tape): Levels {
  const q = 2 ** node.attrs.bits - 1;
  const known = knownCap(node, tape);
  const factor = known === undefined ? undefined : q / known;
  if (known === undefined || factor === undefined || !(isPower(known) || isPower(factor))) {
    const toLevels = [
      { op: "Mul", inputs: [tape.number(q)] },
      { op: "Div", inputs: [high] },
    ];
    return { toLevels, step: tape.div(high, tape.number(q)) };
  }
  if (factor === 1) return { toLevels: [], step: undefined };
  return {
    toLevels: [{ op: "Mul", inputs: [tape.number(factor)] }],
    step: tape.number(known / q),
  };
}

function isPower(x: number): boolean {
  return 2 ** Math.round(Math.log2(x)) === x;
}

/** The one number that all caps are, where they are constant. Throws where a constant cap is not positive. */
function knownCap(node: Node<"quantRelu">, tape: Tape): number | undefined {
  const constant = tape.constant(node.inputs[1] ?? "");
  if (constant === undefined) return undefined;
  const [first, ...others] = toNumbers(constant);
  for (const cap of [first ?? 0, ...others]) {
    if (!(cap > 0 && cap < Infinity)) {
      throw inputError("the cap of an activation must be positive", {
        node: describe(node),
        expected: "a positive, finite number",
        got: `${cap}`,
        hint: "Calibrate the layer again",
      });
    }
  }
  return others.every((cap) => cap === first) ? first : undefined;
}

/** `dy` where the mask is true, else 0 (or -0). */
function masked(dy: string, mask: string, tape: Tape): string {
  return tape.mul(dy, tape.emit("Cast", [mask], { to: int(elementCode("float32")) }));
}
