/**
 * The files of a converted network beyond what a conversion writes: the refined network for the kit, networks without
 * major layers, and models that somebody has changed.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeChipImage, encodeChipImage } from "../src/chips/gti/files/image.ts";
import { composeModel } from "../src/chips/gti/files/model.ts";
import type { JsonObject } from "../src/chips/gti/json-text.ts";
import { mapToChip } from "../src/chips/gti/map/map-to-chip.ts";
import { gti2803, gti5801 } from "../src/chips/gti/targets.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { nodesOf } from "../src/ir/graph.ts";
import { type ChipFilesOptions, chipFiles } from "../src/job/chip/chip-files.ts";
import { parseChipModel } from "../src/job/chip/chip-model.ts";
import { refinedProgram } from "../src/job/chip/refined-program.ts";
import { scalarGraph, simulationGraph } from "../src/job/chip/simulation-graph.ts";
import { convertJob } from "../src/job/convert.node.ts";
import { writeOutputs } from "../src/job/write-outputs.node.ts";
import type { Warning } from "../src/notice.ts";
import { canonicalize } from "../src/passes/pipeline.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import type { LayeredTarget } from "../src/target/layered-target.ts";
import { joinBytes } from "../src/tensor/chunks.ts";
import { tensor, toNumbers } from "../src/tensor/tensor.ts";
import { tinyText, withRandomWeights } from "./kit-network.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-chip-files-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const context = { device: "cpu", threads: 1, seed: 0, command: ["inlay"] } as const;

/** The program of a kit network, and options for its files. */
function programOf(
  prototxt: string,
  target: LayeredTarget,
  bits: 2 | 8 | 12,
  waive = new Set<never>(),
) {
  const graph = canonicalize(withRandomWeights(prototxt, 6));
  const mapping = mapToChip(graph, target, { coefficientBits: bits, waive });
  const program = refinedProgram(mapping, {
    ...{ target, activationBitMode: 0, editGain: false, inputScale: 1, likeMdk: false },
  });
  const warnings: Warning[] = [];
  const options: ChipFilesOptions = {
    ...{ name: "tiny", modelFile: "tiny.model", preprocess: defaultPreprocess, waived: [] },
    ...{ layout: mapping.layout, chips: 1, debug: false, caffe: true },
    ...{ started: "2024-05-01 12:00:00", commands: ["inlay"] },
    onWarning: (warning) => warnings.push(warning),
  };
  return { program, options, warnings };
}

describe("the refined network for the kit", () => {
  const upsample = readFileSync(
    new URL("../examples/gti/upsample-zeros-5801.prototxt", import.meta.url),
    "utf8",
  );

  it.each([
    ["with upsampling", upsample, gti5801, 8],
    ["with a host part", tinyText("TWO_BITS", 12), gti2803, 2],
  ] as const)("%s converts to the same image", async (name, text, target, bits) => {
    const { program, options, warnings } = programOf(text, target, bits);
    const { files } = chipFiles(program, options);
    expect(warnings.map(({ id }) => id)).toEqual([]);
    const at = join(folder, name);
    await writeOutputs(at, files, { force: false });
    expect(readFileSync(join(at, "tiny.prototxt"), "utf8")).toMatch(
      /^# Refined for gti\d+: .*float/,
    );
    const job = {
      model: [join(at, "tiny.prototxt"), join(at, "tiny.caffemodel")],
      network: join(at, "network.json"),
      fullModel: join(at, "fullmodel.json"),
      chip: { waive: [] },
      ...{ editGain: false, likeMdk: false, debug: false, force: false },
      out: join(at, "out"),
    };
    await convertJob(job, context);
    const image = (path: string) => {
      const { graph } = decodeChipImage({ name: path, bytes: readFileSync(join(at, path)) });
      return nodesOf(graph, "const").map(({ attrs }) => attrs.tensor);
    };
    expect(image("out/coef.dat")).toEqual(image("coef.dat"));
    expect(readFileSync(join(at, "out", "net.json"), "utf8")).toBe(
      readFileSync(join(at, "net.json"), "utf8"),
    );
  });
});

describe("the weights of the host", () => {
  it("lie in memory once, in however many files they stand", () => {
    const wide = tinyText("TWO_BITS", 12)
      .replace("num_output: 9", "num_output: 300")
      .replace("num_output: 7", "num_output: 70");
    const { program, options } = programOf(wide, gti2803, 2);
    const { files } = chipFiles(program, options);
    const weights = nodesOf(program.mapping.graph, "const")
      .map(({ attrs }) => attrs.tensor.data)
      .find(({ length }) => length === 70 * 300);
    const holders = [...files].filter(
      ([, content]) =>
        Array.isArray(content) &&
        content.some(
          ({ buffer, byteLength }) =>
            buffer === weights?.buffer && byteLength === weights?.byteLength,
        ),
    );
    expect(holders.map(([name]) => name.replace(/^(?!host\.).*\.bin$/, "fc.bin"))).toEqual([
      ...["fc.bin", "host.onnx", "host.bin", "tiny.caffemodel", "tiny.model"],
    ]);
  });
});

describe("a network without major layers", () => {
  it("is simulated all the same, marked, and has no net.json", async () => {
    const large = tinyText("TWO_BITS", 12).replace(
      "num_output: 32 kernel_size: 3 pad: 1",
      "num_output: 32 kernel_size: 5 pad: 2",
    );
    const waive: never = "kernel" as never;
    const { program, options } = programOf(large, gti2803, 2, new Set([waive]));
    expect(options.layout).toBeUndefined();
    const { files, model: chunks } = chipFiles(program, { ...options, waived: ["kernel"] });
    expect([...files.keys()]).toEqual(
      expect.not.arrayContaining(["net.json", "network.json", "log.txt"]),
    );
    const model = parseChipModel({ name: "tiny.model", bytes: joinBytes(chunks) });
    expect(model.chips[0].meta).toMatchObject({ waived: ["kernel"], chip: 1, chips: 1 });
    const x = tensor("float32", [1, 3, 28, 28], new Float32Array(3 * 28 * 28).fill(100));
    const [wanted, got] = [scalarGraph(model), simulationGraph(model)].map((graph) => {
      const [value] = runScalar(graph, new Map([["data", x]])).values();
      return value === undefined ? [] : toNumbers(value);
    });
    expect(got).toHaveLength(7);
    expect(got).toEqual(wanted);
  });
});

describe("a model that somebody has changed", () => {
  const { program, options } = programOf(tinyText("TWO_BITS", 12), gti2803, 2);
  const { data, header } = chipFiles(program, { ...options, caffe: false });
  const image = joinBytes(data.get("coef.dat") ?? []);
  const { graph, meta } = decodeChipImage({ name: "coef.dat", bytes: image });
  const layers = header.fullModel.layers as readonly JsonObject[];
  const model = (layer: readonly JsonObject[], bytes: Uint8Array) => {
    const chunks = composeModel({ name: "x", layer }, new Map([...data, ["coef.dat", [bytes]]]));
    return parseChipModel({ name: "x.model", bytes: joinBytes(chunks) });
  };

  it("is read where nothing is wrong", () => {
    expect(model(layers, image).chips[0].meta.sublayers).toHaveLength(3);
  });

  it.each([
    ["sublayers", undefined],
    ["sublayers", [{ conv: 3 }]],
    ["outputs", [{ id: "pool2", levelsPerUnit: 0 }]],
    ["entry", "nowhere"],
    ["preprocess", { ...defaultPreprocess, scale: 0 }],
    ["preprocess", { ...defaultPreprocess, crop: 1e9 }],
    ["chips", 3],
    ["entry", "chip"],
  ])("names a wrong %s", (key, value) => {
    const changed = JSON.parse(JSON.stringify({ ...meta, [key]: value }));
    expect(() => model(layers, encodeChipImage(graph, changed))).toThrow(/x\.model/);
  });

  it("names outputs that are not there, foreign operations, missing chips", () => {
    const changed = { ...meta, outputs: [{ id: "nothing", levelsPerUnit: 1 }] };
    const lost = model(layers.slice(0, 2), encodeChipImage(graph, changed));
    expect(() => scalarGraph(lost)).toThrow(/not in its image.*|"nothing"/);
    const odd = [...layers, { name: "odd", operation: "DANCE" }];
    expect(() => model(odd, image)).toThrow(/operation is not known.*DANCE/s);
    expect(() => model(layers.slice(0, 1), image)).toThrow(/no chip/);
  });
});
