/** How large the sources may get. Raising a number is allowed, on purpose and in its own commit. */
import { describe, expect, it } from "vitest";
import { sourceFiles } from "./source-files.ts";

/** Lines of all files below src, tests left out. */
const sourceLines = 74_000;
/** Lines of one file, tests left out. */
const fileLines = 400;

const files = sourceFiles("src");
const linesOf = (text: string): number => text.split("\n").length - 1;

describe("size", () => {
  it(`stays below ${sourceLines} lines together`, () => {
    const total = files.reduce((sum, file) => sum + linesOf(file.text), 0);
    expect(total).toBeLessThanOrEqual(sourceLines);
  });

  it(`stays below ${fileLines} lines a file`, () => {
    const large = files
      .filter((file) => linesOf(file.text) > fileLines)
      .map((file) => `${file.path}: ${linesOf(file.text)} lines`);
    expect(large).toEqual([]);
  });
});

describe("files", () => {
  it("have names in kebab case", () => {
    const kebab = /^src(?:\/[a-z0-9]+(?:-[a-z0-9]+)*)+(?:\.node)?\.ts$/;
    expect(files.map((file) => file.path).filter((path) => !kebab.test(path))).toEqual([]);
  });

  it("open with a comment that says what they are", () => {
    const silent = files.filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(file.text));
    expect(silent.map((file) => file.path)).toEqual([]);
  });
});
