/**
 * What a recipe says to a chip of major layers: its key `chip`, and the method that chooses caps. The words mean what the
 * flags of `inlay quantize --target` mean.
 */
import type { CoefficientBits } from "../target/layered-target.ts";
import { ruleNames } from "../target/rules.ts";
import { copyCounts } from "./copy-counts.ts";
import type { ChipOptions, QuantizeJob } from "./options.ts";
import { type Entry, knownFields, wrong } from "./recipe-entry.ts";
import {
  choiceOf,
  defined,
  flagOf,
  integerOf,
  listOf,
  numberOf,
  optional,
} from "./recipe-values.ts";
import { weightRoundings } from "./weight-rounding.ts";

/** Fields of the job beyond those of every target. */
export type RecipeChip = { readonly chip: ChipOptions } & Pick<
  QuantizeJob,
  | ("labels" | "capMethod" | "capPercent" | "equalize")
  | ("channelCopies" | "rounding" | "shiftMax" | "accumulatorBits" | "debug")
>;

const keys = [
  ...(["bits", "activationBits", "lastTenBits", "chips", "waive", "labels"] as const),
  ...(["capPercent", "equalize", "channelCopies", "rounding", "shiftMax"] as const),
  ...(["accumulatorBits", "debug"] as const),
];

/** An average over batches finds no caps. */
const capMethods = ["minmax", "percentile", "entropy", "mse"] as const;

/** Both keys may be absent. `path` locates a file. */
export function chipOf(
  { chip, method }: { readonly chip?: Entry; readonly method?: Entry },
  path: (entry: Entry) => string,
): RecipeChip {
  const fields = chip === undefined ? {} : knownFields(chip, keys);
  const capPercent = optional(fields.capPercent, percentOf);
  const asked = optional(method, (entry) => choiceOf(entry, capMethods));
  return {
    chip: optionsOf(fields),
    ...defined({
      labels: optional(fields.labels, path),
      capMethod: capPercent === undefined ? asked : "percentile",
      capPercent,
      equalize: optional(fields.equalize, flagOf),
      channelCopies: optional(fields.channelCopies, (entry) => numberIn(entry, copyCounts)),
      rounding: optional(fields.rounding, (entry) => choiceOf(entry, weightRoundings)),
      shiftMax: optional(fields.shiftMax, (entry) => integerOf(entry, 0)),
      accumulatorBits: optional(fields.accumulatorBits, (entry) => integerOf(entry, 1)),
      debug: optional(fields.debug, flagOf),
    }),
  };
}

type Fields = Readonly<Partial<Record<(typeof keys)[number], Entry>>>;

function optionsOf({ bits, activationBits, lastTenBits, chips, waive }: Fields): ChipOptions {
  const options: ChipOptions = {
    waive: optional(waive, (entry) => listOf(entry, (one) => choiceOf(one, ruleNames))) ?? [],
    ...defined({
      bits: optional(bits, bitsOf),
      activationBits: optional(activationBits, (entry) => numberIn(entry, [5, 10] as const)),
      lastTenBits: optional(lastTenBits, flagOf),
      chips: optional(chips, (entry) => integerOf(entry, 1)),
    }),
  };
  if (options.activationBits === 10 && options.lastTenBits === true && lastTenBits !== undefined) {
    throw wrong(lastTenBits, "false where all layers have 10 bits (activationBits)");
  }
  return options;
}

const widths: readonly CoefficientBits[] = [1, 2, 3, 5, 8, 12];

/** `12`, or one number for each major layer or convolution. */
function bitsOf(entry: Entry): CoefficientBits | readonly CoefficientBits[] {
  const width = (one: Entry): CoefficientBits => numberIn(one, widths);
  const items = entry.items();
  if (items?.length === 0) throw wrong(entry, `some of ${widths.join(", ")}`);
  return items === undefined ? width(entry) : items.map(width);
}

function numberIn<N extends number>(entry: Entry, choices: readonly N[]): N {
  const found = choices.find((choice) => choice === entry.value);
  if (found !== undefined) return found;
  throw wrong(entry, `one of ${choices.join(", ")}`);
}

function percentOf(entry: Entry): number {
  const percent = numberOf(entry);
  if (percent <= 0 || percent > 100) throw wrong(entry, "per cent, above 0 and up to 100");
  return percent;
}
