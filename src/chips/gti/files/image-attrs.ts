/**
 * The operators that a chip image may hold, and what their attributes must be. A constant's tensor is not among
 * them: image.ts packs it.
 */
import type { Op, Ops, PoolAttrs, Requantize, ShiftOutput } from "../../../ir/ops.ts";
import type { DType } from "../../../tensor/tensor.ts";
import {
  either,
  fourOf,
  type Guard,
  isBoolean,
  isCount,
  isInteger,
  isNumber,
  isPositive,
  listOf,
  oneOf,
  optional,
  pairOf,
  recordOf,
} from "./guards.ts";

/** Operators of a chip's integer graph, constants aside. */
export type ImageOp = Extract<
  Op,
  | ("input" | "reduceBits" | "toLevels" | "shiftConv" | "maxPool" | "avgPool" | "intAvgPool")
  | ("resize" | "zeroInsert" | "slice" | "pad" | "concat" | "requantize")
>;

/** Largest rank of a tensor. */
export const maxRank = 8;

const isDType: Guard<DType> = oneOf(
  ...(["float32", "float64", "float16", "int8", "uint8", "int16", "uint16"] as const),
  ...(["int32", "uint32", "int64", "uint64", "bool"] as const),
);

const window = {
  kernel: pairOf(isPositive),
  stride: pairOf(isPositive),
  pads: fourOf(isCount),
  dilation: pairOf(isPositive),
  ceil: isBoolean,
};
const isWindow: Guard<PoolAttrs> = recordOf<PoolAttrs>(window);

const isRequantize: Guard<Requantize> = recordOf<Requantize>({
  yZero: isInteger,
  qMin: isInteger,
  qMax: isInteger,
  signed: optional(isBoolean) as Guard<boolean>,
});

const isShiftOutput: Guard<ShiftOutput> = either(
  recordOf<Extract<ShiftOutput, { kind: "levels" }>>({
    kind: oneOf("levels"),
    qMin: isInteger,
    qMax: isInteger,
  }),
  recordOf<Extract<ShiftOutput, { kind: "accumulator" }>>({ kind: oneOf("accumulator") }),
);

type Accumulator = NonNullable<Ops["shiftConv"]["accumulator"]>;

/** One guard per operator. */
export const attrGuards: { readonly [O in ImageOp]: Guard<Ops[O]> } = {
  input: recordOf<Ops["input"]>({ dtype: isDType, shape: listOf(isCount, maxRank) }),
  reduceBits: recordOf<Ops["reduceBits"]>({ from: isPositive, to: isPositive }),
  toLevels: recordOf<Ops["toLevels"]>({ step: isNumber, qMax: isPositive }),
  shiftConv: recordOf<Ops["shiftConv"]>({
    stride: pairOf(isPositive),
    pads: fourOf(isCount),
    dilation: pairOf(isPositive),
    groups: isPositive,
    shift: isInteger,
    identityShift: isInteger,
    output: isShiftOutput,
    accumulator: optional(
      recordOf<Accumulator>({ bits: isPositive, overflow: oneOf("saturate", "wrap") }),
    ) as Guard<Accumulator>,
  }),
  maxPool: isWindow,
  avgPool: recordOf<Ops["avgPool"]>({ ...window, countPad: isBoolean }),
  intAvgPool: recordOf<Ops["intAvgPool"]>({
    window: either(isWindow, oneOf("global")),
    xZero: isInteger,
    multiplier: isNumber,
    output: isRequantize,
  }),
  resize: recordOf<Ops["resize"]>({
    mode: oneOf("nearest"),
    alignCorners: isBoolean,
    size: optional(pairOf(isPositive)) as Guard<readonly [number, number]>,
    factor: optional(pairOf(isPositive)) as Guard<readonly [number, number]>,
  }),
  zeroInsert: recordOf<Ops["zeroInsert"]>({ factor: pairOf(isPositive) }),
  slice: recordOf<Ops["slice"]>({ axis: isInteger, start: isInteger, end: isInteger }),
  pad: recordOf<Ops["pad"]>({ pads: fourOf(isInteger), value: isNumber }),
  concat: recordOf<Ops["concat"]>({ axis: isInteger }),
  requantize: recordOf<Ops["requantize"]>({
    xZero: isInteger,
    multiplier: isNumber,
    output: isRequantize,
  }),
};

export function isImageOp(op: string): op is ImageOp {
  return Object.hasOwn(attrGuards, op);
}
