/**
 * Files made to exhaust a reader: each gets its answer in under 5 s and 1 GB. Every case runs in a process of its
 * own, on the compiled program, so that its memory can be measured.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { caffemodel, type Folder, makeFolder, prototxt } from "./bad-input.ts";

let folder: Folder;
let build: string;
beforeAll(() => {
  folder = makeFolder();
  // Inside node_modules, so that the compiled program finds its packages.
  const cache = join("node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  build = mkdtempSync(join(cache, "inlay-bad-"));
  copyFileSync("package.json", join(build, "package.json"));
  const compiler = join("node_modules", "typescript", "bin", "tsc");
  const flags = ["-p", "tsconfig.build.json", "--outDir", join(build, "dist")];
  execFileSync(process.execPath, [compiler, ...flags], { stdio: "ignore" });
});
afterAll(() => {
  folder.remove();
  rmSync(build, { recursive: true, force: true });
});

type Result = {
  readonly message: string;
  readonly isForeseen: boolean;
  /** Of processor time, all threads: a machine busy with other tests takes longer by the clock. */
  readonly seconds: number;
  /** Peak of the whole process. */
  readonly megabytes: number;
};

const childCode = `
const [index, ...model] = process.argv.slice(1);
const { inspectJob } = await import(index);
const context = { device: "cpu", threads: 1, seed: 0, command: [], onWarning: () => {} };
const started = process.cpuUsage();
let [message, isForeseen] = ["", true];
try {
  await inspectJob({ model }, context);
} catch (error) {
  message = error.message;
  isForeseen = error.name === "InlayError";
}
const { user, system } = process.cpuUsage(started);
const seconds = (user + system) / 1e6;
const megabytes = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ message, isForeseen, seconds, megabytes }));
`;

/** Inspects the files in a child process with a heap of 900 MB. */
function inspectAlone(...model: readonly string[]): Result {
  const index = pathToFileURL(join(build, "dist", "index.js")).href;
  const flags = ["--max-old-space-size=900", "--input-type=module", "-e", childCode];
  const child = spawnSync(process.execPath, [...flags, index, ...model], { encoding: "utf8" });
  expect(child.stderr).toBe("");
  const result: Result = JSON.parse(child.stdout);
  expect(result.isForeseen, result.message).toBe(true);
  expect(result.seconds).toBeLessThan(5);
  expect(result.megabytes).toBeLessThan(1000);
  return result;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.of(...bytes, rest);
}

const field = (number: number): Uint8Array => varint(number * 8 + 2);
const message = (number: number, content: Uint8Array): Uint8Array =>
  Buffer.concat([field(number), varint(content.length), content]);
const repeated = (bytes: number, unit: string | Uint8Array): Uint8Array =>
  typeof unit === "string" ? Buffer.alloc(bytes, unit) : Buffer.alloc(bytes, unit);

/** Messages inside each other; `numbers` are the fields from the outermost on, again and again. */
function nested(depth: number, numbers: readonly number[]): Uint8Array {
  const heads: Uint8Array[] = [];
  let length = 0;
  for (let level = depth - 1; level >= 0; level -= 1) {
    const head = Buffer.concat([field(numbers[level % numbers.length] ?? 1), varint(length)]);
    heads.push(head);
    length += head.length;
  }
  return Buffer.concat(heads.reverse());
}

/** If nodes whose branch holds an If node. */
function nestedBranches(depth: number): Uint8Array {
  const text = (number: number, value: string) => message(number, Buffer.from(value));
  const nodeHead = Buffer.concat([text(1, "c"), text(2, "y"), text(4, "If")]);
  const attributeHead = Buffer.concat([text(1, "then_branch"), varint(20 * 8), Uint8Array.of(5)]);
  const parts: Uint8Array[] = [];
  let length = 0;
  const wrap = (number: number, head: Uint8Array): void => {
    parts.push(head);
    length += head.length;
    const open = Buffer.concat([field(number), varint(length)]);
    parts.push(open);
    length += open.length;
  };
  for (let level = 0; level < depth; level += 1) {
    wrap(6, new Uint8Array());
    wrap(5, attributeHead);
    wrap(1, nodeHead);
  }
  return Buffer.concat(parts.reverse());
}

const graph = (content: Uint8Array): Uint8Array =>
  Buffer.concat([
    Uint8Array.of(0x42, 2, 0x10, 17),
    message(7, content),
    message(7, message(12, message(1, Buffer.from("y")))),
  ]);
const layer = (content: Uint8Array): Uint8Array => message(100, content);
const group = Buffer.concat([varint(900 * 8 + 3)]);

describe("binary files", () => {
  test.each<[string, () => Uint8Array, RegExp]>([
    ["groups, a million deep", () => repeated(2_000_000, group), /byte \d+: .*nested too deep/],
    ["shapes in blobs in layers, a million deep", () => layer(nested(1_000_000, [7])), /./],
    [
      "25 million empty layers",
      () => repeated(75_000_000, layer(new Uint8Array())),
      /byte \d+: layer: too many/,
    ],
    [
      "25 million empty blobs",
      () => layer(repeated(50_000_000, message(7, new Uint8Array()))),
      /layer\.blobs: too many/,
    ],
  ])("caffemodel: %s", (_, make, pattern) => {
    const network = folder.put("net.prototxt", prototxt());
    const weights = folder.put("bad.caffemodel", make());
    expect(inspectAlone(network, weights).message).toMatch(pattern);
  });

  test.each<[string, () => Uint8Array, RegExp]>([
    ["graphs in attributes, a million deep", () => graph(nested(999_999, [1, 5, 6])), /./],
    ["branches in branches, 200,000 deep", () => graph(nestedBranches(200_000)), /nested too deep/],
    ["groups, a million deep", () => repeated(2_000_000, group), /nested too deep/],
    [
      "25 million empty nodes",
      () => graph(repeated(50_000_000, message(1, new Uint8Array()))),
      /graph\.node: too many/,
    ],
    [
      "25 million empty operator sets",
      () => repeated(50_000_000, message(8, new Uint8Array())),
      /opset_import: too many/,
    ],
  ])("ONNX: %s", (_, make, pattern) => {
    expect(inspectAlone(folder.put("bad.onnx", make())).message).toMatch(pattern);
  });
});

describe("prototxts", () => {
  const padded = (bytes: number, unit: string): Uint8Array =>
    Buffer.concat([Buffer.from(prototxt()), repeated(bytes, unit)]);
  const relu = 'layer { name: "r" type: "ReLU" bottom: "prob" top: "prob" }\n';
  test.each<[string, () => Uint8Array, RegExp]>([
    ["braces, a million deep", () => padded(7_000_000, "layer {"), /:\d+:\d+: .*nested too deep/],
    ["unknown braces, a million deep", () => padded(5_000_000, "foo {"), /nested too deep/],
    ["100 MB of layers", () => padded(100_000_000, relu), /too large/],
    ["66 MB of layers", () => padded(66_000_000, relu), /too many/],
    ["66 MB of empty layers", () => padded(66_000_000, "layer{}"), /too many/],
    ["66 MB of dimensions", () => padded(66_000_000, "input_dim:3 "), /too many/],
    ["66 MB of comments", () => padded(66_000_000, "# a comment\n"), /^$/],
    ["66 MB of unknown fields", () => padded(66_000_000, "f{}"), /too many values of unknown/],
    ["66 MB in unknown lists", () => padded(66_000_000, "f:[1,2]"), /too many values of unknown/],
    ["19,000 layers of one name", () => padded(19_000 * relu.length, relu), /^$/],
  ])("%s", (_, make, pattern) => {
    const network = folder.put("bad.prototxt", make());
    const weights = folder.put("net.caffemodel", caffemodel());
    expect(inspectAlone(network, weights).message).toMatch(pattern);
  });
});
