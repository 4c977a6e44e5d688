/**
 * ONNX graphs that contradict themselves, and data files outside the model's folder, through the jobs.
 */
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  evaluate,
  type Folder,
  floatInfo,
  floatTensor,
  inspect,
  makeFolder,
  noisePng,
  numbers,
  onnxFile,
  onnxNode,
  quantize,
} from "./bad-input.ts";

let folder: Folder;
let pictures: string;
beforeAll(async () => {
  folder = makeFolder();
  for (let at = 0; at < 12; at += 1) folder.put(`pictures/${at}.png`, await noisePng(at));
  pictures = join(folder.path, "pictures");
});
afterAll(() => folder.remove());

const conv = onnxNode("Conv", ["x", "w"], "y");

describe("ONNX graphs", () => {
  const relu = (input: string, output: string) => onnxNode("Relu", [input], output);
  const noise = numbers(108);
  test.each<[string, Parameters<typeof onnxFile>[0], RegExp]>([
    [
      "a cycle",
      {
        node: [onnxNode("Add", ["x", "b"], "a"), relu("a", "b"), onnxNode("Conv", ["b", "w"], "y")],
      },
      /no earlier node gives.*"b"/,
    ],
    ["a node that reads itself", { node: [relu("y", "y")] }, /no earlier node gives/],
    ["a value given twice", { node: [conv, relu("x", "y")] }, /given twice.*"y"/],
    [
      "an initializer twice",
      {
        node: [conv],
        initializer: [floatTensor("w", [4, 3, 3, 3], noise), floatTensor("w", [4, 3, 3, 3], noise)],
      },
      /"w": id is used twice/,
    ],
    [
      "an output that nobody gives",
      { node: [onnxNode("Conv", ["x", "w"], "z")] },
      /"y" is given by no node/,
    ],
    ["no output", { node: [conv], output: [] }, /no output/],
    [
      "negative dimensions",
      { node: [conv], initializer: [floatTensor("w", [-4, 3, 3, 3], noise)] },
      /"w".*non-negative/,
    ],
    [
      "overflowing dimensions",
      { node: [conv], initializer: [floatTensor("w", [2 ** 31, 2 ** 31], noise)] },
      /"w".*too large/,
    ],
    [
      "too few bytes",
      { node: [conv], initializer: [floatTensor("w", [4, 3, 3, 3], numbers(50))] },
      /"w".*expected.*432 bytes, got 200/,
    ],
    [
      "channels that do not fit",
      { node: [conv], input: [floatInfo("x", [1, 4, 8, 8])] },
      /"y".*channels/,
    ],
    [
      "an image below the kernel",
      { node: [conv], input: [floatInfo("x", [1, 3, 2, 2])] },
      /smaller than the kernel/,
    ],
    [
      "an open size",
      { node: [conv], input: [floatInfo("x", ["n", 3, "h", "w"])] },
      /"x".*open dimension.*h/,
    ],
  ])("%s", async (_, parts, message) => {
    const file = folder.put("spoilt.onnx", onnxFile(parts));
    const outcome = await inspect(file);
    expect(outcome.error?.kind).toBe("input");
    expect(outcome.message).toMatch(message);
    expect(outcome.message).toContain(file);
  });

  test("an operator of an unknown domain is reported; running it says why not", async () => {
    const node = [onnxNode("Conv", ["x", "w"], "c"), onnxNode("Magic", ["c"], "y", "com.acme")];
    const file = folder.put("magic.onnx", onnxFile({ node }, "com.acme"));
    const seen = await inspect(file);
    expect(seen.message).toBe("");
    expect(seen.warnings).toMatchObject([{ id: "onnx-opaque", where: file }]);
    expect(seen.warnings[0]?.message).toContain("Magic");
    const out = join(folder.path, "magic-out");
    for (const ran of [await evaluate([file], pictures), await quantize([file], pictures, out)]) {
      expect(ran.error).toMatchObject({ kind: "work", where: file });
      expect(ran.message).toContain("com.acme:Magic");
    }
    expect(existsSync(out)).toBe(false);
  });

  test("two inputs cannot be fed with pictures", async () => {
    const input = [floatInfo("x", [1, 3, 8, 8]), floatInfo("x2", [1, 3, 8, 8])];
    const node = [onnxNode("Add", ["x", "x2"], "s"), onnxNode("Conv", ["s", "w"], "y")];
    const file = folder.put("two.onnx", onnxFile({ input, node }));
    const { message } = await evaluate([file], pictures);
    expect(message).toMatch(/two\.onnx: needs a network with one image input/);
  });

  test("external data stays inside the model's folder", async () => {
    const secret = folder.put("secret.bin", new Uint8Array(432));
    mkdirSync(join(folder.path, "model"), { recursive: true });
    const links = canLink(secret, join(folder.path, "model", "link.bin")) ? ["link.bin"] : [];
    folder.put("model/short.bin", new Uint8Array(100));
    const places = ["../secret.bin", "..\\secret.bin", secret, "C:\\secret.bin", "none.bin", ""];
    for (const location of [...places, ...links, "short.bin"]) {
      const external_data = [{ key: "location", value: location }];
      const w = { name: "w", dims: [4, 3, 3, 3], data_type: 1, data_location: 1, external_data };
      const file = folder.put("model/m.onnx", onnxFile({ initializer: [w], node: [conv] }));
      const { error } = await inspect(file);
      expect(error, location).toMatchObject({ kind: "input", where: file });
    }
  });

  function canLink(target: string, path: string): boolean {
    try {
      symlinkSync(target, path);
      return true;
    } catch {
      return false;
    }
  }
});
