/** Each host operation of a full model by values worked out by hand, and what the chip hands over. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fcFile, layer, size } from "../../../../test/gti-host-net.ts";
import { verify } from "../../../ir/verify.ts";
import type { Warning } from "../../../notice.ts";
import { runScalar } from "../../../run/scalar/run-scalar.ts";
import type { Shape } from "../../../tensor/shape.ts";
import { float32, toNumbers } from "../../../tensor/tensor.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import type { JsonObject } from "../json-text.ts";
import { hostGraphOf } from "./host-graph.ts";

/** Values of the network behind the layers, and what was warned of. */
function compute(
  layers: readonly FullModelLayer[],
  shape: Shape,
  values: readonly number[],
  files: Readonly<Record<string, Uint8Array>> = {},
) {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning): void => {
    warnings.push(warning);
  };
  const graph = verify(
    hostGraphOf(layers, new Map(Object.entries(files)), { shape, onWarning }),
    "imported",
  );
  const input = graph.nodes[0]?.id ?? "";
  const output = runScalar(graph, new Map([[input, float32(shape, values)]])).get(
    graph.outputs[0]?.id ?? "",
  );
  return {
    values: output ? toNumbers(output) : [],
    shape: output?.shape,
    warnings: warnings.map(({ id }) => id),
    graph,
  };
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);

describe("POOLING", () => {
  const map = upTo(16);
  it.each([
    ["average", [2.5, 4.5, 10.5, 12.5], []],
    ["max", [5, 7, 13, 15], []],
    ["sample", [0, 2, 8, 10], []],
    ["top_left", [0, 2, 8, 10], []],
    ["center", [5, 7, 13, 15], ["pooling-center"]],
  ] as const)("%s of tiles of 2x2", (mode, expected, warned) => {
    const { values, shape, warnings } = compute(
      [layer("POOLING", "p", { mode, ...size(1, 2) })],
      [1, 1, 4, 4],
      map,
    );
    expect([values, shape, warnings]).toEqual([expected, [1, 1, 2, 2], warned]);
  });

  it("takes the middle of tiles with odd sides", () => {
    const { values, warnings } = compute(
      [layer("POOLING", "p", { mode: "center", ...size(1, 2, 1) })],
      [1, 1, 6, 3],
      upTo(18),
    );
    expect([values, warnings]).toEqual([[4, 13], []]);
  });

  it("of all, of negative values too", () => {
    const pool = (mode: string) =>
      compute([layer("POOLING", "p", { mode, ...size(2) })], [1, 2, 1, 2], [-4, -2, 3, 5]);
    expect([pool("max").values, pool("average").values, pool("sample").values]).toEqual([
      [-2, 5],
      [-3, 4],
      [-4, 3],
    ]);
  });
});

describe("FC", () => {
  const single = fcFile([2, 2, [1, 2, 3, -4], [10, 0]]);
  it("multiplies rows of the flattened map and adds the bias", () => {
    const keys = { "data file": "fc.bin", ...size(2) };
    const run = (activation: JsonObject) =>
      compute([layer("FC", "fc", { ...keys, ...activation })], [1, 1, 1, 2], [5, 6], {
        "fc.bin": single,
      }).values;
    expect(run({})).toEqual([27, -9]);
    expect(run({ activation: null })).toEqual([27, -9]);
    expect(run({ activation: "relu" })).toEqual([27, 0]);
  });

  it("of several layers has a ReLU between them and says so", () => {
    const file = fcFile([2, 2, [1, 2, 3, -4], [10, 0]], [2, 1, [1, 1], [-30]]);
    const run = (keys: JsonObject) =>
      compute([layer("FC", "fc", { "data file": "f", ...keys })], [1, 2], [5, 6], { f: file });
    expect(run({}).values).toEqual([-3]);
    expect(run({ activation: "relu" }).values).toEqual([0]);
    expect(run({}).warnings).toEqual(["fc-layers"]);
  });

  it("of one file may stand twice", () => {
    const keys = { "data file": "f" };
    const { values } = compute([layer("FC", "a", keys), layer("FC", "a", keys)], [1, 2], [1, 1], {
      f: fcFile([2, 2, [0, 1, 1, 1], [0, 1]]),
    });
    expect(values).toEqual([3, 5]);
  });
});

describe("SOFTMAX, ELTWISE and LABEL", () => {
  it("follow each other", () => {
    const layers = [
      layer("POOLING", "top", { mode: "max", ...size(2) }),
      layer("POOLING", "same", { mode: "average", ...size(2) }),
      layer("ELTWISE", "e", { mode: "sum", "reference layer": "top", ...size(2) }),
      layer("SOFTMAX", "s", size(2)),
      layer("LABEL", "l", { ...size(1), "data file": "labels.txt" }),
    ];
    const { values, graph } = compute(layers, [1, 2, 1, 2], [0, 1, 1, 0]);
    expect(values).toEqual([0.5, 0.5]);
    expect(graph.outputs).toEqual([{ name: "s", id: "s" }]);
  });

  it.each([
    ["sum", [2, -4, 6]],
    ["product", [1, 4, 9]],
    ["max", [1, -2, 3]],
    ["pass", [1, -2, 3]],
  ])("ELTWISE %s refers to the chip", (mode, expected) => {
    const chip = layer("GTICNN", "cnn1", { mode: 2 });
    const { values } = compute(
      [chip, layer("ELTWISE", "e", { mode, "reference layer": "cnn1" })],
      [1, 3, 1, 1],
      [1, -2, 3],
    );
    expect(values).toEqual(expected);
  });

  it("ELTWISE takes a list and a map of one pixel", () => {
    const layers = [
      layer("FC", "f", { "data file": "f" }),
      layer("ELTWISE", "e", { mode: "sum", "reference layer": "cnn" }),
      layer("POOLING", "p", { mode: "max", ...size(2) }),
    ];
    const { values, shape } = compute(layers, [1, 2, 1, 1], [7, 8], {
      f: fcFile([2, 2, [1, 0, 0, 1], [1, 1]]),
    });
    expect([values, shape]).toEqual([
      [15, 17],
      [1, 2, 1, 1],
    ]);
  });

  it("SOFTMAX flattens a map where its size is flat, and goes over channels otherwise", () => {
    const run = (keys: JsonObject) =>
      compute([layer("SOFTMAX", "s", keys)], [1, 2, 1, 2], [0, 0, 0, 0]).values;
    expect(run(size(4))).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(run({})).toEqual([0.5, 0.5, 0.5, 0.5]);
  });
});

describe("TYPECONVERT", () => {
  const convert = (from: string, to: string, keys: JsonObject, values: readonly number[]) =>
    compute(
      [layer("TYPECONVERT", "t", { "input type": from, "output type": to, ...keys })],
      [1, values.length],
      values,
    ).values;

  it("shifts whole numbers as an arithmetic shift does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -(2 ** 22) + 1, max: 2 ** 22 - 1 }), {
          minLength: 1,
          maxLength: 20,
        }),
        fc.integer({ min: 0, max: 22 }),
        (values, shift) => {
          const expected = values.map((value) => Math.floor(value / 2 ** shift));
          expect(
            convert("integer", "float", { Shift: shift }, values).map((value) => value + 0),
          ).toEqual(expected);
        },
      ),
    );
  });

  it("cuts to the output's range", () => {
    expect(convert("short", "char", { Shift: 3 }, [-9, 15, 16, 2047, 2048])).toEqual([
      0, 1, 2, 255, 255,
    ]);
    expect(convert("integer", "short", {}, [-40_000, -1, 40_000])).toEqual([-32_768, -1, 32_767]);
    expect(convert("float", "integer", {}, [1.9, -0.1, 3, -2, -2.5])).toEqual([1, 0, 3, -2, -2]);
    expect(convert("float", "short", { Shift: 1 }, [7.9, -7.9])).toEqual([3, -4]);
    expect(convert("float", "float", { Shift: 2 }, [1, 6])).toEqual([0.25, 1.5]);
    expect(convert("char", "float", {}, [7])).toEqual([7]);
  });
});

describe("what the chip hands over", () => {
  const from = (
    keys: JsonObject,
    values: readonly number[],
    shape: Shape = [1, 1, 1, values.length],
  ) => compute([layer("IMAGEREADER", "r"), layer("GTICNN", "cnn", keys)], shape, values).values;

  it.each([
    ["mode 0: bits 3 to 7 of a byte", { mode: 0 }, [8, 248]],
    ["mode 0 with its scaledown", { mode: 0, "output scaledown": 3 }, [1, 31]],
    ["mode 0 and more", { mode: 0, "output scaledown": 5 }, [0, 7]],
    ["mode 0 and more, as float", { mode: 0, "output scaledown": 5, type: "float" }, [0.25, 7.75]],
    ["a cascade's byte", { mode: 2, "output scaledown": -3, "output type": "byte" }, [8, 248]],
    ["mode 5", { mode: 5, outputs: [{ "layer scaledown": 3 }] }, [1, 31]],
    ["mode 1", { mode: 1 }, [1, 31]],
  ])("%s", (_, keys, expected) => {
    expect(from(keys, [1, 31])).toEqual(expected);
  });

  it("mode 6: sums of the maps", () => {
    const map = [...new Array<number>(49).fill(31), ...upTo(49)];
    expect(from({ mode: 6, ...size(2) }, map, [1, 2, 7, 7])).toEqual([49 * 31, 48 * 49 * 0.5]);
  });

  it("is that of the last chip", () => {
    const layers = [
      layer("IMAGEREADER", "r"),
      layer("GTICNN", "cnn", { mode: 0 }),
      layer("GTICNN", "cnn1", { mode: 5 }),
    ];
    expect(compute(layers, [1, 1], [3])).toMatchObject({
      values: [3],
      graph: { outputs: [{ name: "cnn1" }] },
    });
  });
});
