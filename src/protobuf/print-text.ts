/**
 * A message to protobuf text, as Caffe's own tools print it: two spaces per level, fields in the
 * order of their numbers, floats in the fewest digits that read back the same. Unknown fields of
 * binary files have no names and are left out.
 */
import type { MessageInit, MessageName, Schema } from "./schema.ts";
import { type Field, fieldMessage, type MessageTable, messageTable } from "./table.ts";

type Input = { readonly [field: string]: unknown };

/** The message as text, ending in a newline (empty for an empty message). */
export function printText<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  message: MessageInit<S, N>,
): string {
  const lines: string[] = [];
  printMessage(schema, messageTable(schema, name), message as Input, "", lines);
  return lines.map((line) => `${line}\n`).join("");
}

function printMessage(
  schema: Schema,
  table: MessageTable,
  message: Input,
  indent: string,
  lines: string[],
): void {
  for (const field of table.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    const values = field.repeated === true ? Array.from(value as ArrayLike<unknown>) : [value];
    for (const one of values) printField(schema, field, one, indent, lines);
  }
}

function printField(
  schema: Schema,
  field: Field,
  value: unknown,
  indent: string,
  lines: string[],
): void {
  if (field.type !== "message") {
    lines.push(`${indent}${field.name}: ${scalarText(field, value)}`);
    return;
  }
  lines.push(`${indent}${field.name} {`);
  printMessage(schema, fieldMessage(schema, field), value as Input, `${indent}  `, lines);
  lines.push(`${indent}}`);
}

function scalarText(field: Field, value: unknown): string {
  if (typeof value === "number") return numberText(field, value);
  if (field.type === "string") return quote(String(value));
  if (value instanceof Uint8Array) return `"${Array.from(value, byteText).join("")}"`;
  return String(value);
}

function numberText(field: Field, value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0";
  return field.type === "float" ? shortFloat(value) : String(value);
}

/** The shortest decimal that reads back as the same float32. */
function shortFloat(value: number): string {
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits += 1) {
    const text = Number(single.toPrecision(digits));
    if (Math.fround(text) === single) return String(text);
  }
  return String(Number(single.toPrecision(9)));
}

const named: { readonly [char: string]: string | undefined } = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  '"': '\\"',
  "\\": "\\\\",
};

function quote(text: string): string {
  const body = Array.from(
    text,
    (char) => named[char] ?? (char < " " ? byteText(char.charCodeAt(0)) : char),
  );
  return `"${body.join("")}"`;
}

/** One byte, printable ones as they are and the others as three octal digits. */
function byteText(byte: number): string {
  const char = String.fromCharCode(byte);
  if (byte >= 0x20 && byte < 0x7f) return named[char] ?? char;
  return named[char] ?? `\\${byte.toString(8).padStart(3, "0")}`;
}
