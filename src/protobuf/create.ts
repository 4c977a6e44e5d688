/**
 * A message from some of its fields: repeated fields that are left out become empty, here and in the
 * messages inside.
 */
import type { Message, MessageInit, MessageName, Schema } from "./schema.ts";
import { emptyRaw, fieldMessage, type MessageTable, messageTable, type Raw } from "./table.ts";

/** The whole message. Values are taken over as they are, not copied. */
export function create<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  fields: MessageInit<S, N>,
): Message<S, N> {
  return complete(schema, messageTable(schema, name), fields as Raw) as Message<S, N>;
}

function complete(schema: Schema, table: MessageTable, fields: Raw): Raw {
  const raw: Raw = { ...emptyRaw(table) };
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) raw[key] = value;
  for (const field of table.fields) {
    const value = raw[field.name];
    if (field.type !== "message" || value === undefined) continue;
    const inner = fieldMessage(schema, field);
    raw[field.name] =
      field.repeated === true
        ? (value as readonly Raw[]).map((one) => complete(schema, inner, one))
        : complete(schema, inner, value as Raw);
  }
  return raw;
}
