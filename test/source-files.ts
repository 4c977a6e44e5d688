/**
 * The source files as text, and what each of them imports: what the tests of the architecture look at.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

export type SourceFile = {
  /** From the checkout, with slashes: `src/ir/graph.ts`. */
  readonly path: string;
  readonly text: string;
  /** Files of the checkout that it imports, types included. */
  readonly files: readonly string[];
  /** Packages and `node:` modules that it imports, types included. */
  readonly packages: readonly string[];
};

/** Every file below `folder`, tests left out, in the order of their paths. */
export function sourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => posix.join(folder, name.replaceAll("\\", "/")))
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .toSorted()
    .map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      const names = importedNames(text);
      const isFile = (name: string): boolean => name.startsWith(".");
      return {
        path,
        text,
        files: names.filter(isFile).map((name) => posix.join(posix.dirname(path), name)),
        packages: names.filter((name) => !isFile(name)),
      };
    });
}

const statements = [
  /^import "([^"]+)";/gm,
  /^(?:import|export)\b[^"';]*?\bfrom "([^"]+)"/gm,
  /\bimport\("([^"]+)"\)/g,
];

/** What stands in import and export statements, and in imports at run time. */
export function importedNames(text: string): readonly string[] {
  const found = statements.flatMap((statement) =>
    [...text.matchAll(statement)].map(([, name = ""]) => name),
  );
  return [...new Set(found)];
}
