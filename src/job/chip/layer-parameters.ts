/**
 * What a layer computes with, as the reference has it and as the chip has it, both in levels of the chip: on one page they
 * can be compared number by number. And why they differ, as far as the numbers tell.
 */
import type { BitMatchCause } from "../../report/bit-match.ts";
import type { ChipSublayer } from "./chip-sublayers.ts";
import type { ReferenceSublayer } from "./reference-network.ts";

/** A level is `floor((sum of level * weight + bias + identity * identityFactor) * 2^-shift + 0.5)`, limited to 0..top. */
export type LayerParameters = {
  /** `[out, in / groups, kh, kw]`; integers where the layer lies on a grid. */
  readonly weight: Float64Array;
  readonly bias: Float64Array;
  readonly shift: number;
  /** For one level of what a shortcut adds. */
  readonly identityFactor: number;
  readonly top: number;
};

export function chipParameters({ node, weight, bias, top }: ChipSublayer): LayerParameters {
  const { shift, identityShift } = node.attrs;
  return {
    weight: Float64Array.from(weight),
    bias: Float64Array.from(bias),
    ...{ shift, identityFactor: 2 ** identityShift, top },
  };
}

/** Real sizes of a level that goes in, and of one that a shortcut adds; and the cap of what it starts from. */
export type LevelSteps = {
  readonly input: number;
  readonly identity: number;
  readonly startCap: number;
};

/**
 * The reference's layer in levels. A cap of 31 for 5 bits makes every step 1, and all is as it stands; other caps are
 * divided out. Where this gives no power of two the numbers are no integers, and the shift is 0.
 */
export function referenceParameters(
  { weight, bias, shift, step, top, identity }: ReferenceSublayer,
  steps: LevelSteps,
): LayerParameters {
  const gain = steps.input / step;
  const places = Math.log2(gain);
  const own = shift !== undefined && Number.isInteger(places) ? shift - places : 0;
  const scale = 2 ** own;
  return {
    weight: Float64Array.from(weight, (value) => value * gain * scale),
    bias: Float64Array.from(bias, (value) => (value / step) * scale),
    shift: own,
    identityFactor: (identity?.factor ?? 1) * (steps.identity / step) * scale,
    top,
  };
}

type Compared = {
  readonly reference: LayerParameters;
  readonly model: LayerParameters;
  readonly weightShape: readonly number[];
  /** Undefined where no shortcut of plain levels ends here. */
  readonly caps: { readonly start: number; readonly end: number } | undefined;
};

/** Why the two sides cannot give the same, most telling first; none where all numbers agree. */
export function parameterCauses(compared: Compared): readonly BitMatchCause[] {
  const { reference, model } = compared;
  const isSame =
    differing(reference.weight, model.weight, 1) === 0 &&
    differing(reference.bias, model.bias, 1) === 0;
  if (isSame && reference.shift !== model.shift) return [shiftCause(reference, model)];
  return [
    ...widthCauses(compared),
    ...identityCauses(compared),
    ...weightCauses(compared),
    ...biasCauses(compared),
  ];
}

function shiftCause(reference: LayerParameters, model: LayerParameters): BitMatchCause {
  const factor = 2 ** (reference.shift - model.shift);
  const message = `the shift is ${model.shift} on the chip, ${reference.shift} in the reference, with the same weights: sums count ${factor} times`;
  return { kind: "shift", message };
}

function widthCauses({ reference, model }: Compared): readonly BitMatchCause[] {
  if (reference.top === model.top) return [];
  const message = `levels go up to ${model.top} on the chip, to ${reference.top} in the reference: another width of activations`;
  return [{ kind: "width", message }];
}

function identityCauses({ reference, model, caps }: Compared): readonly BitMatchCause[] {
  if (caps === undefined) return [];
  const [wanted, found] = [reference, model].map(
    ({ identityFactor, shift }) => identityFactor * 2 ** -shift,
  );
  if (wanted === undefined || wanted === found) return [];
  const message = `the shortcut's value counts ${short(found ?? 0)} times on the chip, ${short(wanted)} times in the reference: the caps at its start and end are ${short(caps.start)} and ${short(caps.end)}, and no weight can rescale it. Equalise them before refining`;
  return [{ kind: "unequal-cap", message }];
}

/** How much larger the chip's numbers count than the same numbers of the reference. */
function gridFactor({ reference, model }: Compared): number {
  return 2 ** (reference.shift - model.shift);
}

function weightCauses(compared: Compared): readonly BitMatchCause[] {
  const { reference, model, weightShape } = compared;
  const factor = gridFactor(compared);
  const count = differing(reference.weight, model.weight, factor);
  if (count === 0) return [];
  const gain = commonGain(reference.weight, model.weight, factor);
  if (gain !== undefined && Math.abs(gain - 1) > 0.01) {
    const message = `all weights are ${short(gain)} times the reference's: the gain of a cap was left out or taken twice`;
    return [{ kind: "refinement", message }];
  }
  const at = firstDiffering(reference.weight, model.weight, factor);
  const place = indicesOf(at, weightShape).join(", ");
  const numbers = sides(reference.weight[at], model.weight[at], reference, model);
  const isRounding = gain !== undefined && factor !== 1;
  const why = isRounding
    ? "the shifts differ, and with them the rounding"
    : "the image was made from another network, or is damaged";
  const message = `weight [${place}] is ${numbers}; ${count} of ${model.weight.length} differ: ${why}`;
  return [{ kind: isRounding ? "shift" : "weights", message }];
}

function biasCauses(compared: Compared): readonly BitMatchCause[] {
  const { reference, model } = compared;
  const factor = gridFactor(compared);
  const count = differing(reference.bias, model.bias, factor);
  if (count === 0) return [];
  const at = firstDiffering(reference.bias, model.bias, factor);
  const numbers = sides(reference.bias[at], model.bias[at], reference, model);
  const message = `bias [${at}] is ${numbers}; ${count} of ${model.bias.length} differ`;
  return [{ kind: "biases", message }];
}

/** `13 on the chip, 12 in the reference`; with the shifts where they differ. */
function sides(
  wanted: number | undefined,
  found: number | undefined,
  reference: LayerParameters,
  model: LayerParameters,
): string {
  const grid = (shift: number): string =>
    reference.shift === model.shift ? "" : ` (shift ${shift})`;
  return `${short(found ?? 0)}${grid(model.shift)} on the chip, ${short(wanted ?? 0)}${grid(reference.shift)} in the reference`;
}

function differing(reference: Float64Array, model: Float64Array, factor: number): number {
  let count = 0;
  for (const [at, value] of model.entries()) if (value * factor !== reference[at]) count += 1;
  return count;
}

function firstDiffering(reference: Float64Array, model: Float64Array, factor: number): number {
  return model.findIndex((value, at) => value * factor !== reference[at]);
}

/** The one factor between both sides that rounding alone would leave; undefined where there is none. */
function commonGain(
  reference: Float64Array,
  model: Float64Array,
  factor: number,
): number | undefined {
  const total = (values: Float64Array): number =>
    values.reduce((sum, value) => sum + Math.abs(value), 0);
  const gain = (total(model) * factor) / total(reference);
  if (!(gain > 0 && gain < Number.POSITIVE_INFINITY)) return undefined;
  const slack = 0.51 * (factor + gain) + 1e-6;
  const isCommon = model.every(
    (value, at) => Math.abs(value * factor - (reference[at] ?? 0) * gain) <= slack,
  );
  return isCommon && differing(reference, model, factor) > model.length / 2 ? gain : undefined;
}

/** 7 in `[2, 3, 2, 1] -> [1, 0, 1, 0]`. */
function indicesOf(at: number, shape: readonly number[]): readonly number[] {
  let rest = at;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .toReversed();
}

function short(value: number): string {
  return String(Number(value.toPrecision(7)));
}
