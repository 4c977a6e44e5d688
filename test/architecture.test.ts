/** Who may import whom. docs/architecture.md says why; this table is what holds it. */
import { describe, expect, it } from "vitest";
import { importedNames, type SourceFile, sourceFiles } from "./source-files.ts";

/** Each folder of src, and the folders that it may import besides its own. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  protobuf: ["tensor"],
  fixed: ["tensor"],
  ir: ["tensor", "fixed"],
  formats: ["ir", "tensor", "protobuf"],
  data: ["tensor", "protobuf"],
  engine: ["tensor"],
  passes: ["ir", "tensor", "fixed"],
  target: ["ir", "fixed", "tensor"],
  run: ["engine", "formats", "passes", "data", "ir", "tensor", "fixed"],
  quantize: ["run", "data", "target", "passes", "engine", "ir", "fixed", "tensor"],
  train: [...["quantize", "run", "data", "formats", "engine", "passes", "ir", "fixed", "tensor"]],
  report: ["ir", "tensor"],
  chips: ["target", "passes", "fixed", "ir", "tensor"],
  job: [
    ...["tensor", "protobuf", "fixed", "ir", "formats", "data", "engine", "passes", "target"],
    ...["run", "quantize", "train", "report", "chips"],
  ],
  cli: ["index.ts"],
};

/** At the bottom: errors and notices. All folders but cli/, which takes them from index.ts. */
const bottom: ReadonlySet<string> = new Set(["error.ts", "notice.ts"]);

/** The only places that know a package. Everything else asks them. */
const packageUsers: Readonly<Record<string, RegExp>> = {
  commander: /^src\/cli\//,
  "onnxruntime-node": /^src\/engine\/runtime\.node\.ts$/,
  sharp: /^src\/data\/decode\.node\.ts$/,
  yaml: /^src\/job\/recipe-entry\.ts$/,
};

const files = sourceFiles("src");

/** `src/ir/graph.ts` -> "ir", `src/error.ts` -> "error.ts". */
const folderOf = (path: string): string => path.split("/")[1] ?? "";

const knowsNode = (path: string): boolean =>
  path.endsWith(".node.ts") || path.startsWith("src/cli/");

function mayImport(from: SourceFile, to: string): boolean {
  const [importer, imported] = [folderOf(from.path), folderOf(to)];
  if (importer === imported) return true;
  if (importer === "index.ts") return imported !== "cli";
  if (bottom.has(importer)) return bottom.has(imported);
  if (bottom.has(imported)) return importer !== "cli";
  return allowed[importer]?.includes(imported) ?? false;
}

/** A path of imports that comes back to where it starts; undefined where there is none. */
function cycleIn(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const finished = new Set<string>();
  const visit = (path: string, above: readonly string[]): readonly string[] | undefined => {
    const from = above.indexOf(path);
    if (from >= 0) return [...above.slice(from), path];
    if (finished.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...above, path]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(path);
    return undefined;
  };
  for (const path of graph.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe("imports", () => {
  it("are found in every form that the sources use", () => {
    const text = `import a from "./a.ts";\nimport type {\n  B,\n} from "b";\nimport "./c.ts";
export type * from "./d.ts";\nexport { e } from "./e.ts";\nconst f = await import("f");
// nothing is imported from "here"\nexport const text = 'g from "g"';\n`;
    expect(importedNames(text).toSorted()).toEqual([
      ...["./a.ts", "./c.ts", "./d.ts", "./e.ts", "b", "f"],
    ]);
  });

  it("reach only files that exist", () => {
    const known = new Set(files.map((file) => file.path));
    const broken = files.flatMap((file) => file.files.filter((to) => !known.has(to)));
    expect(broken).toEqual([]);
  });

  it("run downward only", () => {
    const wrong = files.flatMap((file) =>
      file.files.filter((to) => !mayImport(file, to)).map((to) => `${file.path} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it("have no cycle between files", () => {
    expect(cycleIn(new Map(files.map((file) => [file.path, file.files])))).toBeUndefined();
    const round = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
    ]);
    expect(cycleIn(round)).toEqual(["b", "c", "b"]);
  });

  it("of every folder are in the table, and the table names no other", () => {
    const folders = files
      .map((file) => folderOf(file.path))
      .filter((folder) => !folder.endsWith(".ts"));
    expect([...new Set(folders)].toSorted()).toEqual(Object.keys(allowed).toSorted());
  });
});

describe("Node", () => {
  it("is known only to the command line and to files that say so in their name", () => {
    const wrong = files
      .filter((file) => !knowsNode(file.path))
      .flatMap((file) =>
        file.packages
          .filter((name) => name.startsWith("node:"))
          .map((name) => `${file.path} -> ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it("is not reached from the core through another file", () => {
    const wrong = files
      .filter((file) => !knowsNode(file.path) && file.path !== "src/index.ts")
      .flatMap((file) =>
        file.files.filter((to) => to.endsWith(".node.ts")).map((to) => `${file.path} -> ${to}`),
      );
    expect(wrong).toEqual([]);
  });
});

describe("packages", () => {
  it("are each used in one place", () => {
    const wrong = files.flatMap((file) =>
      file.packages
        .filter((name) => !name.startsWith("node:"))
        .filter((name) => !(packageUsers[name]?.test(file.path) ?? false))
        .map((name) => `${file.path} -> ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});
