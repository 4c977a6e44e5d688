/**
 * Conversions end to end against the reference converter's numbers: net.json, coefficients, parameters and FC files.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCoefficients } from "../src/chips/gti/files/coefficients-text.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import type { Node } from "../src/ir/ops.ts";
import { convertJob } from "../src/job/convert.node.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-convert-vectors-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Facts = {
  readonly name: string;
  readonly template_json?: unknown;
  readonly net_json?: unknown;
};

function factsOf(vectors: string): ReadonlyMap<string, Facts> {
  const { cases } = JSON.parse(readFileSync(join(vectors, "convert.json"), "utf8")) as {
    readonly cases: readonly Facts[];
  };
  return new Map(cases.map((one) => [one.name, one]));
}

const all = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "convert");
const whole = all.filter(({ outputs }) => outputs["filter.txt"] !== undefined);

/** The case's network and weights as files, and a full model with a FC operation of both kinds. */
function place({ params, inputs }: VectorCase, facts: Facts, at: string): void {
  mkdirSync(at);
  const prototxt = { name: "p", bytes: new TextEncoder().encode(String(params["prototxt"])) };
  const graph = readCaffe({ prototxt });
  const nodes = graph.nodes.map((node): Node => {
    const [, layer = "", what = ""] = /^(.*)\.(weight|bias)$/.exec(node.id) ?? [];
    const given = inputs[`init/${layer}/${what === "weight" ? 0 : 1}`];
    if (node.op !== "const" || given === undefined) return node;
    return { ...node, attrs: { tensor: given } };
  });
  writeFileSync(join(at, "a.prototxt"), String(params["prototxt"]));
  writeFileSync(join(at, "b.caffemodel"), writeCaffe({ ...graph, nodes }).caffemodel);
  writeFileSync(join(at, "network.json"), JSON.stringify(facts.template_json));
  const layer = [
    { name: "reader", operation: "IMAGEREADER" },
    { name: "cnn", operation: "GTICNN", "data file": "coef.dat" },
    { name: "fc6", operation: "FC", "data file": "fc6.bin" },
    { name: "fc", operation: "FC", "data file": "fc.bin" },
  ];
  writeFileSync(join(at, "full.json"), JSON.stringify({ name: "synthetic", layer }));
}

describe.skipIf(vectorsFolder === undefined)("the reference converter", () => {
  const known = vectorsFolder === undefined ? new Map<string, Facts>() : factsOf(vectorsFolder);

  it("has cases with all files", () => {
    expect(whole.length).toBeGreaterThanOrEqual(8);
  });

  it.each(whole.map((one) => [one.name, one] as const))("%s", async (name, one) => {
    const facts = known.get(name);
    if (facts === undefined) throw new Error(`no facts of ${name}`);
    const at = join(folder, name.replaceAll("/", "_"));
    place(one, facts, at);
    const waive = ["image-size", "channels", "coefficient-bits"] as const;
    await convertJob(
      {
        model: [join(at, "a.prototxt"), join(at, "b.caffemodel")],
        network: join(at, "network.json"),
        fullModel: join(at, "full.json"),
        chip: { waive },
        editGain: false,
        likeMdk: true,
        debug: true,
        out: join(at, "out"),
        force: false,
      },
      { device: "cpu", threads: 1, seed: 0, command: ["inlay", "convert"] },
    );
    const file = (path: string): Uint8Array => readFileSync(join(at, "out", path));
    const bytesOf = (key: string): Uint8Array => one.outputs[key]?.data as Uint8Array;
    expect(JSON.parse(new TextDecoder().decode(file("net.json")))).toEqual(facts.net_json);
    for (const key of ["cnn.param", "fc.param", "fxp_shift_bits.txt"]) {
      expect(Buffer.compare(file(`debug/${key}`), bytesOf(key)), key).toBe(0);
    }
    for (const key of ["fc6.bin", "fc.bin"]) {
      expect(Buffer.compare(file(key), bytesOf(key)), key).toBe(0);
    }
    for (const key of ["filter.txt", "bias.txt"]) {
      const wanted = one.outputs[key]?.data as Float64Array;
      const path = `debug/common_format/${key}`;
      const [values] = readCoefficients({ name: path, bytes: file(path) }, [wanted.length]);
      expect(values?.every((value, index) => Object.is(value, Math.fround(wanted[index]!)))).toBe(
        true,
      );
    }
  });
});
