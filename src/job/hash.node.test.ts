import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hashFile, hashImages } from "./hash.node.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-hash-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("hashFile", () => {
  it("is SHA-256 (FIPS 180-2, example B.1)", async () => {
    const path = join(folder, "abc");
    writeFileSync(path, "abc");
    expect(await hashFile(path)).toEqual({
      file: path,
      sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      bytes: 3,
      files: 1,
    });
  });

  it("names a missing file", async () => {
    await expect(hashFile(join(folder, "no"))).rejects.toMatchObject({
      fields: { kind: "input", where: join(folder, "no") },
    });
  });
});

describe("hashImages", () => {
  beforeEach(() => {
    mkdirSync(join(folder, "set", "cat"), { recursive: true });
    writeFileSync(join(folder, "set", "cat", "1.png"), "one");
    writeFileSync(join(folder, "set", "cat", "2.png"), "two");
    writeFileSync(join(folder, "set", "list.txt"), "cat/1.png 0\r\ncat\\2.png 1\r\n");
  });
  const hashOf = async (path: string): Promise<string> => (await hashImages({ path })).sha256;

  it("follows a list to its pictures, whichever way the separators lean", async () => {
    const list = join(folder, "set", "list.txt");
    const before = await hashImages({ path: list });
    expect(before.files).toBe(3);
    expect(before.bytes).toBe(6 + 26);
    writeFileSync(join(folder, "set", "cat", "2.png"), "TWO");
    expect(await hashOf(list)).not.toBe(before.sha256);
  });

  it("stays when the whole moves; changes with a name, a byte, a file", async () => {
    const set = join(folder, "set");
    const before = await hashOf(set);
    mkdirSync(join(folder, "other"));
    cpSync(set, join(folder, "other", "set"), { recursive: true });
    expect(await hashOf(join(folder, "other", "set"))).toBe(before);
    renameSync(join(set, "cat", "1.png"), join(set, "cat", "3.png"));
    const renamed = await hashOf(set);
    expect(renamed).not.toBe(before);
    writeFileSync(join(set, "cat", "4.png"), "");
    expect(await hashOf(set)).not.toBe(renamed);
  });

  it("takes IDX labels along with the pictures", async () => {
    const idx = join(folder, "t10k-images-idx3-ubyte");
    const header = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1);
    writeFileSync(idx, header);
    writeFileSync(join(folder, "t10k-labels-idx1-ubyte"), "a");
    const before = await hashImages({ path: idx });
    expect(before.files).toBe(2);
    writeFileSync(join(folder, "t10k-labels-idx1-ubyte"), "b");
    expect(await hashOf(idx)).not.toBe(before.sha256);
  });
});
