/**
 * A vendor's library called for the chip's image: a small one made here, which writes down what it is given. Needs a C
 * compiler and the package koffi.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decomposeModel } from "../src/chips/gti/files/model.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { convertJob } from "../src/job/convert.node.ts";
import type { ConvertJob } from "../src/job/options.ts";
import { vendorImage } from "../src/job/vendor-library.node.ts";
import { kitFiles, tinyNetwork, tinyText } from "./kit-network.ts";

const compiler = process.env["CC"] ?? "cc";
const hasCompiler = spawnSync(compiler, ["--version"]).status === 0;
const hasKoffi = ((): boolean => {
  try {
    createRequire(import.meta.url).resolve("koffi");
    return true;
  } catch {
    return false;
  }
})();

const source = `
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
static long lines(const char *path) {
  FILE *file = fopen(path, "r");
  long count = 0;
  int c;
  if (!file) return -1;
  while ((c = fgetc(file)) != EOF) if (c == '\\n') count++;
  fclose(file);
  return count;
}
int GtiConvertInternalToSDK(const char *json, const char *filter, const char *bias, const char *chip,
                            const char *dat, const char *tb, const char *tmp, int debug) {
  FILE *out;
  if (getenv("INLAY_TEST_CRASH")) abort();
  printf("chip %s, %ld weights, %ld biases, debug %d, json %ld\\n", chip, lines(filter), lines(bias), debug,
         lines(json));
  if (!strstr(tb, "coef.tb") || !tmp[0]) return 1;
  if (getenv("INLAY_TEST_NOTHING")) return 7;
  out = fopen(dat, "wb");
  fwrite("\\xaa\\xaa vendor", 1, 9, out);
  fclose(out);
  return 0;
}
`;

let folder = "";
let library = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-vendor-test-"));
  if (!hasCompiler || !hasKoffi) return;
  library = join(folder, "libgticonfig2803.so");
  writeFileSync(join(folder, "lib.c"), source);
  const words = ["-shared", "-fPIC", "-o", library, join(folder, "lib.c")];
  expect(spawnSync(compiler, words, { encoding: "utf8" }).stderr).toBe("");
});
afterAll(() => rmSync(folder, { recursive: true }));

const empty = {
  ...{ network: new Uint8Array(), filter: new Uint8Array(), bias: new Uint8Array() },
  ...{ chipType: 2803, debug: false },
};

it("a library that is not there is named", async () => {
  await expect(vendorImage("/no/such/lib.so", empty)).rejects.toThrow(/no such library/);
});

it.skipIf(hasKoffi)("without koffi the error says how to get it", async () => {
  const file = join(folder, "some.so");
  writeFileSync(file, "x");
  await expect(vendorImage(file, empty)).rejects.toThrow(/npm install koffi/);
});

describe.skipIf(!hasCompiler || !hasKoffi)("the library", () => {
  it("writes the device's image; the simulator's model stays beside it", async () => {
    const files = kitFiles(tinyText("TWO_BITS", 12), 2);
    const at = join(folder, "net");
    mkdirSync(at);
    writeFileSync(join(at, "a.prototxt"), files.prototxt);
    writeFileSync(join(at, "b.caffemodel"), files.caffemodel);
    writeFileSync(join(at, "network.json"), JSON.stringify(tinyNetwork(2803, 2)));
    const job: ConvertJob = {
      model: [join(at, "a.prototxt"), join(at, "b.caffemodel")],
      network: join(at, "network.json"),
      chip: { waive: [] },
      ...{ editGain: false, likeMdk: false, debug: false, force: false },
      vendorLibrary: library,
      out: join(at, "out"),
    };
    const context = { device: "cpu", threads: 1, seed: 0, command: ["inlay"] } as const;
    const report = await convertJob(job, context);
    expect(report.image).toBe("vendor");
    const path = join(at, "out", "out.model");
    const { data } = decomposeModel({ name: path, bytes: readFileSync(path) });
    expect(data[0]?.file).toBe("coef.dat");
    expect(new TextDecoder("latin1").decode(data[0]?.bytes)).toBe("\xaa\xaa vendor");
    const log = readFileSync(join(at, "out", "vendor.log"), "utf8");
    const weights = 9 * (3 * 16 + 16 * 16 + 16 * 32);
    expect(log).toContain(`chip GTI2803, ${weights} weights, ${16 + 16 + 32} biases, debug 0`);
    expect(log).toContain("GtiConvertInternalToSDK gave 0");
    await expect(readChipModel(path)).rejects.toThrow(/vendor's image, which cannot be simulated/);
    const model = await readChipModel(join(at, "out", "simulation.model"));
    expect(model.chips[0].meta.sublayers).toHaveLength(3);
  });

  it.each([
    ["INLAY_TEST_NOTHING", /did not write an image; it said\n.*chip GTI2803.*got no image/s],
    ["INLAY_TEST_CRASH", /did not write an image.*got signal SIGABRT/s],
  ])("that fails is told with its log: %s", async (variable, message) => {
    process.env[variable] = "1";
    try {
      await expect(vendorImage(library, empty)).rejects.toThrow(message);
    } finally {
      delete process.env[variable];
    }
  });
});
