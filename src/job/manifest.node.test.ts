import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultPreprocess } from "../data/preprocess.ts";
import { InlayError } from "../error.ts";
import { defaultQuantizeOptions } from "../quantize/options.ts";
import { manifestBase, manifestText, parseManifest, readManifest } from "./manifest.node.ts";
import type { Manifest } from "./manifest.ts";

const context = { device: "cpu", threads: 2, seed: 7, command: ["inlay", "quantize"] } as const;

const manifest: Manifest = {
  ...manifestBase(context, "onnxruntime-node 1.30.0"),
  target: "int8",
  preprocess: {
    ...defaultPreprocess,
    resize: { kind: "exact", width: 320, height: 240 },
    crop: 2,
    mean: { file: "mean.binaryproto", shape: [1, 2, 2], values: [1.5, 2, 3, 104.00699] },
    std: [0.229, 0.224, 0.225],
  },
  calibration: { method: "mse", images: "calib/", samples: 250 },
  options: defaultQuantizeOptions,
  inputs: [{ file: "net.onnx", sha256: "ab", bytes: 17, files: 1 }],
  outputs: [],
};

/** The manifest with one field replaced, however deep. */
function damaged(path: readonly string[], value: unknown): string {
  const copy = JSON.parse(manifestText(manifest)) as Record<string, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[path.at(-1) ?? ""] = value;
  return JSON.stringify(copy);
}

describe("manifest", () => {
  it("comes back as it was written", () => {
    expect(parseManifest(manifestText(manifest), "m")).toEqual(manifest);
  });

  it.each([
    { path: ["schema"], value: "inlay.manifest/2", fault: /\$\.schema/ },
    { path: ["seed"], value: 0.5, fault: /\$\.seed/ },
    { path: ["preprocess", "order"], value: "grb", fault: /\$\.preprocess\.order/ },
    { path: ["preprocess", "std"], value: [0], fault: /--std must be positive/ },
    { path: ["preprocess", "resize"], value: { kind: "exact", width: 3 }, fault: /height/ },
    { path: ["preprocess", "mean", "shape"], value: [3, 2, 2], fault: /4 values for 3x2x2/ },
    { path: ["options", "weights", "unit"], value: "row", fault: /unit/ },
    { path: ["inputs"], value: [{}], fault: /\$\.inputs\[0\]/ },
    { path: ["surprise"], value: 1, fault: /\$\.surprise/ },
  ])("names the damaged field $path", ({ path, value, fault }) => {
    expect(() => parseManifest(damaged(path, value), "out/manifest.json")).toThrow(fault);
  });

  it("refuses every truncation", () => {
    const text = manifestText(manifest).trimEnd();
    fc.assert(
      fc.property(fc.nat(text.length - 1), (length) => {
        expect(() => parseManifest(text.slice(0, length), "m")).toThrow(InlayError);
      }),
    );
  });

  it("tells a folder without one from a damaged one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "inlay-manifest-"));
    try {
      await expect(readManifest(folder)).rejects.toThrow(/not a folder that inlay quantize wrote/);
      writeFileSync(join(folder, "manifest.json"), "{");
      await expect(readManifest(folder)).rejects.toMatchObject({
        fields: { kind: "input", where: join(folder, "manifest.json") },
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
