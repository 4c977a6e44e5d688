/**
 * The flags that say how a network is put on a chip of major layers.
 */
import { type Command, InvalidArgumentError } from "commander";
import type { ChipOptions } from "../index.ts";
import type { Library } from "./library.ts";
import { parseCount } from "./values.ts";

type Bits = NonNullable<ChipOptions["bits"]>;

export type ChipFlags = {
  readonly bits?: Bits;
  readonly activationBits?: NonNullable<ChipOptions["activationBits"]>;
  readonly lastTenBits?: true;
  readonly chips?: number;
  readonly waive?: readonly string[];
};

export function addChipFlags(command: Command): Command {
  return command
    .option(
      "--bits <n|list>",
      "bits of the weights: 12, or one for each major layer or convolution, 3,3,3,1,1 (default: the most that fit)",
      parseBits,
    )
    .option("--activation-bits <n>", "5, or 10 for all layers (default: 5)", parseActivationBits)
    .option("--last-ten-bits", "only the last layer gives 10 bits")
    .option("--chips <n>", "chips in a row (default: 1)", parseCount)
    .option(
      "--waive <rule[,rule]>",
      "rules that may be broken; the result cannot be deployed",
      parseNames,
    );
}

/** The options that the flags describe. A usage error lists the rules there are where one is none of them. */
export function chipOptionsOf(flags: ChipFlags, library: Library): ChipOptions {
  const { bits, activationBits, lastTenBits, chips } = flags;
  if (activationBits === 10 && lastTenBits) {
    throw library.usageError("--last-ten-bits contradicts --activation-bits 10", {
      hint: "The one means the last layer alone, the other all layers",
    });
  }
  const waive = [...new Set(flags.waive ?? [])].map((name) => library.ruleNamed(name));
  return { bits, activationBits, lastTenBits, chips, waive };
}

const widths: ReadonlyMap<string, Exclude<Bits, readonly unknown[]>> = new Map([
  ["1", 1],
  ["2", 2],
  ["3", 3],
  ["5", 5],
  ["8", 8],
  ["12", 12],
]);

/** More convolutions than any chip computes. */
const maxItems = 4096;

/** `12`, or `3,3,3,1,1`. */
function parseBits(text: string): Bits {
  const parts = text.split(",");
  const bits = parts.slice(0, maxItems).flatMap((part) => widths.get(part.trim()) ?? []);
  const [only] = bits;
  if (only === undefined || bits.length !== parts.length) {
    const known = [...widths.keys()].join(", ");
    throw new InvalidArgumentError(`Expected one of ${known}, or a list of them.`);
  }
  return parts.length === 1 ? only : bits;
}

function parseActivationBits(text: string): 5 | 10 {
  if (text === "5") return 5;
  if (text === "10") return 10;
  throw new InvalidArgumentError("Expected 5 or 10.");
}

function parseNames(text: string): readonly string[] {
  const names = text.split(",").map((part) => part.trim());
  if (names.length > maxItems) throw new InvalidArgumentError("Expected names of rules.");
  return names;
}
