/** Host networks as full-model operations and back: the same function of the chip's values. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  expectClose,
  made,
  Net,
  operationsOf,
  run,
  termSize,
} from "../../../../test/gti-host-net.ts";
import type { Graph } from "../../../ir/graph.ts";
import { joinBytes } from "../../../tensor/chunks.ts";
import { composeModel, decomposeModel } from "../files/model.ts";
import { type FullModelLayer, fullModelOf } from "../full-model-json.ts";
import type { JsonObject } from "../json-text.ts";
import { gti2801 } from "../targets.ts";
import { hostGraphOf } from "./host-graph.ts";
import { hostLayersOf } from "./host-layers.ts";

/** One operation of a random network; undefined where it does not fit the value. */
const builders: readonly ((net: Net, id: string, size: number) => void)[] = [
  (net, id) => net.add("globalAvgPool", id),
  (net, id) => net.add("globalMaxPool", id),
  (net, id) => net.pool("avgPool", id, 2, 2),
  (net, id) => net.pool("maxPool", id, 2, 2, { ceil: true }),
  (net, id) => net.pool("maxPool", id, 1, 2),
  (net, id) => net.add("dropout", id, { ratio: 0.5 }),
  (net, id, outputs) => net.conv(id, outputs, [net.shape()[2] ?? 1, net.shape()[3] ?? 1]),
];

const randomNet = fc.record({
  channels: fc.integer({ min: 1, max: 5 }),
  side: fc.constantFrom(1, 2, 4, 8),
  seed: fc.integer({ min: 1, max: 1 << 20 }),
  unit: fc.constantFrom(1, 0.35, 1.7, 2 ** -5),
  scales: fc.boolean(),
  head: fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }),
  fcs: fc.array(
    fc.record({ outputs: fc.integer({ min: 1, max: 6 }), relu: fc.boolean(), bias: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  softmax: fc.boolean(),
});

function build({ channels, side, seed, unit, scales, head, fcs, softmax }: NetSpec): Net {
  const net = new Net([1, channels, side, side], seed);
  if (scales) net.scale("unit", unit);
  for (const [at, kind] of head.entries()) {
    const isTile = kind >= 2 && kind <= 4;
    if (isTile && (net.shape()[2] ?? 1) % 2 !== 0) continue;
    builders[kind]?.(net, `head${at}`, channels);
  }
  for (const [at, { outputs, relu, bias }] of fcs.entries()) {
    net.fc(`fc${at}`, outputs, bias);
    if (relu) net.relu(`relu${at}`);
    if (at === 0) net.add("identity", "same");
  }
  if (softmax) net.softmax("prob");
  return net;
}

type NetSpec = typeof randomNet extends fc.Arbitrary<infer T> ? T : never;

const empty = new Float64Array(0);

describe("host layers and back", () => {
  it("compute the same function of the chip's values", () => {
    fc.assert(
      fc.property(randomNet, (spec) => {
        const graph = build(spec).graph();
        const { layers, fc: files } = made(graph);
        const shape = [1, spec.channels, spec.side, spec.side];
        const again = hostGraphOf(layers, files, { shape });
        const [got, expected] = [again, graph].map((one) => run(one, shape, spec.seed));
        // Unfolded, or folded as a power of two, nothing is rounded at all.
        if (!spec.scales || Number.isInteger(Math.log2(spec.unit))) expect(got).toEqual(expected);
        else expectClose(got ?? empty, expected ?? empty, termSize(graph, shape, spec.seed));
        expect(layers.filter(({ operation }) => operation === "SOFTMAX").length).toBe(
          Number(spec.softmax),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("take a unit that the network does not apply", () => {
    const net = new Net([1, 3, 4, 4]).add("globalAvgPool", "pool").fc("fc", 4);
    const scaled = new Net([1, 3, 4, 4]).scale("s", 0.375).add("globalAvgPool", "pool").fc("fc", 4);
    const weights = (graph: Graph, unit: number) => made(graph, unit).fc.get("fc.bin");
    expect(weights(net.graph(), 0.375)).not.toEqual(weights(net.graph(), 1));
    expect(weights(net.graph(), 0.375)).toEqual(weights(scaled.graph(), 1));
  });

  it("keep the first bias and later weights as they are", () => {
    const graph = new Net([1, 2, 1, 1]).scale("s", 0.5).fc("fc1", 3).fc("fc2", 2).graph();
    const host = hostLayersOf(graph);
    if ("why" in host) throw new Error(host.why);
    const constant = (id: string) => {
      const node = graph.nodes.find((one) => one.id === id);
      return node?.op === "const" ? [...(node.attrs.tensor.data as Float32Array)] : [];
    };
    const [first, second] = ["fc1.bin", "fc2.bin"].map((file) => host.fc.get(file)?.[0]);
    expect([...(first?.weight ?? [])]).toEqual(constant("fc1.w").map((value) => value / 2));
    expect([...(first?.bias ?? [])]).toEqual(constant("fc1.b"));
    expect([...(second?.weight ?? [])]).toEqual(constant("fc2.w"));
  });

  it("of a classifier are those of the vendor's full models", () => {
    const net = new Net([1, 8, 7, 7])
      .scale("s", 0.7)
      .fc("fc6", 9)
      .relu("r")
      .add("dropout", "d", { ratio: 0.5 });
    const { layers } = made(net.fc("fc7", 5).softmax("prob").graph());
    const flat = { "output height": 1, "output width": 1 };
    const data = { operation: "FC", "data offset": 0, ...flat };
    expect(layers).toEqual([
      { name: "fc6", ...data, "output channels": 9, "data file": "fc6.bin", activation: "relu" },
      { name: "fc7", ...data, "output channels": 5, "data file": "fc7.bin" },
      { name: "prob", operation: "SOFTMAX", "output channels": 5, ...flat },
    ]);
  });

  it.each([
    [
      "average of all",
      new Net([1, 2, 7, 7]).pool("avgPool", "p", 7, 1).fc("f", 2),
      ["POOLING average", "FC"],
    ],
    ["tiles", new Net([1, 2, 4, 4]).pool("maxPool", "p", 2, 2).fc("f", 2), ["POOLING max", "FC"]],
    [
      "corners",
      new Net([1, 2, 4, 4]).pool("avgPool", "p", 1, 2).fc("f", 2),
      ["POOLING sample", "FC"],
    ],
    ["nothing", new Net([1, 2, 4, 4]).pool("maxPool", "p", 1, 1).add("identity", "i"), []],
    [
      "a convolution as FC",
      new Net([1, 2, 4, 4]).conv("c", 3, [4, 4], { stride: [2, 2] }).relu("r"),
      ["FC relu"],
    ],
    [
      "a pooling behind a reshape",
      new Net([1, 2, 1, 1]).add("reshape", "r", { shape: [-1, 2] }).fc("f", 2),
      ["FC"],
    ],
    [
      "only a factor of 1",
      new Net([1, 2, 2, 2]).scale("s", 1).add("globalAvgPool", "p"),
      ["POOLING average"],
    ],
    [
      "a power behind a pooling",
      new Net([1, 2, 2, 2])
        .add("globalAvgPool", "p")
        .add("power", "x", { power: 1, scale: 3, shift: 0 })
        .fc("f", 1),
      ["POOLING average", "FC"],
    ],
  ] as const)("%s", (_, net, expected) => {
    expect(operationsOf(net.graph())).toEqual(expected);
  });

  it("add, multiply and compare with earlier values", () => {
    const net = new Net([2, 3, 2, 2], 5).add("globalAvgPool", "p").fc("f1", 4).relu("r1");
    net
      .fc("f2", 4)
      .add("add", "sum", {}, "f2", "r1")
      .fc("f3", 4)
      .add("mul", "product", {}, "sum", "f3");
    const graph = net.add("maximum", "larger", {}, "product", "product").graph();
    const { layers, fc: files } = made(graph);
    expect(layers.map((layer) => layer["reference layer"]).filter(Boolean)).toEqual([
      "f1",
      "sum",
      "product",
    ]);
    const again = hostGraphOf(layers, files, { shape: [2, 3, 2, 2] });
    expect(run(again, [2, 3, 2, 2], 3)).toEqual(run(graph, [2, 3, 2, 2], 3));
  });

  it("multiply units with values, and keep them in sums", () => {
    const net = new Net([1, 3, 2, 2], 4).scale("s", 0.25).pool("maxPool", "p", 2, 2);
    net.add("mul", "square", {}, "p", "p").add("add", "twice", {}, "square", "square").fc("f", 2);
    const graph = net.graph();
    const { layers, fc: files } = made(graph);
    const again = hostGraphOf(layers, files, { shape: [1, 3, 2, 2] });
    expect(run(again, [1, 3, 2, 2], 3)).toEqual(run(graph, [1, 3, 2, 2], 3));
  });

  it("refer to the chip by its name", () => {
    const net = new Net([1, 3, 2, 2]).add("add", "twice", {}, "chip", "chip");
    const host = hostLayersOf(net.graph(), { chip: "cnn3" });
    expect(host).toMatchObject({ layers: [{ mode: "sum", "reference layer": "cnn3" }] });
  });

  it("pass through a .model file", () => {
    const graph = new Net([1, 4, 7, 7], 9)
      .scale("s", 0.4)
      .add("globalAvgPool", "p")
      .fc("fc", 3)
      .softmax("q")
      .graph();
    const { layers, fc: files } = made(graph);
    const model = fullModelOf([], gti2801, { name: "m", host: [] });
    const chip = {
      name: "cnn",
      operation: "GTICNN",
      mode: 5,
      "data file": "coef.dat",
      "output channels": 4,
      "output width": 7,
      "output height": 7,
    };
    const whole: JsonObject = { ...model.keys, layer: [...model.layers, chip, ...layers] };
    const content = new Map([...files].map(([name, bytes]) => [name, [bytes]]));
    const bytes = joinBytes(composeModel(whole, content.set("coef.dat", [new Uint8Array(5)])));
    const { header, data } = decomposeModel({ name: "m.model", bytes });
    const read = header["layer"] as readonly FullModelLayer[];
    const again = hostGraphOf(read, new Map(data.map(({ file, bytes: b }) => [file, b])), {
      shape: [1, 4, 7, 7],
    });
    const shape = [1, 4, 7, 7];
    expectClose(run(again, shape, 2), run(graph, shape, 2), termSize(graph, shape, 2));
  });
});
