/**
 * Example networks of the kit, converted and read back: the simulation against the kit's network itself, on the engine.
 * Both upsamplings, sample pooling, 1x1 and depthwise layers, shortcuts over several chips.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { simulationGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { convertJob } from "../src/job/convert.node.ts";
import { openSession } from "../src/run/session.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import { classifierText, convText, inputText, kitFiles, poolText } from "./kit-network.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-convert-examples-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** 28: 3 -> 16 x3 with a shortcut, P, 14: 16 -> 16 x4 with two. */
function residualText(): string {
  const spec = { outputs: 16, precision: "TWO_BITS", width: 12 } as const;
  const sum = (a: string, b: string, top: string): string => `
layer { name: "${top}" type: "Eltwise" bottom: "${a}" bottom: "${b}" top: "${top}"
  eltwise_param { operation: SUM } }
layer { name: "${top}_relu" type: "QuantReLU" bottom: "${top}" top: "${top}"
  quant_relu_param { act_bits: 5 quant_enable: true channel_shared: true filler { value: 31 } } }`;
  const bare = (bottom: string, name: string): string =>
    convText(bottom, { ...spec, name }).replace(/\nlayer \{ name: "[^"]*_relu"[\s\S]*$/, "");
  return [
    inputText(28),
    convText("data", { ...spec, name: "c1" }),
    ...[convText("c1", { ...spec, name: "c2" }), bare("c2", "c3"), sum("c3", "c1", "s1")],
    poolText("s1", "p1"),
    ...[convText("p1", { ...spec, name: "c4" }), bare("c4", "c5"), sum("c5", "p1", "s2")],
    ...[convText("s2", { ...spec, name: "c6" }), bare("c6", "c7"), sum("c7", "s2", "s3")],
    classifierText("s3", 7),
  ].join("");
}

const example = (name: string): string =>
  readFileSync(new URL(`../examples/gti/${name}.prototxt`, import.meta.url), "utf8");

async function run(graph: Graph, x: Tensor): Promise<readonly number[]> {
  const session = await openSession(graph, await nodeRuntime({ device: "cpu", threads: 1 }));
  const results = await session.run(new Map([[session.inputs[0] ?? "", x]]));
  await session.release();
  const value = results.get(graph.outputs[0]?.id ?? "");
  return value === undefined ? [] : toNumbers(value);
}

describe.each([
  ["upsample-repeat-5801", example("upsample-repeat-5801"), "gti5801", 1, 602_112],
  ["upsample-zeros-5801", example("upsample-zeros-5801"), "gti5801", 1, 602_112],
  ["mobilenet-224-2803", example("mobilenet-224-2803"), "gti2803", 1, 1000],
  ["residual", residualText(), "gti2803", 1, 7],
  ["residual on two chips", residualText(), "gti2803", 2, 7],
] as const)("%s", (name, text, target, chips, count) => {
  it("gives what the kit's network gives", async () => {
    const at = join(folder, name);
    mkdirSync(at);
    const files = kitFiles(text, 3);
    const [prototxt, caffemodel] = [join(at, "a.prototxt"), join(at, "b.caffemodel")];
    writeFileSync(prototxt, files.prototxt);
    writeFileSync(caffemodel, files.caffemodel);
    const report = await convertJob(
      {
        model: [prototxt, caffemodel],
        target,
        chip: { waive: [], chips },
        ...{ editGain: false, likeMdk: false, debug: false, force: false },
        out: join(at, "out"),
      },
      { device: "cpu", threads: 1, seed: 0, command: ["inlay", "convert"] },
    );
    expect(report).toMatchObject({ deployable: true, chips });
    const model = await readChipModel(join(at, "out", "out.model"));
    const graph = simulationGraph(model);
    const kit = readCaffe({
      prototxt: { name: prototxt, bytes: readFileSync(prototxt) },
      caffemodel: { name: caffemodel, bytes: readFileSync(caffemodel) },
    });
    const shape = nodesOf(graph, "input")[0]?.attrs.shape ?? [];
    const random = createRandom(5);
    const bytes = Float32Array.from({ length: elementCount(shape) }, () => random.below(256));
    const levels = bytes.map((value) => Math.min(((value >> 2) + 1) >> 1, 31));
    const got = await run(graph, tensor("float32", shape, bytes));
    const wanted = await run(kit, tensor("float32", shape, levels));
    expect([got.length, wanted.length]).toEqual([count, count]);
    expect(new Set(wanted).size).toBeGreaterThan(5);
    // Rounding is exact on both sides up to the chip's end; the host's float32 may differ in the last digits.
    const peak = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const far = wanted.findIndex((value, index) => {
      return Math.abs(value - (got[index] ?? Number.NaN)) > 1e-5 * peak;
    });
    expect(far).toBe(-1);
  });
});
