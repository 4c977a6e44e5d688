import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileContent } from "./file-content.ts";
import { readFileBounded, writeFileAtomic, writeFolderAtomic } from "./files.node.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-files-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("writeFileAtomic", () => {
  it("makes folders, replaces, and leaves nothing else", async () => {
    const path = join(folder, "a", "b", "net.bin");
    await writeFileAtomic(path, Uint8Array.of(1, 2));
    await writeFileAtomic(path, "text");
    expect(readFileSync(path, "utf8")).toBe("text");
    expect(readdirSync(join(folder, "a", "b"))).toEqual(["net.bin"]);
  });

  it("says what is in the way, as failed work", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(writeFileAtomic(join(folder, "file", "x"), "")).rejects.toMatchObject({
      fields: { kind: "work", hint: "A file lies where the folder should be." },
    });
  });
});

describe("writeFolderAtomic", () => {
  it("leaves files of other names alone", async () => {
    writeFileSync(join(folder, "mine.txt"), "mine");
    writeFileSync(join(folder, "report.json"), "old");
    await writeFolderAtomic(
      folder,
      new Map([
        ["report.json", "new"],
        ["x.bin", "x"],
      ]),
    );
    expect(readdirSync(folder).sort()).toEqual(["mine.txt", "report.json", "x.bin"]);
    expect(readFileSync(join(folder, "report.json"), "utf8")).toBe("new");
    expect(readFileSync(join(folder, "mine.txt"), "utf8")).toBe("mine");
  });

  it("writes pieces in order, those too that are made while they are written", async () => {
    const made = {
      *[Symbol.iterator]() {
        for (let at = 0; at < 3; at += 1) yield new Uint8Array(70_000).fill(at);
      },
    };
    const given = [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3, 4).subarray(1)];
    await writeFolderAtomic(
      folder,
      new Map<string, FileContent>([
        ["given", given],
        ["made", made],
      ]),
    );
    expect([...readFileSync(join(folder, "given"))]).toEqual([1, 2, 4]);
    const bytes = readFileSync(join(folder, "made"));
    expect(bytes).toHaveLength(210_000);
    expect([0, 69_999, 70_000, 209_999].map((at) => bytes[at])).toEqual([0, 0, 1, 2]);
  });

  it("leaves nothing where a piece cannot be made", async () => {
    writeFileSync(join(folder, "a"), "old");
    const broken = {
      *[Symbol.iterator]() {
        yield Uint8Array.of(1);
        throw new Error("no more");
      },
    };
    const files = new Map<string, FileContent>([
      ["a", "new"],
      ["b", broken],
    ]);
    await expect(writeFolderAtomic(folder, files)).rejects.toThrow(/no more/);
    expect(readdirSync(folder)).toEqual(["a"]);
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("old");
  });

  it("keeps every old file when a later one cannot be written", async () => {
    writeFileSync(join(folder, "a.json"), "old");
    const tooLong = `${"n".repeat(300)}.json`;
    const files = new Map([
      ["a.json", "new"],
      [tooLong, "x"],
    ]);
    await expect(writeFolderAtomic(folder, files)).rejects.toMatchObject({
      fields: { kind: "work" },
    });
    expect(readFileSync(join(folder, "a.json"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["a.json"]);
  });

  it.each(["../x", "a/b", "", ".", ".."])("refuses the name %j", async (name) => {
    await expect(writeFolderAtomic(folder, new Map([[name, "x"]]))).rejects.toMatchObject({
      fields: { kind: "usage" },
    });
  });
});

describe("readFileBounded", () => {
  it("reads up to the bound and not beyond", async () => {
    const path = join(folder, "ten");
    writeFileSync(path, "0123456789");
    expect(await readFileBounded(path, 10)).toHaveLength(10);
    await expect(readFileBounded(path, 9)).rejects.toMatchObject({
      fields: { kind: "input", where: path, expected: "at most 9 bytes", got: "10" },
    });
  });

  it("tells a missing file from a folder", async () => {
    mkdirSync(join(folder, "d"));
    await expect(readFileBounded(join(folder, "no"), 1)).rejects.toThrow(/no such file/);
    await expect(readFileBounded(join(folder, "d"), 1)).rejects.toThrow(/this is a folder/);
  });
});
