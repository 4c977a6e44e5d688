/**
 * Model files that are not what they should be, through the jobs: one error that names file and place, and
 * nothing written.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { caffeSchema } from "../src/formats/caffe/schema/schema.ts";
import { inspectJob } from "../src/job/inspect.node.ts";
import { encode } from "../src/protobuf/encode.ts";
import {
  caffemodel,
  calibrate,
  evaluate,
  type Folder,
  inspect,
  makeFolder,
  noisePng,
  numbers,
  onnxFile,
  onnxNode,
  prototxt,
  quantize,
} from "./bad-input.ts";

let folder: Folder;
let pictures: string;
let text: string;
let weights: string;
beforeAll(async () => {
  folder = makeFolder();
  for (let at = 0; at < 12; at += 1) folder.put(`pictures/${at}.png`, await noisePng(at));
  pictures = join(folder.path, "pictures");
  text = folder.put("net.prototxt", prototxt());
  weights = folder.put("net.caffemodel", caffemodel());
});
afterAll(() => folder.remove());

const conv = onnxNode("Conv", ["x", "w"], "y");

test("the networks to spoil are good", async () => {
  for (const model of [[text, weights], [folder.put("good.onnx", onnxFile({ node: [conv] }))]]) {
    expect(await inspect(...model)).toMatchObject({ error: undefined, warnings: [] });
  }
  const out = join(folder.path, "good");
  expect((await evaluate([text, weights], pictures)).message).toBe("");
  expect((await calibrate([text, weights], pictures)).message).toBe("");
  expect((await quantize([text, weights], pictures, out)).message).toBe("");
});

describe("cut off at any length", () => {
  const whole = caffemodel();
  const lengths = (total: number): readonly number[] =>
    Array.from({ length: 40 }, (_, at) => Math.floor((at * total) / 40)).slice(1);

  test("a caffemodel", async () => {
    for (const length of [1, 2, 3, ...lengths(whole.length), whole.length - 1]) {
      const cut = folder.put("cut.caffemodel", whole.subarray(0, length));
      const { error } = await inspect(text, cut);
      expect(error?.kind).toBe("input");
      expect(error?.where).toContain(cut);
    }
  });

  test("an ONNX file", async () => {
    const onnx = onnxFile({ node: [conv] });
    for (const length of [1, 2, 3, ...lengths(onnx.length), onnx.length - 1]) {
      const cut = folder.put("cut.onnx", onnx.subarray(0, length));
      const { error } = await inspect(cut);
      expect(error?.kind).toBe("input");
      expect(error?.where).toContain(cut);
    }
  });

  test("a prototxt that ends inside a layer", async () => {
    const all = prototxt();
    for (const length of lengths(all.length)) {
      const part = all.slice(0, length);
      const isWhole = part.split("{").length === part.split("}").length;
      if (isWhole) continue;
      const cut = folder.put("cut.prototxt", part);
      const { error } = await inspect(cut, weights);
      expect(error?.kind).toBe("input");
      expect(error?.where).toMatch(/cut\.prototxt:\d+:\d+$/);
    }
  });
});

describe("another file than it should be", () => {
  const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1);
  test.each<[string, readonly [string, string | Uint8Array][], RegExp]>([
    ["caffemodel as prototxt", [["a.prototxt", caffemodel()]], /a\.prototxt:\d+:\d+.*binary file/],
    [
      "prototxt as caffemodel",
      [
        ["net.prototxt", prototxt()],
        ["a.caffemodel", prototxt()],
      ],
      /a\.caffemodel: byte 0.*right file/,
    ],
    ["prototxt as ONNX", [["a.onnx", prototxt()]], /a\.onnx: byte 0.*right file/],
    ["JPEG as ONNX", [["j.onnx", jpeg]], /j\.onnx: byte 0/],
    ["empty ONNX", [["e.onnx", ""]], /e\.onnx: holds no ONNX graph/],
    ["empty prototxt", [["e.prototxt", ""]], /e\.prototxt: the file has no layers/],
    [
      "empty caffemodel",
      [
        ["net.prototxt", prototxt()],
        ["e.caffemodel", ""],
      ],
      /e\.caffemodel: the file is empty/,
    ],
    ["solver as network", [["s.prototxt", "base_lr: 0.1\n"]], /no layers.*solver/],
    [
      "two prototxts",
      [
        ["net.prototxt", prototxt()],
        ["b.prototxt", prototxt()],
      ],
      /one prototxt and one caffemodel/,
    ],
  ])("%s", async (_, files, message) => {
    const paths = files.map(([name, content]) => folder.put(name, content));
    const outcome = await inspect(...paths);
    expect(outcome.message).toMatch(message);
  });

  test("a folder, a missing file, no file", async () => {
    expect((await inspect(pictures)).message).toMatch(/pictures: not a folder that inlay quantize/);
    expect((await inspect(join(folder.path, "no.onnx"))).message).toMatch(/no\.onnx: no such file/);
    const absent = join(folder.path, "no.caffemodel");
    expect((await inspect(text, absent)).message).toMatch(/no\.caffemodel: no such file/);
    expect((await inspect()).error?.kind).toBe("usage");
  });
});

describe("prototxts", () => {
  test.each<[string, (text: string) => string, RegExp]>([
    [
      "kernel for kernel_size",
      (t) => t.replace("kernel_size: 3", "kernel: 3"),
      /:5:\d+: .*`kernel`. Did you mean kernel_size/,
    ],
    [
      "Shift_enable",
      (t) => t.replace("kernel_size", "Shift_enable: true kernel_size"),
      /:5:\d+: .*`Shift_enable`/,
    ],
    [
      "an unknown enum value",
      (t) => t.replace("kernel_size", "engine: CUDN kernel_size"),
      /`CUDN`. Did you mean CUDNN/,
    ],
    [
      "text for a number",
      (t) => t.replace("kernel_size: 3", 'kernel_size: "3"'),
      /expected an integer/,
    ],
    [
      "a negative number",
      (t) => t.replace("num_output: 4", "num_output: -4"),
      /num_output is out of range/,
    ],
    [
      "a kernel of 0",
      (t) => t.replace("kernel_size: 3", "kernel_size: 0"),
      /net\.prototxt.*"conv1".*above 0/,
    ],
    ["a stride of 0", (t) => t.replace("kernel_size", "stride: 0 kernel_size"), /"conv1".*above 0/],
    [
      "a monstrous pad",
      (t) => t.replace("kernel_size", "pad: 2000000000 kernel_size"),
      /"conv1".*too large/,
    ],
    ["monstrous outputs", (t) => t.replace("num_output: 4", "num_output: 4000000000"), /"conv1"/],
    ["negative input", (t) => t.replace("dim: 8 dim: 8", "dim: -8 dim: 8"), /"data".*-8/],
    [
      "overflowing input",
      (t) => t.replace("dim: 8 dim: 8", "dim: 99999999999 dim: 99999999999"),
      /"data".*too large/,
    ],
    ["an unknown layer type", (t) => t.replace('"ReLU"', '"ReLu7"'), /"ReLu7". Did you mean ReLU/],
    ["a layer of one's own", (t) => t.replace('"ReLU"', '"MyLayer"'), /"MyLayer"\. Replace it/],
    [
      "a blob that nobody gives",
      (t) => t.replace('bottom: "conv1" top: "fc"', 'bottom: "conv2" top: "fc"'),
      /"conv2". Did you mean conv1/,
    ],
    ["a cycle", (t) => t.replace('bottom: "data"', 'bottom: "fc"'), /no earlier layer gives/],
    [
      "bias_term false",
      (t) => t.replace("kernel_size", "bias_term: false kernel_size"),
      /weight blobs/,
    ],
  ])("%s", async (_, spoil, message) => {
    const spoilt = folder.put("spoilt/net.prototxt", spoil(prototxt()));
    const outcome = await inspect(spoilt, weights);
    expect(outcome.error?.kind).toBe("input");
    expect(outcome.message).toMatch(message);
    expect(outcome.message).toContain(spoilt);
  });

  test("CRLF, a byte-order mark, UTF-16 and GBK comments are read", async () => {
    const crlf = prototxt().replaceAll("\n", "\r\n");
    const gbk = Buffer.concat([
      Buffer.from("# \xbe\xed\xbb\xfd\xcd\xf8\xc2\xe7\r\n", "latin1"),
      Buffer.from(crlf),
    ]);
    const utf16 = Buffer.from(`\ufeff${crlf}`, "utf16le");
    for (const content of [crlf, `\ufeff${crlf}`, gbk, utf16]) {
      const outcome = await inspect(folder.put("odd.prototxt", content), weights);
      expect(outcome).toMatchObject({ error: undefined, warnings: [] });
    }
  });
});

describe("weights", () => {
  const spoilt = (at: number, value: number): Float32Array => {
    const values = numbers(108);
    values[at] = value;
    return values;
  };

  test("of another network", async () => {
    const blob = { shape: { dim: [8, 3, 3, 3] }, data: numbers(216) };
    const bias = { shape: { dim: [8] }, data: numbers(8) };
    const layer = { name: "conv1", type: "Convolution", blobs: [blob, bias] };
    const other = folder.put(
      "o.caffemodel",
      encode(caffeSchema, "NetParameter", { layer: [layer] }),
    );
    const { message } = await inspect(text, other);
    expect(message).toContain(other);
    expect(message).toMatch(/"conv1".*expected 4x3x3x3, got 8x3x3x3.*do not belong together/);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["a shape whose product overflows", { shape: { dim: [2 ** 40, 2 ** 40] } }, /too large/],
    ["a negative dimension", { num: -4, channels: 3, height: 3, width: 3 }, /non-negative/],
    [
      "fewer values than the shape says",
      { shape: { dim: [4, 3, 3, 9] } },
      /number of values differ/,
    ],
  ])("%s", async (_, shape, message) => {
    const blobs = [
      { ...shape, data: numbers(108) },
      { shape: { dim: [4] }, data: numbers(4) },
    ];
    const layer = { name: "conv1", type: "Convolution", blobs };
    const bad = folder.put("b.caffemodel", encode(caffeSchema, "NetParameter", { layer: [layer] }));
    const outcome = await inspect(text, bad);
    expect(outcome.message).toMatch(message);
    expect(outcome.message).toContain(bad);
  });

  test.each([
    ["NaN", { weight: spoilt(7, Number.NaN) }, 'conv "conv1"', "NaN at element 7"],
    ["infinite", { weight: spoilt(3, Infinity) }, 'conv "conv1"', "Infinity at element 3"],
    [
      "a NaN bias",
      { bias: Float32Array.of(0, Number.NaN, 0, 0) },
      'conv "conv1"',
      "NaN at element 1",
    ],
    ["NaN rows", { rows: numbers(432).fill(Number.NaN, 5, 6) }, 'linear "fc"', "NaN at element 5"],
  ])(
    "%s: quantize refuses and names the layer, evaluate and inspect tell",
    async (_, blobs, node, got) => {
      const model = [text, folder.put("nan.caffemodel", caffemodel(blobs))];
      const out = join(folder.path, "nan-out");
      const refused = await quantize(model, pictures, out);
      expect(refused.error).toMatchObject({ kind: "input", node, got });
      expect(refused.error?.where).toContain("nan.caffemodel");
      expect(existsSync(out)).toBe(false);
      const { warnings } = await evaluate(model, pictures);
      expect(warnings.map(({ id }) => id)).toEqual(["output-not-finite"]);
      const report = await inspectJob(
        { model },
        { device: "cpu", threads: 1, seed: 0, command: [] },
      );
      expect(JSON.stringify(report)).toContain("not-finite");
    },
  );

  test.each([
    ["a channel of zeros", { weight: numbers(108).fill(0, 0, 27) }, []],
    [
      "a layer of zeros",
      { weight: new Float32Array(108), bias: new Float32Array(4) },
      ["preprocessing-range"],
    ],
    [
      "a constant network",
      { weight: new Float32Array(108), bias: new Float32Array(4), rows: new Float32Array(432) },
      ["preprocessing-range"],
    ],
  ])("%s is quantized", async (_, blobs, warned) => {
    const model = [text, folder.put("zero.caffemodel", caffemodel(blobs))];
    const out = join(folder.path, "zero-out");
    const outcome = await quantize(model, pictures, out);
    expect(outcome.message).toBe("");
    expect(outcome.warnings.map(({ id }) => id)).toEqual(warned);
    expect((await evaluate([out], pictures)).message).toBe("");
    expect(readdirSync(out)).toContain("manifest.json");
  });
});
