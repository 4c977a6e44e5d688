/**
 * Look-up tables of a schema: fields by number and by name, enum values both ways. Built once per
 * schema and kept as long as the schema lives.
 */
import { usageError } from "../error.ts";
import type { EnumSpec, FieldSpec, Schema } from "./schema.ts";

type EnumTable = {
  readonly byName: ReadonlyMap<string, number>;
  readonly byNumber: ReadonlyMap<number, string>;
};

export type Field = FieldSpec & {
  readonly name: string;
  /** The table of the field's enum, for `type: "enum"`. */
  readonly values: EnumTable | undefined;
};

export type MessageTable = {
  readonly name: string;
  /** In the order of their numbers. */
  readonly fields: readonly Field[];
  readonly repeated: readonly Field[];
  readonly bulk: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  readonly byName: ReadonlyMap<string, Field>;
};

/** A message while it is being built or written. */
export type Raw = Record<string, unknown> & { $unknown?: Uint8Array[] };

const cache = new WeakMap<Schema, Map<string, MessageTable>>();

/** The table of one message. Throws a usage error where the schema does not have it. */
export function messageTable(schema: Schema, name: string): MessageTable {
  let tables = cache.get(schema);
  if (tables === undefined) {
    tables = new Map();
    cache.set(schema, tables);
  }
  let table = tables.get(name);
  if (table === undefined) {
    table = buildTable(schema, name);
    tables.set(name, table);
  }
  return table;
}

/** The table of the message that a field holds. */
export function fieldMessage(schema: Schema, field: Field): MessageTable {
  return messageTable(schema, field.message ?? "");
}

function buildTable(schema: Schema, name: string): MessageTable {
  const spec = Object.hasOwn(schema.messages, name) ? schema.messages[name] : undefined;
  if (spec === undefined) throw usageError("the schema has no such message", { got: name });
  const fields = Object.entries(spec)
    .map(([key, field]) => ({ ...field, name: key, values: enumOf(schema, field) }))
    .toSorted((a, b) => a.number - b.number);
  return {
    name,
    fields,
    repeated: fields.filter((field) => field.repeated),
    bulk: fields.filter((field) => field.bulk),
    byNumber: new Map(fields.map((field) => [field.number, field])),
    byName: new Map(fields.map((field) => [field.name, field])),
  };
}

function enumOf(schema: Schema, field: FieldSpec): EnumTable | undefined {
  if (field.type !== "enum") return undefined;
  const spec: EnumSpec | undefined = schema.enums[field.enum ?? ""];
  if (spec === undefined) throw usageError("the schema has no such enum", { got: field.enum });
  const byNumber = new Map<number, string>();
  for (const [name, value] of Object.entries(spec)) {
    if (!byNumber.has(value)) byNumber.set(value, name);
  }
  return { byName: new Map(Object.entries(spec)), byNumber };
}

/** A message without fields: its repeated ones are empty. */
export function emptyRaw(table: MessageTable): Raw {
  const raw: Raw = {};
  for (const field of table.repeated) raw[field.name] = field.bulk ? bulkArray(field, 0) : [];
  return raw;
}

export type BulkArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

const bulkMakers: { readonly [type: string]: ((length: number) => BulkArray) | undefined } = {
  float: (length) => new Float32Array(length),
  double: (length) => new Float64Array(length),
  int32: (length) => new Int32Array(length),
  uint32: (length) => new Uint32Array(length),
  int64: (length) => new BigInt64Array(length),
  uint64: (length) => new BigUint64Array(length),
};

/** Zeros of the field's element type. */
export function bulkArray(field: Field, length: number): BulkArray {
  const make = bulkMakers[field.type];
  if (make === undefined) throw usageError("bulk needs a number type", { got: field.type });
  return make(length);
}
