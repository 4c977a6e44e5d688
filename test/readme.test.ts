/** What README and docs tell users to type, click and import exists. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { parseRecipe } from "../src/job/recipe-parse.ts";
import { root } from "./source-files.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

const pages: readonly string[] = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...["docs", "examples/gti", "src/chips/gti"].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => posix.join(folder, name)),
  ),
].filter((path) => path.endsWith(".md"));

/** The fenced blocks of a language. */
function blocks(path: string, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm");
  return [...read(path).matchAll(fence)].map(([, text = ""]) => text);
}

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Calls of `inlay` in a text, lines joined at backslashes; what a comment says is left out. */
function calls(text: string): readonly (readonly string[])[] {
  return [...text.replaceAll("\\\n", " ").matchAll(/\binlay ([a-z-]+)((?: +[^\n`#|]*)?)/g)]
    .map(([, command = "", rest = ""]) => [command, ...rest.split(/\s+/).filter(Boolean)])
    .filter(([command]) => known.has(command ?? ""));
}

/** `--output_dir=out` -> `--output-dir`: the GTI kit's spelling is taken too. */
function flagOf(word: string): string | undefined {
  const [, name] = /^--([\w-]+)/.exec(word) ?? [];
  return name === undefined ? undefined : `--${name.replaceAll("_", "-")}`;
}

const program = createProgram({
  io: { stdout: () => {}, stderr: () => {}, isTty: { stdout: false, stderr: false } },
  argv: [],
  finish: () => {},
} as unknown as Parameters<typeof createProgram>[0]);
const known = new Map(program.commands.map((command) => [command.name(), command]));

describe.each(pages)("%s", (page) => {
  it("links to files and headings that exist", () => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, to = ""]) => to);
    const broken = links.filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : posix.join(dirname(page), path);
      if (!existsSync(join(root, target))) return true;
      if (anchor === undefined) return false;
      const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => text);
      return !headings.map(anchorOf).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("names source files that exist", () => {
    const names = [...read(page).matchAll(/`((?:src|test|examples)\/[\w./-]+)`/g)];
    const missing = names
      .map(([, name = ""]) => name)
      .filter((name) => !existsSync(join(root, name)));
    expect(missing).toEqual([]);
  });

  it("calls commands with flags that they have", () => {
    const wrong = calls(read(page)).flatMap(([name = "", ...words]) => {
      const flags = words.map(flagOf).filter((flag) => flag !== undefined);
      const outer = known.get(name);
      const command = outer?.commands.find((inner) => inner.name() === words[0]) ?? outer;
      const has = (flag: string): boolean =>
        flag === "--help" || (command?.options.some((option) => option.long === flag) ?? false);
      return flags.filter((flag) => !has(flag)).map((flag) => `inlay ${name} ${flag}`);
    });
    expect(wrong).toEqual([]);
  });

  it("runs npm scripts that exist", () => {
    const scripts = JSON.parse(read("package.json")).scripts as Record<string, string>;
    const named = [...read(page).matchAll(/\bnpm run ([a-z]+)/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

describe("README.md", () => {
  it("calls every command", () => {
    const called = new Set(calls(read("README.md")).map(([name]) => name));
    const silent = [...known.keys()].filter((name) => !called.has(name) && name !== "demo");
    expect(silent).toEqual([]);
  });

  it("imports what the library has", async () => {
    const library: Readonly<Record<string, unknown>> = await import("../src/index.ts");
    const lists = blocks("README.md", "ts").map(
      (text) => /import \{([^}]*)\} from "inlay"/.exec(text)?.[1] ?? "",
    );
    const names = lists.flatMap((list) => list.split(",").map((name) => name.trim()));
    expect(names.length).toBeGreaterThan(2);
    expect(names.filter((name) => !(name in library))).toEqual([]);
  });
});

describe("recipes", () => {
  const examples = readdirSync(join(root, "examples"))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => posix.join("examples", name));
  const texts = [
    ...["README.md", "docs/gti.md"].flatMap((path) =>
      blocks(path, "yaml").map((text) => [path, text] as const),
    ),
    ...examples.map((path) => [path, read(path)] as const),
  ];

  it.each(texts)("in %s can be read", async (file, text) => {
    const recipe = await parseRecipe(text, file, (path) => path);
    expect(recipe.steps).toContain("quantize");
  });
});
