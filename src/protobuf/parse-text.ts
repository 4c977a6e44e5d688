/**
 * Protobuf text (a prototxt) to a message, as a schema says. An unknown name is a warning with its
 * place and the nearest known name, or an error inside messages where a slip changes the meaning.
 */
import type { OnWarning } from "../notice.ts";
import { suggestion } from "./nearest.ts";
import { defaultLimits, type Limits } from "./reader.ts";
import {
  at,
  next,
  openScanner,
  placeOf,
  type Scanner,
  skip,
  syntaxError,
  unexpected,
} from "./scanner.ts";
import type { Message, MessageName, Schema } from "./schema.ts";
import {
  bulkArray,
  emptyRaw,
  type Field,
  fieldMessage,
  type MessageTable,
  messageTable,
  type Raw,
} from "./table.ts";
import { isUnknownName, parseScalar } from "./text-value.ts";

export type TextOptions = {
  /** The file's name, for errors and warnings. */
  readonly file: string;
  readonly onWarning: OnWarning;
  /** Messages in which an unknown key or enum value is an error. */
  readonly strict?: readonly string[];
  readonly limits?: Partial<Limits>;
};

type Parser = {
  readonly schema: Schema;
  readonly scanner: Scanner;
  readonly options: TextOptions;
  readonly strict: ReadonlySet<string>;
  readonly limits: Limits;
  objects: number;
  numbers: number;
  skipped: number;
  warnings: number;
};

const maxWarnings = 100;
/** Text is no place for weights; a network of a thousand layers has about 10,000 messages. */
const textLimits = { objects: 200_000, numbers: 4_000_000 };
/** Values of unknown names; the file of another program has some hundred. */
const maxSkipped = 500_000;

/**
 * The message `name` in `text`. Throws an input error `file:line:column: ...` at the first thing
 * that is not protobuf text, or not of the field's type.
 */
export function parseText<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  text: string,
  options: TextOptions,
): Message<S, N> {
  const parser: Parser = {
    schema,
    scanner: openScanner(text, options.file),
    options,
    strict: new Set(options.strict),
    limits: { ...defaultLimits, ...textLimits, ...options.limits },
    objects: 0,
    numbers: 0,
    skipped: 0,
    warnings: 0,
  };
  return parseFields(parser, messageTable(schema, name), undefined, 0) as Message<S, N>;
}

/** Fields up to `close`, or to the end of the text. */
function parseFields(
  parser: Parser,
  table: MessageTable,
  close: string | undefined,
  depth: number,
): Raw {
  const { scanner } = parser;
  checkDepth(parser, depth);
  spend(parser, "objects");
  const raw = emptyRaw(table);
  const bulk = new Map<Field, unknown[]>();
  while (!atEnd(scanner, close)) {
    parseField(parser, table, raw, bulk, depth);
    if (!skip(scanner, ",")) skip(scanner, ";");
  }
  for (const [field, values] of bulk) raw[field.name] = toBulk(field, values);
  return raw;
}

function atEnd(scanner: Scanner, close: string | undefined): boolean {
  if (close === undefined) return scanner.token.kind === "end";
  return skip(scanner, close);
}

function toBulk(field: Field, values: readonly unknown[]): unknown {
  const array = bulkArray(field, values.length);
  const wide = array instanceof BigInt64Array || array instanceof BigUint64Array;
  for (let index = 0; index < values.length; index += 1) {
    const value = Number(values[index]);
    if (wide) array[index] = BigInt(value);
    else array[index] = value;
  }
  return array;
}

function parseField(
  parser: Parser,
  table: MessageTable,
  raw: Raw,
  bulk: Map<Field, unknown[]>,
  depth: number,
): void {
  const { scanner } = parser;
  const { kind, text, offset } = scanner.token;
  if (at(scanner, "[")) {
    skipExtension(parser, depth);
    return;
  }
  if (kind !== "name") throw unexpected(scanner, "a field name", closingHint(scanner));
  next(scanner);
  const field = table.byName.get(text);
  if (field === undefined) {
    reportUnknown(parser, table, `${table.name} has no field \`${text}\``, offset, {
      wrong: text,
      known: table.byName.keys(),
    });
    skipField(parser, depth);
    return;
  }
  if (field.repeated !== true && raw[text] !== undefined) {
    throw syntaxError(scanner, `${text} stands twice in ${table.name}`, offset, {
      hint: "Remove one of them",
    });
  }
  const values = field.bulk ? (bulk.get(field) ?? []) : raw[text];
  if (field.bulk) bulk.set(field, values as unknown[]);
  const store = (value: unknown): void => {
    if (field.repeated === true) (values as unknown[]).push(value);
    else raw[text] = value;
  };
  parseValues(parser, table, field, store, depth);
}

function closingHint(scanner: Scanner): string | undefined {
  if (scanner.token.kind === "end") return "A closing brace is missing";
  return at(scanner, "}") ? "There is one closing brace too many" : undefined;
}

function parseValues(
  parser: Parser,
  table: MessageTable,
  field: Field,
  store: (value: unknown) => void,
  depth: number,
): void {
  const { scanner } = parser;
  const colon = skip(scanner, ":");
  if (!colon && field.type !== "message") throw unexpected(scanner, `\`:\` after ${field.name}`);
  if (!at(scanner, "[")) {
    parseOne(parser, table, field, store, depth);
    return;
  }
  if (field.repeated !== true) {
    throw unexpected(scanner, `one value for ${field.name}`, "Only repeated fields take a list");
  }
  next(scanner);
  if (skip(scanner, "]")) return;
  do {
    parseOne(parser, table, field, store, depth);
  } while (skip(scanner, ","));
  if (!skip(scanner, "]")) throw unexpected(scanner, "`,` or `]`");
}

function parseOne(
  parser: Parser,
  table: MessageTable,
  field: Field,
  store: (value: unknown) => void,
  depth: number,
): void {
  const { scanner } = parser;
  if (field.type === "message") {
    const inner = fieldMessage(parser.schema, field);
    store(parseFields(parser, inner, openBrace(scanner, field.name), depth + 1));
    return;
  }
  spend(parser, "numbers");
  const value = parseScalar(scanner, field);
  if (!isUnknownName(value)) {
    store(value);
    return;
  }
  const what = `${field.name} has no value \`${value.unknownName}\``;
  reportUnknown(parser, table, what, value.offset, {
    wrong: value.unknownName,
    known: field.values?.byName.keys() ?? [],
  });
}

/** Skips the opening brace and gives the closing one. */
function openBrace(scanner: Scanner, name: string): string {
  if (skip(scanner, "{")) return "}";
  if (skip(scanner, "<")) return ">";
  throw unexpected(scanner, `\`{\` after ${name}`);
}

function checkDepth(parser: Parser, depth: number): void {
  if (depth <= parser.limits.depth) return;
  throw syntaxError(parser.scanner, "messages are nested too deep", parser.scanner.token.offset, {
    expected: `at most ${parser.limits.depth}`,
  });
}

function spend(parser: Parser, what: "objects" | "numbers"): void {
  parser[what] += 1;
  if (parser[what] > parser.limits[what]) {
    throw syntaxError(parser.scanner, `too many ${what}`, parser.scanner.token.offset, {
      expected: `at most ${parser.limits[what]}`,
    });
  }
}

/** Warns of a name that the schema lacks; throws where the message is strict. */
function reportUnknown(
  parser: Parser,
  table: MessageTable,
  what: string,
  offset: number,
  names: { readonly wrong: string; readonly known: Iterable<string> },
): void {
  const isStrict = parser.strict.has(table.name);
  parser.warnings += 1;
  if (parser.warnings > maxWarnings && !isStrict) return;
  const hint = suggestion(names.wrong, names.known);
  if (isStrict) throw syntaxError(parser.scanner, what, offset, { hint });
  const where = placeOf(parser.scanner, offset);
  const last = parser.warnings === maxWarnings ? " (further ones are not shown)" : "";
  const message = hint === undefined ? `${what}; ignored` : `${what}; ignored. ${hint}`;
  parser.options.onWarning({ id: "unknown-name", message: message + last, where });
}

/** An extension or Any, `[a.b] { }`: known to no schema here. */
function skipExtension(parser: Parser, depth: number): void {
  const { scanner } = parser;
  while (!skip(scanner, "]")) {
    if (scanner.token.kind === "end") throw unexpected(scanner, "`]`");
    next(scanner);
  }
  skipField(parser, depth);
}

/** Skips the value of an unknown field. */
function skipField(parser: Parser, depth: number): void {
  const { scanner } = parser;
  spendSkipped(parser);
  const colon = skip(scanner, ":");
  if (at(scanner, "[")) skipList(parser, depth);
  else if (at(scanner, "{") || at(scanner, "<")) skipMessage(parser, depth + 1);
  else if (colon) skipScalar(scanner);
  else throw unexpected(scanner, "`:` or `{`");
}

function spendSkipped(parser: Parser): void {
  parser.skipped += 1;
  if (parser.skipped <= maxSkipped) return;
  throw syntaxError(
    parser.scanner,
    "too many values of unknown names",
    parser.scanner.token.offset,
    {
      expected: `at most ${maxSkipped}`,
      hint: "Is this a network?",
    },
  );
}

function skipScalar(scanner: Scanner): void {
  if (scanner.token.kind === "string") {
    while (scanner.token.kind === "string") next(scanner);
    return;
  }
  skip(scanner, "-");
  const { kind } = scanner.token;
  if (kind !== "name" && kind !== "number") throw unexpected(scanner, "a value");
  next(scanner);
}

function skipList(parser: Parser, depth: number): void {
  const { scanner } = parser;
  next(scanner);
  if (skip(scanner, "]")) return;
  do {
    spendSkipped(parser);
    if (at(scanner, "{") || at(scanner, "<")) skipMessage(parser, depth + 1);
    else skipScalar(scanner);
  } while (skip(scanner, ","));
  if (!skip(scanner, "]")) throw unexpected(scanner, "`,` or `]`");
}

function skipMessage(parser: Parser, depth: number): void {
  const { scanner } = parser;
  checkDepth(parser, depth);
  const close = openBrace(scanner, "the name");
  while (!atEnd(scanner, close)) {
    if (at(scanner, "[")) skipExtension(parser, depth);
    else {
      if (scanner.token.kind !== "name") throw unexpected(scanner, "a field name");
      next(scanner);
      skipField(parser, depth);
    }
    if (!skip(scanner, ",")) skip(scanner, ";");
  }
}
