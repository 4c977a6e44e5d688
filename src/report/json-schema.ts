/**
 * The part of JSON Schema (draft 2020-12) that reports need: the words to write one, and a checker
 * that lists every fault with its path. Not a general validator: no $ref, no formats.
 */
import type { Json } from "./json.ts";

type TypeName = "null" | "boolean" | "number" | "integer" | "string" | "array" | "object";

export type JsonSchema = {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly type?: TypeName | readonly TypeName[];
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly items?: JsonSchema | false;
  readonly minItems?: number;
};

/** One schema per field of `T`: a field without its schema is a compile error. */
export type Fields<T> = { readonly [K in keyof T]-?: JsonSchema };

/** An object with exactly the fields of `T`, all of them required. */
export function record<T>(fields: Fields<T>): JsonSchema {
  return {
    type: "object",
    properties: { ...fields },
    required: Object.keys(fields),
    additionalProperties: false,
  };
}

export function list(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}

export function pair(item: JsonSchema): JsonSchema {
  return { type: "array", prefixItems: [item, item], items: false, minItems: 2 };
}

export function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: "null" }] };
}

export function oneOf(...values: readonly string[]): JsonSchema {
  return { enum: values };
}

/** Every fault of the value, as `$.layers[3].macs: expected integer, got string`; none if it fits. */
export function checkSchema(schema: JsonSchema, value: unknown, path = "$"): string[] {
  if (schema.anyOf !== undefined) return checkAny(schema.anyOf, value, path);
  if (!hasType(schema, value)) {
    return [`${path}: expected ${[schema.type].flat().join(" or ")}, got ${nameOf(value)}`];
  }
  return [
    ...checkValue(schema, value, path),
    ...(Array.isArray(value) ? checkItems(schema, value, path) : []),
    ...(isRecord(value) ? checkProperties(schema, value, path) : []),
  ];
}

/** The faults of the alternative that comes nearest. */
function checkAny(schemas: readonly JsonSchema[], value: unknown, path: string): string[] {
  const faults = schemas.map((schema) => checkSchema(schema, value, path));
  if (value === null) return faults.find((list) => list.length === 0) ?? faults.flat();
  return faults.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function hasType(schema: JsonSchema, value: unknown): boolean {
  if (schema.type === undefined) return true;
  return [schema.type].flat().some((type) => {
    if (type === "integer") return Number.isInteger(value);
    return type === nameOf(value);
  });
}

/** JSON's name of the value's type; what JSON cannot hold is named as JavaScript does. */
function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return typeof value;
}

function checkValue(schema: JsonSchema, value: unknown, path: string): string[] {
  const faults: string[] = [];
  if (schema.const !== undefined && value !== schema.const) {
    faults.push(`${path}: expected ${JSON.stringify(schema.const)}, got ${JSON.stringify(value)}`);
  }
  if (schema.enum !== undefined && !schema.enum.some((item) => item === value)) {
    faults.push(`${path}: expected one of ${schema.enum.join(", ")}, got ${JSON.stringify(value)}`);
  }
  if (typeof value !== "number") return faults;
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  if (value < minimum || value > maximum) {
    faults.push(`${path}: expected ${minimum}..${maximum}, got ${value}`);
  }
  return faults;
}

function checkItems(schema: JsonSchema, values: readonly unknown[], path: string): string[] {
  const fixed = schema.prefixItems ?? [];
  const tooFew =
    values.length < (schema.minItems ?? 0)
      ? [`${path}: expected at least ${schema.minItems} items, got ${values.length}`]
      : [];
  return values.reduce<string[]>((faults, value, index) => {
    const item = fixed[index] ?? schema.items;
    const at = `${path}[${index}]`;
    if (item === false) faults.push(`${at}: expected no such item`);
    else if (item !== undefined) faults.push(...checkSchema(item, value, at));
    return faults;
  }, tooFew);
}

function checkProperties(
  schema: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  path: string,
): string[] {
  const known = schema.properties ?? {};
  const missing = (schema.required ?? []).filter((key) => !Object.hasOwn(value, key));
  const faults = missing.map((key) => `${path}.${key}: expected, but absent`);
  for (const [key, item] of Object.entries(value)) {
    const rule = Object.hasOwn(known, key) ? known[key] : schema.additionalProperties;
    const at = `${path}.${key}`;
    if (rule === false) faults.push(`${at}: expected no such field`);
    else if (typeof rule === "object") faults.push(...checkSchema(rule, item, at));
  }
  return faults;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
