import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Warning } from "../notice.ts";
import type { Dataset } from "./dataset.ts";
import { type OpenOptions, openDataset, readClasses } from "./open.node.ts";

let root: string;
let picture: Buffer;
let warnings: Warning[];

const put = (name: string, content: string | Uint8Array): string => {
  const path = join(root, ...name.split("/"));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
};
const open = (path: string, options: Partial<OpenOptions> = {}): Promise<Dataset> =>
  openDataset(path, { seed: 1, onWarning: (warning) => warnings.push(warning), ...options });
const brief = ({ samples }: Dataset): string[] =>
  samples.map(({ name, label }) => `${name} ${label}`);

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "inlay-data-"));
  const background = { r: 10, g: 20, b: 30 };
  picture = await sharp({ create: { width: 2, height: 2, channels: 3, background } })
    .png()
    .toBuffer();
});
beforeEach(() => {
  warnings = [];
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("openDataset on lists", () => {
  it("finds files beside the list, below the root, with backslashes and spaces", async () => {
    put("lists/pics/a b.png", picture);
    put("lists/pics/c.png", picture);
    const list = put("lists/train.txt", "\ufeffpics\\a b.png 1\r\n/pics/c.png 0\r\n");
    const dataset = await open(list);
    expect(brief(dataset)).toEqual(["pics\\a b.png 1", "/pics/c.png 0"]);
    expect((await dataset.samples[0]!.load()).data).toEqual(
      Uint8Array.of(10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 30),
    );
    const elsewhere = put("other/list.txt", "a b.png\n");
    await expect(open(elsewhere)).rejects.toThrow("1 of 1 listed files are missing");
    expect(brief(await open(elsewhere, { root: join(root, "lists", "pics") }))).toEqual([
      "a b.png undefined",
    ]);
    expect(warnings).toEqual([]);
  });

  it("counts missing files in one error and names the first", async () => {
    put("gaps/a.png", picture);
    const list = put("gaps/list.txt", "a.png 0\nx1.png 0\nx2.png 1\n\nx3.png 1\nx4.png 1\n");
    await expect(open(list)).rejects.toThrow(
      "4 of 5 listed files are missing: expected files below",
    );
    await expect(open(list)).rejects.toThrow(
      "got x1.png (line 2), x2.png (line 3), x3.png (line 5), ...",
    );
  });

  it("says where labels are missing or a limit loses classes", async () => {
    put("mixed/a.png", picture);
    const list = put("mixed/list.txt", "a.png 0\na.png\n");
    await open(list);
    expect(warnings.map(({ id, where }) => [id, where])).toEqual([["label-missing", `${list}:2`]]);
    warnings = [];
    const sorted = put("mixed/sorted.txt", "a.png 0\na.png 0\na.png 0\na.png 1\na.png 2\n");
    expect((await open(sorted, { limit: 3 })).samples).toHaveLength(3);
    expect(warnings.map(({ id }) => id)).toEqual(["limit-classes"]);
  });

  it("checks labels against the class names", async () => {
    put("named/a.png", picture);
    const list = put("named/list.txt", "a.png 2\n");
    const labels = put("named/names.txt", "n00000001 cat, kitty\nn00000002 dog\n");
    await expect(open(list, { labels })).rejects.toThrow(
      "a label has no class name: expected 0..1, got 2",
    );
    expect((await readClasses(labels)).map(({ name }) => name)).toEqual(["cat, kitty", "dog"]);
  });

  it("splits by class", async () => {
    put("split/a.png", picture);
    const lines = Array.from({ length: 20 }, (_, index) => `a.png ${index % 2}`);
    const list = put("split/list.txt", lines.join("\n"));
    const first = await open(list, { split: { fraction: 0.7, part: "first" } });
    expect(brief(first).filter((line) => line.endsWith("0"))).toHaveLength(7);
    expect(first.samples).toHaveLength(14);
    expect((await open(list, { split: { fraction: 0.7, part: "second" } })).samples).toHaveLength(
      6,
    );
    const single = put("split/one.txt", "a.png 0");
    await expect(open(single, { split: { fraction: 0.7, part: "second" } })).rejects.toThrow(
      "leaves no sample",
    );
  });
});

describe("openDataset on folders", () => {
  it("takes pictures in order of their names, without labels", async () => {
    for (const name of ["b.PNG", "a.jpg", "B.png", "notes.txt", "c.gif"])
      put(`flat/${name}`, picture);
    expect(brief(await open(join(root, "flat")))).toEqual([
      "B.png undefined",
      "a.jpg undefined",
      "b.PNG undefined",
    ]);
    expect(warnings.map(({ id }) => id)).toEqual(["pictures-skipped"]);
  });

  it("labels class folders by their sorted names, or by a label file", async () => {
    for (const name of [
      "dog/1.png",
      "cat/2.png",
      "cat/deep/3.png",
      "empty/readme.txt",
      ".cache/x.png",
    ]) {
      put(`classes/${name}`, picture);
    }
    const folder = join(root, "classes");
    const dataset = await open(folder);
    expect(brief(dataset)).toEqual(["cat/2.png 0", "cat/deep/3.png 0", "dog/1.png 1"]);
    expect(dataset.classes).toEqual(["cat", "dog"]);
    expect(brief(await open(folder, { limit: 2 }))).toEqual(["cat/2.png 0", "dog/1.png 1"]);
    const labels = put("names.txt", "fish\ndog\ncat\n");
    expect(brief(await open(folder, { labels }))).toEqual([
      "cat/2.png 2",
      "cat/deep/3.png 2",
      "dog/1.png 1",
    ]);
    const few = put("few.txt", "fish\ncat\n");
    await expect(open(folder, { labels: few })).rejects.toThrow(
      "a class folder is not among the class names",
    );
  });

  it("says when nothing is there", async () => {
    mkdirSync(join(root, "nothing"));
    await expect(open(join(root, "nothing"))).rejects.toThrow("no pictures in the folder");
    await expect(open(join(root, "no-such"))).rejects.toThrow("no such file or folder");
    await expect(open(join(root, "flat"), { limit: 0 })).rejects.toThrow("--limit");
  });

  it("opens one picture", async () => {
    expect(brief(await open(put("one/x.png", picture)))).toEqual(["x.png undefined"]);
  });
});

describe("openDataset on binary files", () => {
  const pictures = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4);
  const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 5, 6);

  it("reads IDX with the labels beside it, compressed or not", async () => {
    const path = put("idx/t10k-images-idx3-ubyte.gz", gzipSync(pictures));
    put("idx/t10k-labels-idx1-ubyte", labels);
    const dataset = await open(path);
    expect(dataset.samples.map(({ label }) => label)).toEqual([5, 6]);
    expect((await dataset.samples[1]!.load()).data).toEqual(Uint8Array.of(3, 4));
    const alone = await open(put("idx2/train.images.idx3-ubyte", pictures));
    expect(alone.samples.map(({ label }) => label)).toEqual([undefined, undefined]);
    expect(warnings.map(({ id }) => id)).toEqual(["label-missing"]);
    put("idx3/labels-idx1-ubyte", Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 5));
    await expect(open(put("idx3/images-idx3-ubyte", pictures))).rejects.toThrow("differ in number");
    await expect(open(put("idx4/x.gz", gzipSync(pictures).subarray(0, 20)))).rejects.toThrow(
      "gzip file is damaged",
    );
  });

  it("reads CIFAR files, a folder's training batches, and the class names", async () => {
    const record = (label: number): Uint8Array => new Uint8Array(3073).fill(label, 0, 1);
    put("cifar/data_batch_1.bin", record(3));
    put("cifar/data_batch_2.bin", record(4));
    const test = put("cifar/test_batch.bin", record(9));
    put(
      "cifar/batches.meta.txt",
      Array.from({ length: 10 }, (_, index) => `class${index}`).join("\n"),
    );
    const train = await open(join(root, "cifar"));
    expect(brief(train)).toEqual(["data_batch_1.bin#0 3", "data_batch_2.bin#0 4"]);
    expect(train.classes?.[9]).toBe("class9");
    expect(brief(await open(test))).toEqual(["test_batch.bin#0 9"]);
  });

  it("refuses foreign files with one clear error", async () => {
    await expect(open(put("odd/net.caffemodel", Uint8Array.of(0, 1, 2, 255)))).rejects.toThrow(
      "not a text file",
    );
    await expect(open(put("odd/data.mdb", new Uint8Array(9000)))).rejects.toThrow(
      "not an LMDB file",
    );
    await expect(open(put("odd/x.bin", new Uint8Array(10)))).rejects.toThrow(
      "not a CIFAR binary file",
    );
    await expect(open(put("odd/empty.txt", ""))).rejects.toThrow("names no picture");
  });
});
