/**
 * A YAML document as entries that know their place in the file, so that every complaint has a line and
 * a column. Aliases are followed one step at a time, never expanded: a bomb of them costs nothing.
 */
import type * as Yaml from "yaml";
import { type InlayError, inputError } from "../error.ts";
import { nearestNames } from "../protobuf/nearest.ts";

export type Entry = {
  /** `preprocess.crop` */
  readonly name: string;
  /** `recipe.yaml:3:5` */
  readonly where: string;
  /** Where its key stands; of a list's item, where the item does. */
  readonly keyWhere: string;
  /** A scalar's value: string, number, boolean or null; undefined for lists and maps. */
  readonly value: unknown;
  /** Keys and their entries; undefined where this is no map. */
  readonly fields: () => ReadonlyMap<string, Entry> | undefined;
  /** Undefined where this is no list. */
  readonly items: () => readonly Entry[] | undefined;
};

/** Longest recipe, in characters. */
const maxLength = 2 ** 18;
/** Deepest nesting of brackets, or of bullets in a line: the reader of YAML is recursive. Indentation is bounded by the length. */
const maxDepth = 64;

/** The root of the document. An input error with line and column where it is no YAML. */
export async function parseEntries(text: string, file: string): Promise<Entry> {
  checkSize(text, file);
  const yaml = await import("yaml");
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, logLevel: "error" });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) {
    throw inputError("not a valid recipe", {
      where: place(error.pos[0]),
      expected: "YAML or JSON",
      got: (error.message.split("\n")[0] ?? "").replace(/ at line.*$/, ""),
    });
  }
  return entryOf({ yaml, document, place }, document.contents, "recipe", place(0));
}

function checkSize(text: string, file: string): void {
  if (text.length > maxLength) {
    throw inputError("the recipe is too large", {
      where: file,
      expected: `at most ${maxLength} characters`,
      got: `${text.length}`,
    });
  }
  let brackets = 0;
  for (const line of text.split("\n")) {
    const bullets = line.match(/(?:^|\s)[-?:](?=\s)/g)?.length ?? 0;
    const opened = line.match(/[[{]/g)?.length ?? 0;
    brackets = Math.max(0, brackets + opened - (line.match(/[\]}]/g)?.length ?? 0));
    if (Math.max(bullets, opened, brackets) > maxDepth) {
      throw inputError("the recipe is nested too deeply", { where: file });
    }
  }
}

type Source = {
  readonly yaml: typeof Yaml;
  readonly document: Yaml.Document;
  readonly place: (offset: number) => string;
};

function entryOf(source: Source, given: unknown, name: string, keyWhere: string): Entry {
  const { yaml, document, place } = source;
  const node = yaml.isAlias(given) ? given.resolve(document) : given;
  const offset = yaml.isNode(node) ? node.range?.[0] : undefined;
  const where = offset === undefined ? keyWhere : place(offset);
  return {
    name,
    where,
    keyWhere,
    value: yaml.isScalar(node) ? node.value : yaml.isNode(node) ? undefined : null,
    fields: () => (yaml.isMap(node) ? fieldsOf(source, node, name, where) : undefined),
    items: () =>
      yaml.isSeq(node)
        ? node.items.map((item, index) => entryOf(source, item, `${name}[${index}]`, where))
        : undefined,
  };
}

function fieldsOf(
  source: Source,
  node: Yaml.YAMLMap,
  name: string,
  where: string,
): ReadonlyMap<string, Entry> {
  const prefix = name === "recipe" ? "" : `${name}.`;
  return new Map(
    node.items.map(({ key, value }): [string, Entry] => {
      const keyEntry = entryOf(source, key, name, where);
      const text = String(keyEntry.value);
      // The key's place: an absent value has none of its own.
      return [text, entryOf(source, value, `${prefix}${text}`, keyEntry.where)];
    }),
  );
}

/** The fields of a map whose keys must all be known. An unknown one is an error that names the nearest. */
export function knownFields<K extends string>(
  entry: Entry,
  known: readonly K[],
): Readonly<Partial<Record<K, Entry>>> {
  const fields = entry.fields();
  if (fields === undefined) throw wrong(entry, `keys and values (${known.join(", ")})`);
  for (const [key, field] of fields) {
    if (known.some((name) => name === key)) continue;
    const near = nearestNames(key, known);
    throw inputError(`unknown key "${key}"`, {
      where: field.keyWhere,
      expected: `one of ${known.join(", ")}`,
      hint: near.length === 0 ? undefined : `Did you mean ${near.join(" or ")}?`,
    });
  }
  return Object.fromEntries(fields) as Partial<Record<K, Entry>>;
}

/** "model must be a path", with the place and what stands there. */
export function wrong(entry: Entry, expected: string): InlayError {
  return inputError(`${entry.name} is not what it should be`, {
    where: entry.where,
    expected,
    got: gotText(entry),
  });
}

function gotText(entry: Entry): string {
  if (entry.items() !== undefined) return "a list";
  if (entry.fields() !== undefined) return "keys and values";
  return entry.value === null ? "nothing" : JSON.stringify(entry.value) || "nothing";
}
