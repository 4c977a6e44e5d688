/**
 * A run that goes on from a snapshot ends in the same files, bit for bit, as one that was never stopped.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawnPicture, netText, side, snapshotBytes, trainFolder, trainIn } from "./train-setup.ts";

let folder = "";
beforeAll(() => {
  folder = trainFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

type Case = {
  readonly net?: Parameters<typeof netText>[0];
  readonly solver?: Readonly<Record<string, string | number>>;
};

const dropout = `layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.4 } }`;

/** Rounded coefficients and activations, on pixels rounded to levels. */
const quantized = `layer { name: "qconv" type: "QuantConvolution" bottom: "pool" top: "pool"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
  quant_convolution_param { coef_precision: DYNAMIC_FIXED_POINT bw_params: 8 } }
layer { name: "qrelu" type: "QuantReLU" bottom: "pool" top: "pool"
  param { lr_mult: 1 decay_mult: 0 } quant_relu_param { act_bits: 5 quant_enable: true filler { value: 6 } } }`;

const cases: Readonly<Record<string, Case>> = {
  "sgd with batch norm": {},
  dropout: { net: { middle: dropout } },
  "mirror, crop and mean image": {
    net: { transform: 'mirror: true crop_size: 8 mean_file: "mean.binaryproto" scale: 0.01' },
  },
  "iter_size 2, dropout, clipping": {
    net: { middle: dropout },
    solver: { iter_size: 2, clip_gradients: 1 },
  },
  "Adam, mirror": {
    net: { transform: "mirror: true scale: 0.01" },
    solver: { type: '"Adam"', base_lr: 0.01, momentum2: 0.99, lr_policy: '"fixed"' },
  },
  "quantized layers": {
    net: { transform: "mirror: true quant_enable: true", middle: quantized },
    solver: { base_lr: 0.001 },
  },
  "AdaDelta, multistep": {
    solver: {
      ...{ type: '"AdaDelta"', base_lr: 1, delta: 1e-6, lr_policy: '"multistep"', gamma: 0.5 },
      stepvalue: "3 stepvalue: 7",
    },
  },
};

describe("10 iterations, and 5 with 5 more", () => {
  it.each(Object.entries(cases))("%s", async (_, { net, solver }) => {
    rmSync(join(folder, "parts"), { recursive: true, force: true });
    writeFileSync(join(folder, "net.prototxt"), netText(net));
    const run = async (more: Record<string, string | number>, argv: string[] = []) => {
      const settings = { ...solver, test_interval: 4, display: 2, ...more };
      const outcome = await trainIn(folder, settings, ["--no-report", ...argv]);
      expect([outcome.code, outcome.err]).toEqual([0, ""]);
    };
    await run({ snapshot_prefix: '"whole/net"' });
    await run({ snapshot_prefix: '"parts/net"', max_iter: 5 });
    await run({ snapshot_prefix: '"parts/net"' }, ["--resume"]);
    const [whole, parts] = ["whole/net_iter_10", "parts/net_iter_10"].map((stem) =>
      snapshotBytes(folder, stem),
    );
    expect(parts?.[0]?.equals(whole?.[0] ?? Buffer.of())).toBe(true);
    // The solver states differ in the name of the weights alone, which is as long.
    const renamed = Buffer.from(
      parts?.[1]?.toString("latin1").replace("parts/", "whole/") ?? "",
      "latin1",
    );
    expect(renamed.equals(whole?.[1] ?? Buffer.of())).toBe(true);
    // The same with a seed of its own ends elsewhere: randomness does play a part.
    if (solver !== undefined || net !== undefined) {
      await run({ snapshot_prefix: '"other/net"', random_seed: 6 });
      expect(snapshotBytes(folder, "other/net_iter_10")[0]?.equals(whole?.[0] ?? Buffer.of())).toBe(
        false,
      );
    }
  });
});

describe("a snapshot", () => {
  it("is found with its weights where both were moved to, and its run's records go on", async () => {
    writeFileSync(join(folder, "net.prototxt"), netText());
    const prefix = { snapshot_prefix: '"moved/net"' };
    expect((await trainIn(folder, { ...prefix, snapshot: 4, max_iter: 8 })).code).toBe(0);
    const lines = (): readonly { type: string; iteration: number }[] =>
      readFileSync(join(folder, "moved", "net.jsonl"), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { type: string; iteration: number });
    const iterations = (type: string): readonly number[] =>
      lines().flatMap((one) => (one.type === type ? [one.iteration] : []));
    expect(iterations("display")).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(iterations("test")).toEqual([0, 5]);
    expect(iterations("snapshot")).toEqual([4, 8]);
    // The line that a killed run leaves.
    writeFileSync(join(folder, "moved", "net.jsonl"), '{"type":"displ', { flag: "a" });
    for (const ending of ["caffemodel", "solverstate"]) {
      renameSync(join(folder, "moved", `net_iter_4.${ending}`), join(folder, `kept.${ending}`));
    }
    renameSync(join(folder, "kept.caffemodel"), join(folder, "net_iter_4.caffemodel"));
    const { code, out } = await trainIn(folder, { ...prefix, max_iter: 6 }, [
      "--snapshot=kept.solverstate",
    ]);
    expect(code).toBe(0);
    expect(out).toContain("Resuming from ");
    expect(iterations("start")).toEqual([0, 4]);
    expect(iterations("display")).toEqual([0, 1, 2, 3, 4, 5]);
    expect(iterations("test")).toEqual([0, 5]);
    expect(iterations("snapshot")).toEqual([4, 6]);
  });

  it("of another network or solver is refused; a lost caffemodel is named", async () => {
    writeFileSync(join(folder, "net.prototxt"), netText());
    const prefix = { snapshot_prefix: '"wrong/net"', max_iter: 2, test_interval: 100 };
    expect((await trainIn(folder, prefix)).code).toBe(0);
    const snapshot = "--snapshot=wrong/net_iter_2.solverstate";
    const adam = await trainIn(folder, { ...prefix, type: '"Adam"' }, [snapshot]);
    expect([adam.code, adam.out]).toEqual([2, ""]);
    expect(adam.err).toContain("another number of histories");
    const both = await trainIn(folder, prefix, [snapshot, "--weights=wrong/net_iter_2.caffemodel"]);
    expect(both.code).toBe(2);
    rmSync(join(folder, "wrong", "net_iter_2.caffemodel"));
    const lost = await trainIn(folder, prefix, [snapshot]);
    expect(lost.code).toBe(2);
    expect(lost.err).toMatch(/net_iter_2\.solverstate.*net_iter_2\.caffemodel/);
  });

  it("--resume without one begins anew and says so", async () => {
    const { code, err } = await trainIn(
      folder,
      { snapshot_prefix: '"none/net"', max_iter: 1, test_interval: 100 },
      ["--resume"],
    );
    expect(code).toBe(0);
    expect(err).toContain("training begins anew");
  });
});

describe("ImageData", () => {
  it("shuffles by the seed, and goes on in the same order", async () => {
    const names = Array.from({ length: 9 }, (_, at) => `p${at}.bmp`);
    for (const [at, name] of names.entries()) writeFileSync(join(folder, name), bmp(at));
    const list = names.map((name, at) => `${name} ${at % 3}\n`).join("");
    writeFileSync(join(folder, "list.txt"), list);
    const layer = `layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
      image_data_param { source: "list.txt" batch_size: 4 shuffle: true } transform_param { scale: 0.01 } }`;
    const text = netText().replace(
      /layer \{\n {2}name: "data" type: "Data" [^}]*TRAIN[\s\S]*?\} \}\n/,
      layer,
    );
    expect(text).toContain("ImageData");
    writeFileSync(join(folder, "net.prototxt"), text);
    const settings = { test_interval: 100, display: 0 };
    const run = async (prefix: string, more: object, argv: string[] = []) => {
      const all = { ...settings, snapshot_prefix: `"${prefix}"`, ...more };
      expect((await trainIn(folder, all, ["--no-report", ...argv])).err).toBe("");
    };
    await run("list/a", {});
    await run("list/b", { max_iter: 3 });
    await run("list/b", {}, ["--resume"]);
    await run("list/c", { random_seed: 9 });
    const [a, b, c] = ["a", "b", "c"].map(
      (name) => snapshotBytes(folder, `list/${name}_iter_10`)[0],
    );
    expect(a?.equals(b ?? Buffer.of())).toBe(true);
    expect(a?.equals(c ?? Buffer.of())).toBe(false);
  });
});

/** The drawn picture as an uncompressed BMP, bottom row first. */
function bmp(index: number): Uint8Array {
  const { data } = drawnPicture(index);
  const row = 4 * Math.ceil((3 * side) / 4);
  const bytes = new Uint8Array(54 + row * side);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, side, true);
  view.setInt32(22, side, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let y = 0; y < side; y += 1) {
    for (let at = 0; at < 3 * side; at += 1) {
      const plane = at % 3;
      const pixel = plane * side * side + y * side + Math.floor(at / 3);
      bytes[54 + (side - 1 - y) * row + at] = data[pixel] ?? 0;
    }
  }
  return bytes;
}
