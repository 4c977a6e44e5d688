/**
 * The scripts' logs: tables that later runs append to.
 */
import { plainStyle, textTable } from "../../report/table.ts";

export type LogTable = {
  /** What was done, in a line. */
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** Lines below the table. */
  readonly notes: readonly string[];
};

/** The table as text, with an empty line behind it. Numbers have 7 digits, as many as float32 needs to be told apart. */
export function logText({ title, columns, rows, notes }: LogTable): string {
  const table = textTable(
    columns.map((name, at) => ({ title: name, align: at === 0 ? "left" : "right" })),
    rows.map((row) => row.map((cell) => (typeof cell === "number" ? shortNumber(cell) : cell))),
    plainStyle,
  );
  return `${title}\n${table}${notes.map((note) => `${note}\n`).join("")}\n`;
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(7)));
}
