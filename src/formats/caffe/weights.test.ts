/** Initial values of a network in training: from a file, by fillers, shared. */
import { describe, expect, it } from "vitest";
import { create } from "../../protobuf/create.ts";
import { caffeSchema, type LayerInit, type LayerParameter } from "./schema/schema.ts";
import { layerWeight, type WeightSpec, weightStore } from "./weights.ts";

const layer = (fields: LayerInit): LayerParameter =>
  create(caffeSchema, "LayerParameter", { type: "InnerProduct", bottom: ["x"], ...fields });

const gaussian = { type: "gaussian", std: 1 };
const spec: WeightSpec = { index: 0, count: 1, shape: [3, 4], filler: gaussian };

describe("layerWeight with a seed", () => {
  it("draws by layer and blob, whatever other layers there are", () => {
    const [a, b] = [layer({ name: "a" }), layer({ name: "b" })];
    const store = weightStore([a, b], undefined, { seed: 5 });
    const first = layerWeight(store, a, spec);
    expect(layerWeight(store, b, spec)).not.toEqual(first);
    expect(layerWeight(store, a, { ...spec, index: 1 })).not.toEqual(first);
    expect(layerWeight(weightStore([a], undefined, { seed: 5 }), a, spec)).toEqual(first);
    expect(layerWeight(weightStore([a], undefined, { seed: 6 }), a, spec)).not.toEqual(first);
    expect([...store.filled]).toEqual(["a", "b"]);
    expect(store.missing.size).toBe(0);
  });

  it("gives layers that share a parameter the owner's values", () => {
    const [a, b] = ["a", "b"].map((name) => layer({ name, param: [{ name: "shared" }] }));
    if (a === undefined || b === undefined) throw new Error("two layers");
    const store = weightStore([a, b], undefined, { seed: 5 });
    const owned = layerWeight(store, a, spec);
    expect(layerWeight(store, b, { ...spec, filler: { type: "constant" } })).toEqual(owned);
    expect(() => layerWeight(store, b, { ...spec, shape: [5] })).toThrow("need different sizes");
  });

  it("takes what a file has", () => {
    const given = layer({ name: "a" });
    const blobs = [{ shape: { dim: [3, 4] }, data: new Float32Array(12).fill(7) }];
    const store = weightStore([given], [layer({ name: "a", blobs })], { seed: 5 });
    expect(layerWeight(store, given, spec).data).toEqual(new Float32Array(12).fill(7));
    expect(store.filled.size).toBe(0);
  });

  it.each<[LayerInit, number]>([
    [{ type: "Scale" }, 1],
    [{ type: "Scale", bottom: ["x", "y"] }, 0],
    [{ type: "PReLU" }, 0.25],
    [{ type: "Normalize" }, 1],
    [{ type: "Convolution" }, 0],
  ])("gives %o without a filler what Caffe gives it: %f", (fields, value) => {
    const given = layer({ name: "a", ...fields });
    const store = weightStore([given], undefined, { seed: 5 });
    const wanted = { index: 0, count: 1, shape: [2] };
    expect([...layerWeight(store, given, wanted).data]).toEqual([value, value]);
  });

  it("names the layer whose filler is unknown, and one that is too large", () => {
    const given = layer({ name: "a" });
    const store = weightStore([given], undefined, { seed: 5 });
    const unknown = { ...spec, filler: { type: "zeros" } };
    expect(() => layerWeight(store, given, unknown)).toThrow('layer "a": no such filler');
    const huge = { ...spec, shape: [2 ** 14, 2 ** 14] };
    expect(() => layerWeight(store, given, huge)).toThrow("too large to make up");
  });
});

describe("layerWeight without a seed", () => {
  it("counts a random filler as missing", () => {
    const given = layer({ name: "a" });
    const store = weightStore([given], undefined);
    expect(layerWeight(store, given, spec).data).toEqual(new Float32Array(12));
    expect([...store.missing]).toEqual(["a"]);
  });
});
