/** Damaged and hostile full models: one clear error that names the layer. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fcFile, layer, size } from "../../../../test/gti-host-net.ts";
import { InlayError } from "../../../error.ts";
import { verify } from "../../../ir/verify.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import type { JsonObject } from "../json-text.ts";
import { hostGraphOf } from "./host-graph.ts";

describe("a damaged model", () => {
  const pool = (keys: JsonObject) => [layer("POOLING", "p", keys)];
  const full = (keys: JsonObject) => [layer("FC", "fc", { "data file": "f", ...keys })];
  it.each([
    [
      "an unknown operation",
      [layer("CONV", "c")],
      /CONV "c": the operation is not known: expected one of POOLING, FC/,
    ],
    ["one of every object", [layer("constructor", "c")], /the operation is not known/],
    [
      "an unknown mode",
      pool({ mode: "mean", ...size(2) }),
      /POOLING "p": "mode" does not fit: expected one of average, max/,
    ],
    ["no mode", pool(size(2)), /"mode" does not fit.*got nothing/],
    ["a pooling without a size", pool({ mode: "max" }), /must divide its input.*got no size/],
    [
      "a size that does not divide",
      pool({ mode: "max", ...size(2, 3) }),
      /rows and columns that divide 4 and 4, got 2x3x3/,
    ],
    ["other channels", pool({ mode: "max", ...size(3, 2) }), /expected 2 channels.*got 3x2x2/],
    ["a larger map", pool({ mode: "max", ...size(2, 8) }), /must divide/],
    ["half a size", pool({ mode: "max", "output height": 2 }), /"output channels" does not fit/],
    [
      "a size that is none",
      pool({ mode: "max", ...size(2, 0) }),
      /"output height" does not fit.*got 0/,
    ],
    ["a text for a size", pool({ mode: "max", "output channels": "2" }), /got "2"/],
    [
      "no data file",
      [layer("FC", "fc")],
      /FC "fc": "data file" does not fit: expected a text, got nothing/,
    ],
    [
      "a missing file",
      full({ "data file": "g" }),
      /"data file" does not fit: expected a file of the model, got "g"/,
    ],
    [
      "wrong inputs",
      full({}),
      /FC "fc": an FC layer does not fit.*expected 32 inputs, got 2 inputs, 1 outputs/,
    ],
    [
      "wrong outputs",
      [...pool({ mode: "max", ...size(2) }), ...full(size(4))],
      /FC "fc": an FC layer's size.*expected 1, got 4/,
    ],
    [
      "an unknown activation",
      [...pool({ mode: "max", ...size(2) }), ...full({ activation: "tanh" })],
      /"activation" does not fit/,
    ],
    ["a damaged file", full({ "data file": "short" }), /FC "fc": short:0: .*/],
    [
      "weights that are no numbers",
      full({ "data file": "nan" }),
      /nan: FC "fc": weights are not finite/,
    ],
    ["no reference", [layer("ELTWISE", "e", { mode: "sum" })], /"reference layer" does not fit/],
    [
      "a later reference",
      [layer("ELTWISE", "e", { mode: "sum", "reference layer": "e" })],
      /expected an earlier layer: cnn, got "e"/,
    ],
    [
      "a reference of another size",
      [
        ...pool({ mode: "max", ...size(2) }),
        layer("ELTWISE", "e", { mode: "max", "reference layer": "cnn" }),
      ],
      /differ in size: expected 2, got 32/,
    ],
    [
      "a softmax of another size",
      [layer("SOFTMAX", "s", size(7))],
      /SOFTMAX "s": a layer's size is not/,
    ],
    [
      "a label in the middle",
      [layer("LABEL", "l", size(1)), ...pool({ mode: "max", ...size(2) })],
      /LABEL "l": a LABEL layer must be the last/,
    ],
    ["too many classes", [layer("LABEL", "l", size(33))], /how many to print: 1 to 32, got 33/],
    [
      "a shift beyond",
      [layer("TYPECONVERT", "t", { "input type": "char", "output type": "float", Shift: 32 })],
      /"Shift" does not fit/,
    ],
    ["no types", [layer("TYPECONVERT", "t")], /"input type" does not fit/],
    [
      "an unknown chip mode",
      [layer("GTICNN", "cnn", { mode: 7 })],
      /GTICNN "cnn": "mode" does not fit: expected a whole number from 0 to 6/,
    ],
    [
      "a scaledown beyond",
      [layer("GTICNN", "cnn", { mode: 0, "output scaledown": 8 })],
      /"output scaledown" does not fit/,
    ],
    [
      "a chip of another size",
      [layer("GTICNN", "cnn", { mode: 0, ...size(2, 7) })],
      /expected 2x4x4, got 2x7x7/,
    ],
    [
      "a host layer before a chip",
      [...pool({ mode: "max" }), layer("GTICNN", "cnn")],
      /POOLING "p": a host operation in front of a chip/,
    ],
    [
      "a second reader",
      [layer("IMAGEREADER", "r"), layer("IMAGEREADER", "r")],
      /IMAGEREADER "r": the operation is not known/,
    ],
    [
      "too many layers",
      new Array<FullModelLayer>(1025).fill(layer("SOFTMAX", "s")),
      /too many layers/,
    ],
  ])("with %s is one clear error", (_, layers, message) => {
    const files = new Map([
      ["f", fcFile([2, 1, [1, 1], [0]])],
      ["short", new Uint8Array([9, 0, 0, 0, 9, 0, 0, 0, 1])],
      ["nan", fcFile([32, 1, new Array<number>(32).fill(Number.NaN), [0]])],
    ]);
    expect(() => hostGraphOf(layers, files, { shape: [1, 2, 4, 4] })).toThrow(message);
  });

  it.each([[[]], [[3]], [[1, 2, 3]], [[1, 2, 3, 4, 5]], [[1, 0, 4, 4]]])(
    "of shape %j is refused",
    (shape) => {
      expect(() => hostGraphOf([], new Map(), { shape })).toThrow(InlayError);
    },
  );

  it("never ends in anything but a network or our error", () => {
    const value = fc.oneof(
      fc.constantFrom<string | number | null>(
        "sum",
        "max",
        "relu",
        "f",
        "cnn",
        "a",
        "",
        null,
        0,
        1,
        2,
        4,
        -1,
        1e99,
        0.5,
      ),
      fc.jsonValue(),
    );
    const keys = [
      "mode",
      "activation",
      "data file",
      "reference layer",
      "output channels",
      "output height",
      "output width",
      "Shift",
      "output scaledown",
      "input type",
      "output type",
    ];
    const any = fc.record({
      operation: fc.constantFrom(
        "POOLING",
        "FC",
        "SOFTMAX",
        "ELTWISE",
        "TYPECONVERT",
        "LABEL",
        "GTICNN",
        "IMAGEREADER",
      ),
      name: fc.constantFrom("a", "b", "cnn", "__proto__", ""),
      keys: fc.dictionary(fc.constantFrom(...keys), value),
    });
    const files = new Map([["f", fcFile([2, 2, [1, 1, 2, 2], [0, 0]])]]);
    fc.assert(
      fc.property(fc.array(any, { maxLength: 6 }), (list) => {
        const layers = list.map(({ operation, name, keys: more }) =>
          layer(operation, name, more as JsonObject),
        );
        try {
          verify(hostGraphOf(layers, files, { shape: [1, 2, 1, 1] }), "imported");
        } catch (error) {
          expect(error).toBeInstanceOf(InlayError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
