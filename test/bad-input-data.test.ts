/**
 * Pictures, lists, settings and output folders that are not what they should be, through the jobs.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { compareJob } from "../src/job/compare.node.ts";
import {
  caffemodel,
  calibrate,
  evaluate,
  type Folder,
  inspect,
  makeFolder,
  noisePng,
  outcomeOf,
  prototxt,
  quantize,
} from "./bad-input.ts";

let folder: Folder;
let pictures: string;
let model: readonly string[];
let out: string;
beforeAll(async () => {
  folder = makeFolder();
  for (let at = 0; at < 12; at += 1) folder.put(`pictures/${at}.png`, await noisePng(at));
  pictures = join(folder.path, "pictures");
  model = [folder.put("net.prototxt", prototxt()), folder.put("net.caffemodel", caffemodel())];
  out = join(folder.path, "out");
  expect(await quantize(model, pictures, out)).toMatchObject({ error: undefined, warnings: [] });
});
afterAll(() => folder.remove());

const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, at) => (at * 7919) % 251);
const jpeg = (channels: 1 | 3, space?: "cmyk"): Promise<Uint8Array> => {
  const raw = { width: 64, height: 64, channels };
  const picture = sharp(noise.subarray(0, 64 * 64 * channels), { raw });
  return (space === undefined ? picture : picture.toColourspace(space)).jpeg().toBuffer();
};

async function halfJpeg(): Promise<Uint8Array> {
  const whole = await jpeg(3);
  return whole.subarray(0, whole.length / 2);
}

/** The PNG with another size in its header. */
async function bombPng(side: number): Promise<Uint8Array> {
  const png = (await noisePng(0)).slice();
  new DataView(png.buffer).setUint32(16, side);
  new DataView(png.buffer).setUint32(20, side);
  return png;
}

describe("pictures", () => {
  test.each<[string, () => Promise<Uint8Array | string>, RegExp]>([
    ["an image bomb", () => bombPng(60_000), /bad\.jpg: the picture is too large.*60000x60000/],
    ["a header that lies", () => bombPng(7000), /bad\.jpg: the picture is damaged/],
    ["a truncated JPEG", halfJpeg, /bad\.jpg: the picture is truncated/],
    [
      "a truncated PNG",
      async () => (await noisePng(0)).slice(0, -30),
      /bad\.jpg: the picture is damaged/,
    ],
    ["an empty file", async () => "", /bad\.jpg: not a picture.*an empty file/],
    ["text", async () => "hello", /bad\.jpg: not a picture/],
    [
      "a GIF",
      () =>
        sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
          .gif()
          .toBuffer(),
      /got GIF\. Convert/,
    ],
  ])("%s ends every job, with nothing written", async (_, make, message) => {
    folder.put("spoilt/good.png", await noisePng(1));
    folder.put("spoilt/bad.jpg", await make());
    const spoilt = join(folder.path, "spoilt");
    const nowhere = join(folder.path, "spoilt-out");
    for (const ended of [
      await evaluate(model, spoilt),
      await calibrate(model, spoilt),
      await quantize(model, spoilt, nowhere),
    ]) {
      expect(ended.error?.kind).toBe("input");
      expect(ended.message).toMatch(message);
    }
    expect(existsSync(nowhere)).toBe(false);
  });

  test("grey and CMYK pictures go into a colour network", async () => {
    folder.put("mixed/gray.jpg", await jpeg(1));
    folder.put("mixed/cmyk.jpg", await jpeg(3, "cmyk"));
    const outcome = await evaluate(model, join(folder.path, "mixed"));
    expect(outcome.message).toBe("");
    expect(outcome.warnings.map(({ id }) => id)).toEqual(["size-mismatch"]);
  });

  test("one picture calibrates, with a warning", async () => {
    const one = folder.put("one.png", await noisePng(1));
    const outcome = await quantize(model, one, join(folder.path, "one-out"));
    expect(outcome.message).toBe("");
    expect(outcome.warnings.map(({ id }) => id)).toEqual(["few-pictures"]);
  });

  test("copies of one picture are noticed", async () => {
    for (let at = 0; at < 9; at += 1) folder.put(`copies/${at}.png`, await noisePng(4));
    const { warnings } = await evaluate(model, join(folder.path, "copies"));
    expect(warnings.map(({ id }) => id)).toEqual(["pictures-same"]);
  });

  test("none at all", async () => {
    mkdirSync(join(folder.path, "nothing"));
    expect((await evaluate(model, join(folder.path, "nothing"))).message).toMatch(
      /nothing: no pictures in the folder/,
    );
    const { message } = await quantize(model, join(folder.path, "nowhere"), join(folder.path, "x"));
    expect(message).toMatch(/nowhere: no such file or folder/);
    expect((await evaluate(model, model[1] ?? "")).message).toMatch(/net\.caffemodel: not a text/);
  });
});

describe("lists", () => {
  test("naming missing files, or nothing", async () => {
    const list = folder.put("l.txt", "pictures/0.png 0\npictures/no.png 1\n");
    expect((await evaluate(model, list)).message).toMatch(
      /l\.txt: 1 of 2 listed files are missing.*no\.png \(line 2\)/,
    );
    expect((await evaluate(model, folder.put("e.txt", ""))).message).toMatch(/names no picture/);
  });

  test("with labels out of range", async () => {
    const negative = folder.put("n.txt", "pictures/0.png -1\n");
    expect((await evaluate(model, negative)).message).toMatch(/n\.txt:1: .*negative/);
    const beyond = folder.put("b.txt", "pictures/0.png 0\npictures/1.png 3\n");
    const { warnings } = await evaluate(model, beyond);
    expect(warnings).toMatchObject([{ id: "label-range", where: beyond }]);
    expect(warnings[0]?.message).toContain("beyond the network's 3 classes, first 3");
    const labels = folder.put("names.txt", "a\nb\nc\n");
    expect((await evaluate(model, { path: beyond, labels })).message).toMatch(
      /expected 0..2, got 3/,
    );
  });

  test("with backslashes, CRLF, a byte-order mark, GBK names", async () => {
    const list = folder.put("w.txt", "\ufeffpictures\\0.png 0\r\n\r\npictures\\1.png 1\r\n");
    expect((await evaluate(model, list)).message).toBe("");
    folder.put("gbk/测试.png", await noisePng(2));
    const gbk = folder.put("g.txt", Buffer.from("gbk/\xb2\xe2\xca\xd4.png 1\r\n", "latin1"));
    expect((await evaluate(model, gbk)).message).toBe("");
  });
});

test("settings that cannot be meant", async () => {
  for (const some of [
    { mean: [1, 2] },
    { scale: Number.NaN },
    { scale: 0 },
    { std: [0] },
    { crop: 100 },
  ]) {
    const outcome = await evaluate(model, pictures, { ...defaultPreprocess, ...some });
    expect(outcome.message, JSON.stringify(some)).toMatch(/--mean|--scale|--std|crop/);
  }
});

describe("output folders", () => {
  test("a file in the way", async () => {
    const file = folder.put("taken", "mine");
    for (const path of [file, join(file, "below")]) {
      const { error } = await quantize(model, pictures, path);
      expect(error).toMatchObject({ kind: "work", where: path });
    }
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  test("a folder where the last file should be: nothing is written", async () => {
    const place = join(folder.path, "blocked");
    mkdirSync(join(place, "report.html"), { recursive: true });
    const { error } = await quantize(model, pictures, place);
    expect(error).toMatchObject({ kind: "work", where: join(place, "report.html") });
    expect(readdirSync(place)).toEqual(["report.html"]);
  });

  // The superuser may write anywhere.
  test.skipIf(process.getuid?.() === 0)("a folder that may not be written", async () => {
    const place = join(folder.path, "locked");
    mkdirSync(place);
    chmodSync(place, 0o500);
    const { error } = await quantize(model, pictures, place);
    expect(error).toMatchObject({ kind: "work", where: place });
    expect(readdirSync(place)).toEqual([]);
  });

  test("other people's files stay", async () => {
    folder.put("shared/notes.txt", "mine");
    const place = join(folder.path, "shared");
    expect((await quantize(model, pictures, place)).message).toBe("");
    expect(readFileSync(join(place, "notes.txt"), "utf8")).toBe("mine");
    expect(readdirSync(place).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe("a damaged quantization", () => {
  type Spoil = (bytes: Buffer) => string | Uint8Array;
  function damaged(name: string, spoil: Spoil): string {
    const place = join(folder.path, "damaged");
    mkdirSync(place, { recursive: true });
    for (const file of readdirSync(out)) {
      const bytes = readFileSync(join(out, file));
      writeFileSync(join(place, file), file === name ? spoil(bytes) : bytes);
    }
    return place;
  }

  const field = (change: (manifest: Record<string, unknown>) => object): Spoil => {
    return (bytes) => JSON.stringify(change(JSON.parse(bytes.toString())));
  };
  test.each<[string, string, Spoil, RegExp]>([
    [
      "cut manifest",
      "manifest.json",
      (bytes) => bytes.subarray(0, 100),
      /manifest\.json: the manifest is damaged/,
    ],
    ["empty manifest", "manifest.json", () => "", /manifest is damaged.*Quantize again/],
    ["manifest that nests", "manifest.json", () => "[".repeat(1_000_000), /manifest is damaged/],
    [
      "manifest of another version",
      "manifest.json",
      field((m) => ({ ...m, schema: "inlay.manifest/9" })),
      /manifest\/9/,
    ],
    [
      "manifest with a wrong field",
      "manifest.json",
      field((m) => ({ ...m, preprocess: { ...defaultPreprocess, scale: 0 } })),
      /--scale must not be 0/,
    ],
    [
      "cut network",
      "quantized.onnx",
      (bytes) => bytes.subarray(0, 500),
      /quantized\.onnx: byte \d+: .*cut off/,
    ],
    ["empty network", "quantized.onnx", () => "", /quantized\.onnx: holds no ONNX graph/],
  ])("%s", async (_, name, spoil, message) => {
    const place = damaged(name, spoil);
    for (const ended of [await evaluate([place], pictures), await inspect(place)]) {
      expect(ended.error?.kind).toBe("input");
      expect(ended.message).toMatch(message);
    }
  });

  test("a flipped bit in a weight is told by the hash", async () => {
    const place = damaged("quantized.onnx", (bytes) => {
      const at = bytes.indexOf("conv1.weight");
      const spoilt = Uint8Array.from(bytes);
      spoilt[at - 20] = (spoilt[at - 20] ?? 0) ^ 1;
      return spoilt;
    });
    const { warnings } = await inspect(place);
    expect(warnings[0]).toMatchObject({
      id: "output-changed",
      where: join(place, "quantized.onnx"),
    });
  });

  test("a folder that quantize did not write", async () => {
    const job = { out: pictures, images: { path: pictures }, thresholdDb: 15 };
    const { message } = await outcomeOf((context) => compareJob(job, context));
    expect(message).toMatch(/pictures: not a folder that inlay quantize wrote/);
  });
});
