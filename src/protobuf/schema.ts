/**
 * A protobuf schema as a plain literal, and the TypeScript types of its messages, inferred from it.
 * One literal drives the binary reader, the binary writer and the text format. Field names are the
 * proto's own snake_case names. Not a .proto parser.
 */

type ScalarType =
  | "float"
  | "double"
  | "int32"
  | "int64"
  | "uint32"
  | "uint64"
  | "bool"
  | "string"
  | "bytes";

export type FieldSpec = {
  readonly number: number;
  readonly type: ScalarType | "enum" | "message";
  readonly repeated?: true;
  /** Written packed; both forms are read. */
  readonly packed?: true;
  /** A repeated number kept as a typed array. */
  readonly bulk?: true;
  /** The message's name, for `type: "message"`. */
  readonly message?: string;
  /** The enum's name, for `type: "enum"`. */
  readonly enum?: string;
  readonly default?: number | boolean | string;
};

type MessageSpec = { readonly [field: string]: FieldSpec };
/** Name to number. Several names may share a number (old spellings); the first is the one given. */
export type EnumSpec = { readonly [name: string]: number };

export type Schema = {
  readonly enums: { readonly [name: string]: EnumSpec };
  readonly messages: { readonly [name: string]: MessageSpec };
};

export type MessageName<S extends Schema> = keyof S["messages"] & string;

type BulkArrays = {
  readonly float: Float32Array;
  readonly double: Float64Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
};

type Scalars = {
  readonly float: number;
  readonly double: number;
  readonly int32: number;
  readonly uint32: number;
  readonly int64: number;
  readonly uint64: number;
  readonly bool: boolean;
  readonly string: string;
  readonly bytes: Uint8Array;
};

/** An enum value by its name; a number where the schema has no name for it. */
type EnumValue<S extends Schema, F> = F extends { readonly enum: infer E extends keyof S["enums"] }
  ? (keyof S["enums"][E] & string) | number
  : never;

/** The value of a singular field. */
export type One<S extends Schema, F> = F extends {
  readonly type: "message";
  readonly message: infer M extends MessageName<S>;
}
  ? Message<S, M>
  : F extends { readonly type: "enum" }
    ? EnumValue<S, F>
    : F extends { readonly type: infer T extends keyof Scalars }
      ? Scalars[T]
      : never;

type Many<S extends Schema, F> = F extends {
  readonly bulk: true;
  readonly type: infer T extends keyof BulkArrays;
}
  ? BulkArrays[T]
  : readonly One<S, F>[];

type RepeatedKeys<M> = {
  [K in keyof M]: M[K] extends { readonly repeated: true } ? K : never;
}[keyof M];

/** What the schema does not name: raw fields (tag and value), written back behind the known ones. */
type Unknown = { readonly $unknown?: readonly Uint8Array[] };

/** A decoded message. Singular fields keep their presence; repeated fields are always there. */
export type Message<S extends Schema, N extends MessageName<S>> = {
  readonly [K in Exclude<keyof S["messages"][N], RepeatedKeys<S["messages"][N]>>]?:
    | One<S, S["messages"][N][K]>
    | undefined;
} & {
  readonly [K in RepeatedKeys<S["messages"][N]>]: Many<S, S["messages"][N][K]>;
} & Unknown;

type InitOne<S extends Schema, F> = F extends {
  readonly type: "message";
  readonly message: infer M extends MessageName<S>;
}
  ? MessageInit<S, M>
  : One<S, F>;

type InitField<S extends Schema, F> = F extends { readonly bulk: true }
  ? Many<S, F>
  : F extends { readonly repeated: true }
    ? readonly InitOne<S, F>[]
    : InitOne<S, F>;

/** What the writers take: every field may be left out. A `Message` is one. */
export type MessageInit<S extends Schema, N extends MessageName<S>> = {
  readonly [K in keyof S["messages"][N]]?: InitField<S, S["messages"][N][K]> | undefined;
} & Unknown;

/** Names of the fields that have a default. */
export type DefaultKeys<M> = {
  [K in keyof M]: M[K] extends { readonly default: number | boolean | string } ? K : never;
}[keyof M];

/**
 * The field's value, or the schema's default where it is absent (the message too may be). A float's
 * default is a float32, as the value would be.
 */
export function valueOr<
  S extends Schema,
  N extends MessageName<S>,
  K extends DefaultKeys<S["messages"][N]> & string,
>(
  schema: S,
  name: N,
  message: { readonly [P in K]?: One<S, S["messages"][N][P]> | undefined } | undefined,
  key: K,
): One<S, S["messages"][N][K]> {
  const spec = schema.messages[name]?.[key];
  const value = spec?.default;
  const single = spec?.type === "float" && typeof value === "number" ? Math.fround(value) : value;
  return message?.[key] ?? (single as One<S, S["messages"][N][K]>);
}
