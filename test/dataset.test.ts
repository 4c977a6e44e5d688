/** `inlay dataset`: databases made and read back, by us, by LMDB's own tools, and held against those that Caffe's tools made. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { image } from "../src/data/image.ts";
import { openDataset } from "../src/data/open.node.ts";
import { encodePng } from "../src/data/png.node.ts";
import { runCli } from "./run-cli.ts";

const data = process.env["INLAY_DATA"];
const hasTools = spawnSync("mdb_stat", ["-V"]).status === 0;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inlay-dataset-"));
});
afterAll(() => rm(folder, { recursive: true }));

const inlay = (...argv: readonly string[]) => runCli(folder, argv);

/** A PNG of one colour per picture, but for its first pixel. */
function png(width: number, height: number, value: number, channels: 1 | 3 = 3): Uint8Array {
  const bytes = new Uint8Array(width * height * channels).fill(value);
  bytes[0] = 255 - value;
  return encodePng(image(width, height, channels, bytes));
}

/** `name/class/picture` for two classes. */
function classFolders(name: string, sizes: readonly (readonly [number, number])[]): void {
  for (const label of ["ant", "bee"]) {
    mkdirSync(join(folder, name, label), { recursive: true });
    for (const [index, [width, height]] of sizes.entries()) {
      const value = 10 * index + (label === "ant" ? 0 : 100);
      writeFileSync(join(folder, name, label, `${index}.png`), png(width, height, value));
    }
  }
}

async function contents(path: string) {
  const dataset = await openDataset(join(folder, path), { seed: 0 });
  return await Promise.all(
    dataset.samples.map(async ({ name, label, load }) => ({ name, label, picture: await load() })),
  );
}

describe("inlay dataset lmdb", () => {
  it("writes the pixels, labels and keys of class folders, and their mean", async () => {
    classFolders("small", [
      [3, 2],
      [3, 2],
    ]);
    const { code, out, err } = await inlay("dataset", "lmdb", "small", "made");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("4 records of 3x2, colour");
    const source = await contents("small");
    const made = await contents("made");
    expect(made.map(({ label, picture }) => ({ label, picture }))).toEqual(
      source.map(({ label, picture }) => ({ label, picture })),
    );
    expect(made.map(({ name }) => name)).toEqual(
      source.map(({ name }, index) => `0000000${index}_${name}`),
    );
    expect(readdirSync(join(folder, "made")).toSorted()).toEqual(["data.mdb", "mean.binaryproto"]);
  });

  it("keeps files with --encoded, and resizes, grays and shuffles", async () => {
    classFolders("files", [
      [3, 2],
      [3, 2],
      [3, 2],
    ]);
    const kept = await inlay("dataset", "lmdb", "files", "kept", "--encoded", "--json");
    expect(JSON.parse(kept.out)).toMatchObject({ kept: 6, encoding: "encoded", channels: 3 });
    const file = readFileSync(join(folder, "files", "ant", "1.png"));
    expect(readFileSync(join(folder, "kept", "data.mdb")).includes(file)).toBe(true);
    expect((await contents("kept")).map(({ picture }) => picture)).toEqual(
      (await contents("files")).map(({ picture }) => picture),
    );
    const flags = ["--encoded", "--resize", "6x4", "--gray", "--shuffle", "--seed", "5", "--json"];
    const gray = JSON.parse((await inlay("dataset", "lmdb", "files", "gray", ...flags)).out);
    const size = { width: 6, height: 4, channels: 1 };
    expect(gray).toMatchObject({ ...size, kept: 0, shuffleSeed: 5 });
    const shuffled = await contents("gray");
    expect(shuffled.every(({ picture }) => picture.channels === 1)).toBe(true);
    const names = (await contents("files")).map(({ name }) => name);
    const order = shuffled.map(({ name }) => name.slice(9));
    expect(order).not.toEqual(names);
    expect(order.toSorted()).toEqual(names);
  });

  it("writes no database over another unasked, and with --force whole", async () => {
    classFolders("again", [[3, 2]]);
    expect((await inlay("dataset", "lmdb", "again", "twice")).code).toBe(0);
    const refused = await inlay("dataset", "lmdb", "again", "twice");
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("--force");
    writeFileSync(join(folder, "twice", "lock.mdb"), "old");
    expect((await inlay("dataset", "lmdb", "twice", "twice", "--force")).code).toBe(0);
    expect(existsSync(join(folder, "twice", "lock.mdb"))).toBe(false);
    expect((await contents("twice")).map(({ name }) => name)).toEqual([
      ...["00000000_ant/0.png", "00000001_bee/0.png"],
    ]);
  });

  it("leaves nothing behind where a picture turns out damaged", async () => {
    classFolders("broken", [
      [3, 2],
      [3, 2],
    ]);
    const path = join(folder, "broken", "bee", "1.png");
    writeFileSync(path, readFileSync(path).subarray(0, 40));
    const { code, err } = await inlay("dataset", "lmdb", "broken", "new/inner");
    expect(code).toBe(2);
    expect(err).toContain("bee/1.png");
    expect(existsSync(join(folder, "new"))).toBe(false);
  });

  it("names the two pictures that differ in size, and the flag", async () => {
    classFolders("mixed", [
      [3, 2],
      [4, 2],
    ]);
    const { code, err } = await inlay("dataset", "lmdb", "mixed", "mixed-out");
    expect(code).toBe(2);
    expect(err).toContain("ant/0.png");
    expect(err).toContain("ant/1.png");
    expect(err).toContain("--resize 3x2");
    expect(existsSync(join(folder, "mixed-out"))).toBe(false);
  });

  it("refuses pictures without labels, empty lists and both encodings", async () => {
    mkdirSync(join(folder, "flat"));
    writeFileSync(join(folder, "flat", "one.png"), png(2, 2, 1));
    const bare = await inlay("dataset", "lmdb", "flat", "x");
    expect([bare.code, bare.err]).toEqual([2, expect.stringContaining("one.png")]);
    expect(bare.err).toContain("label");
    writeFileSync(join(folder, "empty.txt"), "\n# nothing\n");
    const empty = await inlay("dataset", "lmdb", "empty.txt", "x");
    expect([empty.code, empty.err]).toEqual([2, expect.stringContaining("names no picture")]);
    expect((await inlay("dataset", "lmdb", "flat", "x", "--raw", "--encoded")).code).toBe(2);
    expect((await inlay("dataset", "lmdb", "missing", "x")).err).toContain("no such file");
    expect(existsSync(join(folder, "x"))).toBe(false);
  });

  it("keeps the channels of sources of pixels", async () => {
    const head = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    writeFileSync(join(folder, "images-idx3-ubyte"), Uint8Array.of(...head, 1, 2, 3, 4));
    writeFileSync(join(folder, "labels-idx1-ubyte"), Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 9));
    const made = await inlay("dataset", "lmdb", "images-idx3-ubyte", "digits", "--json");
    expect(JSON.parse(made.out)).toMatchObject({ channels: 1, width: 2, height: 1, mean: [2.5] });
    expect((await contents("digits")).map(({ label }) => label)).toEqual([7, 9]);
  });
});

describe.skipIf(!hasTools)("LMDB's own tools (lmdb-utils)", () => {
  /** Key and value of every record, in hex. */
  function dump(path: string): readonly (readonly [key: string, value: string])[] {
    const args = [join(folder, path, "data.mdb")];
    const { stdout, status, stderr } = spawnSync("mdb_dump", ["-n", ...args], {
      maxBuffer: 2 ** 28,
    });
    expect([status, stderr.toString()]).toEqual([0, ""]);
    const lines = stdout
      .toString()
      .split("\n")
      .filter((line) => line.startsWith(" "));
    const pairs = lines.map((line) => line.trim());
    return pairs.flatMap((line, at) =>
      at % 2 === 0 ? [[line, pairs[at + 1] ?? ""] as const] : [],
    );
  }

  it("read small and large values, branches and all, and count what we say", async () => {
    const lines: string[] = [];
    mkdirSync(join(folder, "many"));
    for (let index = 0; index < 1200; index++) {
      const name = `${"n".repeat(index % 2 === 0 ? 3 : 180)}${index}.png`;
      writeFileSync(join(folder, "many", name), png(24, 20, index % 256));
      lines.push(`${name} ${index % 7}`);
    }
    writeFileSync(join(folder, "many", "list.txt"), lines.join("\n"));
    for (const [out, encoding] of [
      ["raw", "--raw"],
      ["encoded", "--encoded"],
    ] as const) {
      const made = await inlay("dataset", "lmdb", "many/list.txt", out, encoding);
      expect([made.code, made.err]).toEqual([0, ""]);
      const stat = spawnSync("mdb_stat", ["-n", "-e", join(folder, out, "data.mdb")]);
      expect(stat.stdout.toString()).toContain("Entries: 1200");
      expect(stat.stdout.toString()).toMatch(/Tree depth: [23]/);
      const pairs = dump(out);
      expect(pairs.length).toBe(1200);
      const keys = pairs.map(([key]) => Buffer.from(key, "hex").toString());
      expect(keys).toEqual(
        lines.map((line, at) => `${String(at).padStart(8, "0")}_${line.split(" ")[0]}`),
      );
    }
    // 24 * 20 * 3 bytes fit a leaf, so that the values lie in the dump as they are.
    expect(dump("raw")[3]?.[1].endsWith("28033800")).toBe(true);
  });
});

describe.skipIf(data === undefined)("data that Caffe's tools made (INLAY_DATA)", () => {
  for (const name of ["train", "test"]) {
    it(`is the same when written again: records and mean, ${name}`, async () => {
      const source = join(data ?? "", "lmdb", `${name}_lmdb`);
      const { code, err } = await inlay("dataset", "lmdb", source, name);
      expect([code, err]).toEqual([0, ""]);
      const mean = readFileSync(join(folder, name, "mean.binaryproto"));
      expect(mean.equals(readFileSync(join(data ?? "", "lmdb", `${name}_mean`)))).toBe(true);
      const theirs = await openDataset(source, { seed: 0 });
      const ours = await contents(name);
      expect(ours.length).toBe(theirs.samples.length);
      for (const [index, sample] of theirs.samples.entries()) {
        const mine = ours[index]!;
        expect([mine.name, mine.label]).toEqual([sample.name, sample.label]);
        const { data: bytes, ...size } = await sample.load();
        expect(mine.picture).toMatchObject(size);
        expect(Buffer.from(bytes).equals(mine.picture.data)).toBe(true);
      }
    });
  }
});

describe("inlay dataset show", () => {
  it("lists labels, sizes and what cannot be read, and writes a page", async () => {
    classFolders("seen", [
      [3, 2],
      [3, 2],
      [5, 4],
    ]);
    writeFileSync(join(folder, "seen", "bee", "2.png"), "nothing");
    const { code, out } = await inlay("dataset", "show", "seen", "--json", "--report", "seen.html");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ...{ samples: 6, labelled: 6, looked: 6, classes: ["ant", "bee"] },
      labels: [
        { label: 0, name: "ant", count: 3 },
        { label: 1, name: "bee", count: 3 },
      ],
      sizes: [
        { width: 3, height: 2, channels: 3, count: 4 },
        { width: 5, height: 4, channels: 3, count: 1 },
      ],
      unreadable: { count: 1, samples: [{ name: "bee/2.png" }] },
    });
    const page = readFileSync(join(folder, "seen.html"), "utf8");
    expect(page.match(/<img /g)?.length).toBe(5);
    const text = await inlay("dataset", "show", "seen");
    expect(text.out).toContain("Cannot be read: 1");
  });

  it("says where a database is cut", async () => {
    classFolders("cut", [[40, 40]]);
    await inlay("dataset", "lmdb", "cut", "cut_lmdb");
    const path = join(folder, "cut_lmdb", "data.mdb");
    writeFileSync(path, readFileSync(path).subarray(0, 4096 * 3));
    const { code, err } = await inlay("dataset", "show", "cut_lmdb");
    expect(code).toBe(2);
    expect(err).toMatch(/data\.mdb.*(damaged|too early)/);
  });
});
