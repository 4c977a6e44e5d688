/**
 * The dumps of a bit match: written, and a board's own read in the simulation's place; and what a board gives at all.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { BitMatchJob } from "../src/job/options.ts";
import {
  converted,
  definition,
  expectSums,
  folder,
  kinds,
  matched,
  one,
  useFolder,
} from "./bit-match-setup.ts";
import { kitFiles, tinyNetwork, tinyText } from "./kit-network.ts";

useFolder();

describe("dumps", () => {
  const model = "2803, five bits";
  let dumps = "";
  beforeAll(async () => {
    const at = await converted(model, kitFiles(tinyText("FIVE_BITS", 12), 5), tinyNetwork(2803, 5));
    dumps = join(at, "evaluate_output");
    await matched(at, { images: one(4), writeDumps: dumps });
  });

  /** A copy of the chip's dumps as a board's folder. */
  function board(name: string): string {
    const at = join(folder, `board ${name}`);
    cpSync(join(dumps, "chip"), at, { recursive: true });
    return at;
  }

  const compare = (folderOfDumps: string, more: Partial<BitMatchJob> = {}) =>
    matched(join(folder, model), { images: one(4), dumps: folderOfDumps, ...more });

  it("are written as the kit names and shapes them, times 8 before fully connected layers", async () => {
    const names = readdirSync(dumps, { recursive: true }).map(String).toSorted();
    expect(
      names.filter((name) => /\.(bin|txt)$/.test(name)).map((name) => name.replaceAll("\\", "/")),
    ).toEqual([
      ...["caffe/conv1.bin", "caffe/conv2.bin", "caffe/conv3.bin"],
      ...[1, 2].map((sublayer) => `chip/dump_sublayer1-${sublayer}.bin`),
      ...["chip/dump_sublayer2-1.bin", "evaluate_log.txt"],
    ]);
    const levels = await definition(join(folder, model, "out", "out.model"), 4);
    for (const [conv, chip] of [
      ["conv1", "1-1"],
      ["conv2", "1-2"],
      ["conv3", "2-1"],
    ] as const) {
      const wanted = Uint8Array.from(levels.get(conv)!, (level) => 8 * level);
      expect(Buffer.compare(readFileSync(join(dumps, "caffe", `${conv}.bin`)), wanted)).toBe(0);
      const bytes = readFileSync(join(dumps, "chip", `dump_sublayer${chip}.bin`));
      expect(Buffer.compare(bytes, wanted)).toBe(0);
    }
    const log = readFileSync(join(dumps, "evaluate_log.txt"), "utf8");
    expect(log).toContain("1 of 1 pictures match (100.00 %)");
  });

  it("are not written over unasked", async () => {
    const again = { images: one(4), writeDumps: dumps };
    await expect(matched(join(folder, model), again)).rejects.toThrow(/written over/);
    expect((await matched(join(folder, model), { ...again, force: true })).isEqual).toBe(true);
  });

  it("of a board are read in the simulation's place, from the folder or from chip/ in it", async () => {
    for (const at of [board("sound"), dumps]) {
      const report = await compare(at);
      expect(report).toMatchObject({ isEqual: true, dumps: at });
      expect(report.warnings).toEqual([]);
    }
  });

  it("are taken without the factor too, as levels", async () => {
    const at = board("plain");
    for (const name of readdirSync(at)) {
      const bytes = readFileSync(join(at, name));
      writeFileSync(
        join(at, name),
        bytes.map((byte) => byte / 8),
      );
    }
    expect((await compare(at)).isEqual).toBe(true);
  });

  it("with one byte changed: the layer, the position, and what the simulation gives", async () => {
    const at = board("changed");
    const path = join(at, "dump_sublayer1-2.bin");
    const bytes = readFileSync(path);
    const index = (7 * 28 + 20) * 28 + 3;
    const level = bytes[index]! / 8;
    const other = level === 31 ? 30 : level + 1;
    bytes[index] = 8 * other;
    writeFileSync(path, bytes);
    const { difference, layers } = await compare(at);
    expect(layers?.map(({ equalValues }) => equalValues)).toEqual([12544, 12543, 6272]);
    expect(difference).toMatchObject({
      ...{ layer: "conv2", channel: 7, row: 20, column: 3 },
      ...{ expected: level, got: other, simulated: level },
    });
    expect(kinds(difference)[0]).toBe("board");
    expectSums(difference!);
  });

  it("of an accumulator that wraps: the width that explains them", async () => {
    const at = join(folder, "wrapped");
    const accumulator = { bits: 13, overflow: "wrap" } as const;
    await matched(join(folder, model), { images: one(4), writeDumps: at, accumulator });
    const { difference } = await compare(at);
    expect(kinds(difference)).toContain("overflow");
    const wraps = difference?.causes.find(({ message }) => message.includes("wraps"))?.message;
    expect(wraps).toMatch(/overflows an accumulator of \d+ bits/);
  });

  it("that are missing: what there is counts, what the modes promise is told", async () => {
    const at = board("missing");
    rmSync(join(at, "dump_sublayer1-1.bin"));
    rmSync(join(at, "dump_sublayer2-1.bin"));
    const { isEqual, layers, warnings } = await compare(at);
    expect(isEqual).toBe(true);
    expect(layers?.map(({ equalValues }) => equalValues)).toEqual([null, 12544, null]);
    expect(warnings).toMatchObject([{ id: "missing-dumps", where: at }]);
    expect(warnings[0]?.message).toContain("conv3");
    const empty = join(folder, "empty");
    mkdirSync(empty);
    await expect(compare(empty)).rejects.toThrow(/no dumps.*dump_sublayer1-1\.bin/);
    await expect(compare(join(folder, "nowhere"))).rejects.toThrow(/no such file or folder/);
  });

  it("of a wrong size, or with what is no level, are refused by name", async () => {
    const at = board("short");
    const path = join(at, "dump_sublayer1-2.bin");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(1));
    await expect(compare(at)).rejects.toThrow(
      /dump_sublayer1-2\.bin: conv2: a dump has the wrong length: expected 16x28x28 = 12544 bytes, got 12543/,
    );
    bytes[100] = 9;
    writeFileSync(path, bytes);
    await expect(compare(at)).rejects.toThrow(/dump_sublayer1-2\.bin:100: conv2.*multiples of 8/);
  });

  it("are of one picture", async () => {
    const job = { images: { path: join(folder, "pictures") } };
    await expect(compare(board("many"), job)).rejects.toThrow(
      /dumps are of one picture.*5 pictures/,
    );
  });
});

describe("output modes", () => {
  type Layer = Record<string, unknown>;

  /** The sound model with other flags in its network JSON. */
  function flagged(name: string, flags: readonly Layer[]): string {
    const at = join(folder, `modes ${name}`);
    cpSync(join(folder, "2803, five bits"), at, { recursive: true });
    const path = join(at, "out", "net.json");
    const net = JSON.parse(readFileSync(path, "utf8")) as { layer: Layer[] };
    const layer = net.layer.map((one, major) => ({ ...one, ...flags[major] }));
    writeFileSync(path, JSON.stringify({ ...net, layer }));
    return at;
  }

  it("say what a board gives", async () => {
    const outputs = async (at: string) =>
      (await matched(at, { images: one(0) })).layers?.map(({ output }) => output);
    const learning = flagged("learning", [{ learning: true }, { learning: true }]);
    expect(await outputs(learning)).toEqual(["learning", "learning", "learning"]);
    const last = flagged("last", [{ last_layer_out: true }, {}]);
    expect(await outputs(last)).toEqual([null, "last_layer_out", "last layer"]);
  });

  it("exclude each other in a model", async () => {
    const at = flagged("both", [{ learning: true }, { last_layer_out: true }]);
    await expect(matched(at)).rejects.toThrow(/last_layer_out.*one output mode in a model/);
  });

  it("exclude each other over the chips of a cascade", async () => {
    const at = join(folder, "modes cascade");
    const network = { ...tinyNetwork(2803, 12), model: [{ ChipType: 2803, ChipNumber: 2 }] };
    await converted("modes cascade", kitFiles(tinyText("DYNAMIC_FIXED_POINT", 12), 12), network);
    for (const [name, flag] of [
      ["net_chip1.json", "learning"],
      ["net_chip2.json", "last_layer_out"],
    ] as const) {
      const path = join(at, "out", name);
      const net = JSON.parse(readFileSync(path, "utf8")) as { layer: Layer[] };
      net.layer[0]![flag] = true;
      writeFileSync(path, JSON.stringify(net));
    }
    await expect(matched(at)).rejects.toThrow(
      /learning and last_layer_out exclude each other.*net_chip1\.json.*net_chip2\.json/,
    );
  });
});
