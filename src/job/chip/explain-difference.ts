/**
 * The sums behind one value that differs: every product, the bias, what a shortcut adds, the shift and the rounding, as
 * the reference has them and as the chip has them. A second computation of the one value, by the scalar rule.
 */
import { workError } from "../../error.ts";
import { narrow } from "../../fixed/shift-round.ts";
import type { BitMatchCause, BitMatchSum, BitMatchTerm } from "../../report/bit-match.ts";
import type { AccumulatorOptions } from "../options.ts";
import type { ChipSublayer } from "./chip-sublayers.ts";
import {
  chipParameters,
  type LayerParameters,
  type LevelSteps,
  parameterCauses,
  referenceParameters,
} from "./layer-parameters.ts";
import type { ReferenceSublayer } from "./reference-network.ts";

/** One side's values around a layer, [channels, rows, columns]: in levels, as far as they are made of levels. */
export type SideValues = {
  readonly input: ArrayLike<number>;
  readonly identity: ArrayLike<number> | undefined;
};

export type DifferentLayer = {
  readonly chip: ChipSublayer;
  readonly reference: ReferenceSublayer;
  /** Channels, rows and columns of the input. */
  readonly inputShape: readonly number[];
  readonly expected: SideValues;
  readonly got: SideValues;
  readonly steps: LevelSteps;
  /** A shortcut adds plain levels, not the sums of a convolution. */
  readonly addsLevels: boolean;
  readonly accumulator: AccumulatorOptions | undefined;
  /** All layers before were compared, and none differs. */
  readonly isFirst: boolean;
};

/** A position in the layer's output, and what was found there. */
export type DifferentValue = {
  readonly position: Position;
  readonly expected: number;
  readonly got: number;
  readonly simulated: number;
};

export type Position = readonly [channel: number, row: number, column: number];

export type Explanation = {
  readonly terms: readonly BitMatchTerm[];
  readonly reference: BitMatchSum;
  readonly model: BitMatchSum;
  readonly causes: readonly BitMatchCause[];
};

/** Throws a work error where the chip's own numbers do not give what its simulation gave. */
export function explainDifference(layer: DifferentLayer, value: DifferentValue): Explanation {
  const [wanted, found] = [
    referenceParameters(layer.reference, layer.steps),
    chipParameters(layer.chip),
  ];
  const terms = termsAt(layer, value.position, wanted, found);
  const [channel] = value.position;
  const at = indexOf(value.position, layer.chip.shape);
  const of = (products: number, own: LayerParameters, added: ArrayLike<number> | undefined) =>
    ({ products, bias: own.bias[channel] ?? 0, added: added?.[at], own }) as const;
  const reference = sumOf(
    of(
      total(terms, ({ expectedInput, expectedWeight }) => expectedInput * expectedWeight),
      wanted,
      layer.expected.identity,
    ),
    undefined,
  );
  const model = sumOf(
    of(
      total(terms, ({ gotInput, gotWeight }) => gotInput * gotWeight),
      found,
      layer.got.identity,
    ),
    layer.accumulator,
  );
  if (model.level !== value.simulated) {
    throw workError("the engine and the definition of the chip disagree", {
      node: `"${layer.chip.conv}"`,
      expected: `${model.level} at ${value.position.join(", ")}`,
      got: `${value.simulated}`,
    });
  }
  const causes = causesOf(layer, value, { terms, reference, model, wanted, found });
  return { terms, reference, model, causes };
}

/** `[channel, row, column]` as an index into a map of this shape. */
function indexOf([channel, row, column]: Position, [, rows = 1, columns = 1]: readonly number[]) {
  return (channel * rows + row) * columns + column;
}

function total(terms: readonly BitMatchTerm[], product: (term: BitMatchTerm) => number): number {
  return terms.reduce((sum, term) => sum + product(term), 0);
}

/** The products of the window, padding left out. */
function termsAt(
  { chip, inputShape, expected, got }: DifferentLayer,
  [out, y, x]: Position,
  wanted: LayerParameters,
  found: LayerParameters,
): readonly BitMatchTerm[] {
  const { stride, pads, dilation, groups } = chip.node.attrs;
  const [outputs, channels, kh, kw] = chip.weightShape;
  const [, rows = 0, columns = 0] = inputShape;
  const first = Math.floor(out / (outputs / groups)) * channels;
  const [top, left] = [y * stride[0] - pads[0], x * stride[1] - pads[1]];
  return Array.from({ length: channels * kh * kw }, (_, at): readonly BitMatchTerm[] => {
    const channel = first + Math.floor(at / (kh * kw));
    const row = top + (Math.floor(at / kw) % kh) * dilation[0];
    const column = left + (at % kw) * dilation[1];
    if (row < 0 || row >= rows || column < 0 || column >= columns) return [];
    const from = indexOf([channel, row, column], inputShape);
    const weight = out * channels * kh * kw + at;
    return [
      {
        ...{ channel, row, column },
        expectedInput: expected.input[from] ?? 0,
        expectedWeight: wanted.weight[weight] ?? 0,
        gotInput: got.input[from] ?? 0,
        gotWeight: found.weight[weight] ?? 0,
      },
    ];
  }).flat();
}

type Summands = {
  readonly products: number;
  readonly bias: number;
  readonly added: number | undefined;
  readonly own: LayerParameters;
};

function sumOf(
  { products, bias, added, own }: Summands,
  accumulator: AccumulatorOptions | undefined,
): BitMatchSum {
  const { shift, identityFactor: factor, top } = own;
  const identity = added === undefined ? null : { value: added, factor };
  const exact = products + bias + (added ?? 0) * factor;
  const kept =
    accumulator === undefined ? exact : narrow(exact, accumulator.bits, accumulator.overflow);
  const rounded = Math.floor(kept * 2 ** -shift + 0.5);
  const level = limited(rounded, top);
  return { products, bias, identity, accumulator: exact, shift, rounded, top, level };
}

function limited(value: number, top: number): number {
  return Math.min(Math.max(value, 0), top);
}

type Sides = {
  readonly terms: readonly BitMatchTerm[];
  readonly reference: BitMatchSum;
  readonly model: BitMatchSum;
  readonly wanted: LayerParameters;
  readonly found: LayerParameters;
};

function causesOf(
  layer: DifferentLayer,
  value: DifferentValue,
  { terms, reference, model, wanted, found }: Sides,
): readonly BitMatchCause[] {
  const { step, top, unmerged } = layer.reference;
  const caps = layer.addsLevels ? { start: layer.steps.startCap, end: step * top } : undefined;
  const { weightShape } = layer.chip;
  const causes = [
    ...unmergedCauses(unmerged),
    ...inputCauses(terms, layer.isFirst),
    ...parameterCauses({ reference: wanted, model: found, weightShape, caps }),
    ...narrowCauses(model, layer.accumulator),
    ...floatCauses(reference, value, unmerged),
    ...boardCauses(model, value),
  ];
  if (causes.length > 0) return causes;
  return [{ kind: "unknown", message: "inputs, weights, bias and shift agree on both sides" }];
}

function unmergedCauses(unmerged: readonly string[]): readonly BitMatchCause[] {
  if (unmerged.length === 0) return [];
  const message =
    "the reference still has a batch norm or a scale behind the convolution, which its sum here lacks: it is not refined";
  return [{ kind: "refinement", message }];
}

function inputCauses(terms: readonly BitMatchTerm[], isFirst: boolean): readonly BitMatchCause[] {
  const wrong = terms.find(({ expectedInput, gotInput }) => expectedInput !== gotInput);
  if (wrong === undefined) return [];
  const { channel, row, column, expectedInput, gotInput } = wrong;
  const why = isFirst
    ? "no layer before differs, so pooling or upsampling between them does: the network JSON does not match"
    : "a layer before it differs, of which there is no dump";
  const message = `the input at (${channel}, ${row}, ${column}) is ${gotInput} in the simulation, ${expectedInput} in the reference: ${why}`;
  return [{ kind: "input", message }];
}

function narrowCauses(
  { accumulator, shift, top, level }: BitMatchSum,
  options: AccumulatorOptions | undefined,
): readonly BitMatchCause[] {
  if (options === undefined || narrow(accumulator, options.bits, options.overflow) === accumulator)
    return [];
  const wide = limited(Math.floor(accumulator * 2 ** -shift + 0.5), top);
  const message = `the sum ${accumulator} does not fit an accumulator of ${options.bits} bits, which gives ${level} instead of ${wide}`;
  return [{ kind: "overflow", message }];
}

function floatCauses(
  { level }: BitMatchSum,
  { expected }: DifferentValue,
  unmerged: readonly string[],
): readonly BitMatchCause[] {
  if (level === expected || unmerged.length > 0) return [];
  const message = `exact arithmetic gives ${level} for the reference too: its own float sums round here`;
  return [{ kind: "float-rounding", message }];
}

/** A board that does otherwise than its simulation, and the accumulators that would explain it. */
function boardCauses(
  model: BitMatchSum,
  { expected, got, simulated }: DifferentValue,
): readonly BitMatchCause[] {
  if (got === simulated) return [];
  const agrees = simulated === expected ? " as the reference does" : "";
  const message = `the simulation of the model gives ${simulated}${agrees}: what gave the dump had other inputs, another image or other arithmetic`;
  const widths = (["saturate", "wrap"] as const).flatMap((overflow): readonly BitMatchCause[] => {
    const bits = explainingWidth(model, got, overflow);
    if (bits === undefined) return [];
    const how = overflow === "wrap" ? "wraps" : "saturates";
    const fits = `the sum ${model.accumulator} overflows an accumulator of ${bits} bits, and one that ${how} gives ${got}`;
    return [{ kind: "overflow", message: fits }];
  });
  return [{ kind: "board", message }, ...widths];
}

/** The widest accumulator that is too narrow for the sum and gives the level that was found. */
function explainingWidth(
  { accumulator, shift, top }: BitMatchSum,
  got: number,
  overflow: AccumulatorOptions["overflow"],
): number | undefined {
  if (!Number.isSafeInteger(accumulator)) return undefined;
  const widths = Array.from({ length: 32 }, (_, at) => 32 - at).filter((bits) => bits >= 8);
  return widths.find((bits) => {
    const kept = narrow(accumulator, bits, overflow);
    return kept !== accumulator && limited(Math.floor(kept * 2 ** -shift + 0.5), top) === got;
  });
}
