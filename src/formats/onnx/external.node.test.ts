/** External data must stay inside the model's folder. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { externalReader } from "./external.node.ts";

const root = mkdtempSync(join(tmpdir(), "inlay-onnx-"));
const model = join(root, "model");
mkdirSync(join(model, "data"), { recursive: true });
writeFileSync(join(root, "secret.bin"), "secret");
writeFileSync(join(model, "data", "w.bin"), "weights");
symlinkSync(join(root, "secret.bin"), join(model, "link.bin"));
symlinkSync(root, join(model, "up"));
afterAll(() => rmSync(root, { recursive: true }));

describe("external data", () => {
  const external = externalReader(model);

  it.each(["data/w.bin", "./data/w.bin", "data\\w.bin"])("reads %s", (location) => {
    expect(new TextDecoder().decode(external(location))).toBe("weights");
  });

  it.each([
    "",
    ".",
    "../secret.bin",
    "data/../../secret.bin",
    "..\\secret.bin",
    join(root, "secret.bin"),
    "C:\\secret.bin",
    "link.bin",
    "up/secret.bin",
    "data",
    "missing.bin",
    "w\0.bin",
  ])("refuses %j", (location) => {
    expect(() => external(location)).toThrow(/external data cannot be read/);
  });
});
