/** Checks of a solver's numbers: errors name the file and the key. */
import { inputError } from "../../error.ts";
import type { readPrototxt } from "../../formats/caffe/files.ts";

/** The message that a solver's prototxt holds. */
export type SolverParameter = ReturnType<typeof readPrototxt<"SolverParameter">>;

/** The value; an error where the key is missing. `reader` says what needs it. */
export function needed<T>(value: T | undefined, key: string, file: string, reader: string): T {
  if (value !== undefined) return value;
  throw inputError(`${reader} needs ${key}`, { where: file });
}

/** A whole number of at least `least`. */
export function count(value: number, key: string, file: string, least: number = 0): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw inputError("a count is out of range", {
    where: file,
    node: key,
    expected: `${least} or more`,
    got: `${value}`,
  });
}

/** A finite number with `0 <= value < below`. */
export function atLeastZero(
  value: number,
  key: string,
  file: string,
  below: number = Infinity,
): number {
  if (value >= 0 && value < below) return value;
  throw inputError("a number is out of range", {
    where: file,
    node: key,
    expected: below === Infinity ? "0 or more" : `at least 0, below ${below}`,
    got: `${value}`,
  });
}
