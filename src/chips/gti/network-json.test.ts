/** Network JSON files: hostile and contradictory ones, the converter's style, and the way to layouts and back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Warning } from "../../notice.ts";
import type { CoefficientBits } from "../../target/layered-target.ts";
import { compareLayouts } from "./compare-layouts.ts";
import { type JsonValue, jsonText, parseJson } from "./json-text.ts";
import type { Layout } from "./layout.ts";
import { evaluatedNetwork, networkText, parseNetworkJson, withShifts } from "./network-json.ts";
import { layoutOfJson, networkJsonOf, networkOf } from "./network-layout.ts";
import {
  deconvolutions,
  layoutOf,
  mobilenet224,
  type Row,
  resnet18,
  resnet50,
  vgg16,
} from "./reference-layouts.ts";
import { gti2801, gti2803, gti5801 } from "./targets.ts";

const layer = {
  image_size: 28,
  input_channels: 16,
  output_channels: 16,
  sublayer_number: 2,
  coef_bits: 1,
};

function parsed(model: object, ...layers: readonly object[]) {
  return parseNetworkJson({
    name: "net.json",
    text: JSON.stringify({ model: [model], layer: layers }),
  });
}

describe("text", () => {
  it("has four spaces, sorted keys and an element per line", () => {
    const layout = layoutOf([[14, 3, 16, 1, 1, { pooling: "max" }]]);
    expect(networkJsonOf(layout, gti5801, [[7]], { ChipNumber: 1 })).toBe(`{
    "layer": [
        {
            "coef_bits": 1,
            "image_size": 14,
            "input_channels": 3,
            "major_layer": 1,
            "output_channels": 16,
            "pooling": true,
            "scaling": [
                7
            ],
            "sublayer_number": 1
        }
    ],
    "model": [
        {
            "ChipNumber": 1,
            "ChipType": 5801,
            "MajorLayerNumber": 1
        }
    ]
}`);
  });

  it("is ASCII, with empty lists and objects in one piece", () => {
    expect(jsonText({ b: [], a: {}, 10: 'é\u007f\n"', 9: null })).toBe(
      '{\n    "10": "\\u00e9\\u007f\\n\\"",\n    "9": null,\n    "a": {},\n    "b": []\n}',
    );
  });

  it("read back is what was written", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = jsonText(value as JsonValue);
        // -0 is written as 0.
        expect(parseJson({ name: "any.json", text })).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe("hostile files", () => {
  it.each([
    ["nothing", "", /net\.json:1:1: not JSON/],
    ["a cut file", '{"model": [\n  {', /net\.json:2:4: not JSON/],
    ["no JSON", "model = 3", /net\.json:1:\d+: not JSON/],
    ["a number", "3", /the file: wrong value: expected an object of "model" and "layer", got 3/],
    ["deep brackets", "[".repeat(100_000), /net\.json:1:33: JSON is nested too deeply/],
    ["much text", `"${"a".repeat(2 << 20)}"`, /too long: expected at most 1048576 characters/],
    ["other lists", '{"model": {}, "layer": 1}', /2 wrong values\n {2}model: .*\n {2}layer: /],
    [
      "two models",
      '{"model": [{"ChipType": 2801}, {}], "layer": [{}]}',
      /model: expected a list of one object, got 2 entries/,
    ],
    [
      "no layers",
      '{"model": [{"ChipType": 2801}], "layer": []}',
      /layer: wrong value.* got 0 entries/,
    ],
    [
      "a layer that is none",
      '{"model": [{"ChipType": 2801}], "layer": [7]}',
      /layer\[0\]: wrong value: expected an object, got 7/,
    ],
    [
      "own names",
      '{"model": [{"ChipType": 2801}], "layer": [{"__proto__": {"image_size": 14}}]}',
      /5 wrong values/,
    ],
  ])("%s", (_, text, message) => {
    expect(() => parseNetworkJson({ name: "net.json", text })).toThrow(message);
  });

  it("with brackets in texts and a byte-order mark are read", () => {
    const text = `\uFEFF{"model": [{"ChipType": 2801, "ModelType": "${"[".repeat(99)}\\""}], "layer": [${JSON.stringify(layer)}]}`;
    expect(parseNetworkJson({ name: "net.json", text }).layers).toEqual([layer]);
  });

  it("never end in another error", () => {
    const keys = [...Object.keys(layer), "one_coef", "resnet_shortcut_start_layers", "pooling"];
    const value = fc.oneof(fc.jsonValue(), fc.integer(), fc.array(fc.integer({ min: 0, max: 3 })));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value), (changes) => {
        try {
          layoutOfJson(parsed({ ChipType: 2803 }, { ...layer, ...changes }));
        } catch (error) {
          expect(error).toMatchObject({ name: "InlayError", fields: { kind: "input" } });
        }
      }),
    );
  });
});

describe("faults", () => {
  it("come all at once, with their places", () => {
    const text = () =>
      parsed(
        { ChipNums: 2, SamplingMethod: 2 },
        { ...layer, coef_bits: 4, pooling: 1, one_coef: [0, 1, 0], learning: true },
        { ...layer, resnet_shortcut_start_layers: [1, 2], last_layer_out: true },
        { ...layer, sublayer_number: 5, resnet_shortcut_start_layers: [1, 2], scaling: [1] },
        { ...layer, output_channels: 32, depth_enable: true, one_coef: [0, 0] },
      );
    expect(text).toThrow(
      [
        "net.json: 11 wrong values",
        "model[0].ChipType: expected 2801, 2803 or 5801, got nothing",
        "model[0].ChipNums: expected the key ChipNumber, got 2",
        "model[0].SamplingMethod: expected 0, 1, got 2",
        "layer[0].coef_bits: expected 1, 2, 3, 5, 8, 12, got 4",
        "layer[0].pooling: expected true or false, got 1",
        "layer[0].one_coef: expected 2 entries, as sublayer_number says, got 3 entries",
        "layer[1].resnet_shortcut_start_layers[1]: expected a sublayer before 2, the last: it spans two, got 2",
        "layer[2].scaling: expected 5 entries, as sublayer_number says, got 1 entries",
        "layer[2].resnet_shortcut_start_layers[1]: expected 3 or more, behind the shortcut before it, got 2",
        "layer[3].one_coef: expected a 1 where the channels change, or input_channels equal to output_channels, got [0,0]",
        "layer[1].last_layer_out: expected false, as layer[0].learning is true: one output mode in a model, got true",
      ].join("\n  "),
    );
  });

  it.each([
    ["ChipType of another chip", { ChipType: 7802 }, {}, /model\[0\]\.ChipType: .* got 7802/],
    [
      "a missing size",
      { ChipType: 2801 },
      { image_size: undefined },
      /layer\[0\]\.image_size: .*got nothing/,
    ],
    [
      "half a channel",
      { ChipType: 2801 },
      { input_channels: 1.5 },
      /an integer from 1 to 16384, got 1\.5/,
    ],
    [
      "a billion sublayers",
      { ChipType: 2801 },
      { sublayer_number: 1e9 },
      /an integer from 1 to 256, got 1000000000/,
    ],
    ["a text for a number", { ChipType: 2801 }, { coef_bits: "3" }, /coef_bits: .*got "3"/],
    [
      "a list of texts",
      { ChipType: 2801 },
      { one_coef: ["0", 1] },
      /one_coef: .*a list of 0 \(3x3\) and 1 \(1x1\)/,
    ],
    [
      "null for a boolean",
      { ChipType: 2801 },
      { pooling: null },
      /pooling: .*true or false, got null/,
    ],
    [
      "a shortcut from 0",
      { ChipType: 2801 },
      { resnet_shortcut_start_layers: [0] },
      /sublayers from 1/,
    ],
  ])("%s", (_, model, fields, message) => {
    expect(() => parsed(model, { ...layer, ...fields })).toThrow(message);
  });

  it("are none in null lists; unknown keys are kept with a warning", () => {
    const warnings: Warning[] = [];
    const text = JSON.stringify({
      model: [{ ChipType: 2801, Colour: "red" }],
      layer: [{ ...layer, resnet_shortcut_start_layers: null, one_coef: null, poling: true }],
    });
    const network = parseNetworkJson({ name: "net.json", text }, (one) => warnings.push(one));
    expect(warnings.map(({ where }) => where)).toEqual([
      "net.json: model[0].Colour",
      "net.json: layer[0].poling",
    ]);
    expect(JSON.parse(networkText(network))).toEqual(JSON.parse(text));
    expect(layoutOfJson(network).majors[0]?.shortcutStarts).toEqual([]);
  });
});

describe("shifts", () => {
  it("are one for each sublayer", () => {
    const network = networkOf(vgg16(3, 1), gti2801);
    expect(() => withShifts(network, [1, 2])).toThrow(/expected 13, got 2/);
  });
});

describe("evaluation", () => {
  const network = parsed({ ChipType: 2801 }, { ...layer, last_layer_out: true }, layer);

  it("over a folder has the last layer, of one picture all of them", () => {
    expect(evaluatedNetwork(network, "none")).toBe(network);
    expect(evaluatedNetwork(network, "folder").layers.map((one) => one.learning)).toEqual([
      false,
      false,
    ]);
    const all = evaluatedNetwork(network, "file");
    expect(all.layers.map((one) => one.learning)).toEqual([true, true]);
    // One output mode: the file can be read again.
    expect(parseNetworkJson({ name: "net.json", text: networkText(all) }).layers).toEqual(
      all.layers,
    );
  });
});

const rowFields = fc.record({
  size: fc.constantFrom(14, 28, 56),
  channels: fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 64 })),
  codes: fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 12 }),
  depthwise: fc.boolean(),
  bits: fc.constantFrom<CoefficientBits>(1, 2, 3, 5, 8, 12),
  pooled: fc.boolean(),
  up: fc.boolean(),
  shortcut: fc.boolean(),
});
type RowFields = typeof rowFields extends fc.Arbitrary<infer T> ? T : never;

function rowOf(fields: RowFields, sampled: boolean, tenBits: boolean): Row {
  const { size, codes, bits } = fields;
  const [input, output] = fields.channels;
  // Within channels alone nothing can change them.
  const stays = fields.depthwise && !codes.includes(1);
  const pooling = sampled ? "sample" : "max";
  const upsampling = sampled ? "zeros" : "repeat";
  const more = {
    ...(fields.pooled ? ({ pooling } as const) : {}),
    ...(fields.up ? ({ upsampling } as const) : {}),
    ...(fields.shortcut && codes.length > 1 ? { shortcuts: [codes.length - 1] } : {}),
    ...(fields.depthwise ? { oneCoef: codes } : {}),
    tenBits,
  };
  return [size, input, stays ? input : output, codes.length, bits, more];
}

/** Layouts that a file can say: one kind of pooling. */
const layouts: fc.Arbitrary<Layout> = fc
  .record({
    sampled: fc.boolean(),
    mode: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    rows: fc.array(rowFields, { minLength: 1, maxLength: 8 }),
  })
  .map(({ sampled, mode, rows }) =>
    layoutOf(
      rows.map((fields, at) =>
        rowOf(fields, sampled, mode === 2 || (mode === 1 && at === rows.length - 1)),
      ),
      mode,
    ),
  );

describe("layouts", () => {
  it("come back from their files", () => {
    fc.assert(
      fc.property(layouts, fc.boolean(), (layout, converted) => {
        const shifts = converted
          ? layout.majors.map(({ sublayers }) => sublayers.map((_, at) => at))
          : undefined;
        const text = networkJsonOf(layout, gti2803, shifts);
        const again = layoutOfJson(parseNetworkJson({ name: "net.json", text }));
        expect(again).toEqual(layout);
        expect(compareLayouts(again, layout)).toEqual([]);
      }),
    );
  });

  it.each([
    ["MobileNet", mobilenet224(12)],
    ["ResNet18", resnet18(2)],
    ["deconvolutions", deconvolutions],
  ])("of %s come back", (_, layout) => {
    const text = networkJsonOf(layout, gti2803);
    expect(layoutOfJson(parseNetworkJson({ name: "net.json", text }))).toEqual(layout);
  });

  it("of two kinds of pooling have no one file", () => {
    expect(() => networkJsonOf(resnet50(2), gti2803)).toThrow(/one kind of pooling/);
  });

  it("of a model that the vendor splits sample on the last chip", () => {
    const majors = resnet50(2).majors.map((major) => ({
      ...major,
      pooling: major.pooling === undefined ? undefined : ("max" as const),
    }));
    const text = networkJsonOf({ majors, activationBitMode: 0 }, gti2803, undefined, {
      ModelType: "resnet50",
      ChipNumber: 4,
    });
    expect(layoutOfJson(parseNetworkJson({ name: "net.json", text }))).toEqual(resnet50(2));
  });
});

describe("differences", () => {
  const graph = resnet18(2);

  it("name the major layer, the key and both values", () => {
    const majors = graph.majors.map((major, at) => {
      if (at === 1) return { ...major, coefficientBits: 12 as const, learning: true };
      if (at === 2) return { ...major, pooling: "sample" as const, shortcutStarts: [1] };
      return at === 5 ? { ...major, tenBits: true, upsampling: "repeat" as const } : major;
    });
    const json: Layout = { majors, activationBitMode: 1 };
    expect(compareLayouts(json, graph)).toEqual([
      { major: undefined, key: "ActivationBitMode", json: "1", graph: "0" },
      { major: 2, key: "coef_bits", json: "12", graph: "2" },
      { major: 3, key: "resnet_shortcut_start_layers", json: "[1]", graph: "[1, 3]" },
      { major: 3, key: "SamplingMethod", json: "sample", graph: "max" },
      { major: 6, key: "upsample_enable", json: "true", graph: "false" },
      { major: 6, key: "ten_bits_enable", json: "true", graph: "false" },
    ]);
  });

  it("are a missing major layer, other kinds, and an output that the graph needs", () => {
    const [first, second] = graph.majors;
    const short: Layout = { majors: first === undefined ? [] : [first], activationBitMode: 0 };
    expect(compareLayouts(short, graph)).toEqual([
      { major: undefined, key: "layer", json: "1 major layers", graph: "6 major layers" },
    ]);
    const needed: Layout = {
      majors: [
        { ...first!, lastLayerOut: true },
        { ...second!, sublayers: second!.sublayers.map((one) => ({ ...one, kind: "pointwise" })) },
      ],
      activationBitMode: 0,
    };
    const json: Layout = { majors: [first!, second!], activationBitMode: 0 };
    expect(compareLayouts(json, needed)).toEqual([
      { major: 1, key: "last_layer_out", json: "false", graph: "true" },
      { major: 2, key: "one_coef", json: "3x3, 3x3", graph: "1x1, 1x1" },
    ]);
  });
});
