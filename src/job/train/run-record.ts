/**
 * Records of a run, one for each thing that happened in it: a line of JSON each.
 */

/** Values by name; null: not a finite number. */
export type RecordValues = Readonly<Record<string, number | null>>;

export type RunRecord =
  | {
      readonly type: "start";
      readonly iteration: number;
      readonly solver: string;
      readonly seed: number;
    }
  | {
      readonly type: "display";
      readonly iteration: number;
      readonly loss: number | null;
      readonly rate: number;
      readonly outputs: RecordValues;
      /** Since this run, or its resumption, began. */
      readonly seconds: number;
    }
  | {
      readonly type: "test";
      readonly iteration: number;
      /** Number of the test network. */
      readonly net: number;
      readonly outputs: RecordValues;
      readonly seconds: number;
    }
  | {
      readonly type: "snapshot";
      readonly iteration: number;
      readonly files: readonly string[];
      readonly seconds: number;
    };

const isNumber = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);

const isValues = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.values(value).every((one) => one === null || isNumber(one));

const isText = (value: unknown): boolean => typeof value === "string";

/** What each kind of record must have besides its iteration. */
const recordChecks: Readonly<
  Record<string, Readonly<Record<string, (value: unknown) => boolean>>>
> = {
  start: { solver: isText, seed: isNumber },
  display: {
    loss: (value) => value === null || isNumber(value),
    rate: isNumber,
    outputs: isValues,
    seconds: isNumber,
  },
  test: { net: isNumber, outputs: isValues, seconds: isNumber },
  snapshot: { files: (value) => Array.isArray(value) && value.every(isText), seconds: isNumber },
};

/** True where a parsed line is a record. */
export function isRecord(value: unknown): value is RunRecord {
  if (typeof value !== "object" || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const type = `${fields["type"]}`;
  const wanted = Object.hasOwn(recordChecks, type) ? recordChecks[type] : undefined;
  if (wanted === undefined || !isNumber(fields["iteration"])) return false;
  return Object.entries(wanted).every(([name, isGood]) => isGood(fields[name]));
}
