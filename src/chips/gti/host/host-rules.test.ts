/** What a full model has no form for, with the first node that stands in the way; and the names of operations. */
import { describe, expect, it } from "vitest";
import { made, Net, whyOf } from "../../../../test/gti-host-net.ts";
import { hostLayersOf } from "./host-layers.ts";

describe("what a full model has no form for", () => {
  const map = (): Net => new Net([1, 4, 6, 6]);
  it.each([
    [
      "a unit before a softmax",
      map().scale("s", 0.5).add("globalAvgPool", "p").softmax("q"),
      /^softmax "q": values must be multiplied by 0.5/,
    ],
    [
      "a unit at the end",
      map().scale("s", 0.5).add("globalAvgPool", "p"),
      /^output "p": values must be multiplied by 0.5/,
    ],
    [
      "overlapping windows",
      map().pool("maxPool", "p", 3, 2, { ceil: true }),
      /^maxPool "p": its windows are not the tiles/,
    ],
    ["gaps", map().pool("maxPool", "p", 2, 3), /^maxPool "p"/],
    ["padding", map().pool("avgPool", "p", 2, 2, { pads: [1, 1, 1, 1] }), /^avgPool "p"/],
    [
      "a hole in the window",
      map().pool("maxPool", "p", 2, 2, { dilation: [2, 2], ceil: true }),
      /^maxPool "p"/,
    ],
    ["a remainder", map().pool("maxPool", "p", 4, 4, { ceil: true }), /^maxPool "p"/],
    [
      "a sliding convolution",
      map().conv("c", 2, [3, 3]),
      /^conv "c": it is a convolution that slides over its input of 4x6x6/,
    ],
    [
      "a padded convolution",
      map().conv("c", 2, [6, 6], { pads: [1, 1, 1, 1], stride: [4, 4] }),
      /^conv "c"/,
    ],
    [
      "a ReLU on the chip's values",
      map().relu("r"),
      /^relu "r": a full model has a ReLU only behind/,
    ],
    [
      "a leaky ReLU",
      map().fc("f", 2).add("relu", "r", { slope: 0.1 }),
      /^relu "r": a full model has no ReLU with a slope/,
    ],
    [
      "a softmax of a map",
      map().softmax("q"),
      /^softmax "q": a full model's softmax goes over all/,
    ],
    ["factors per channel", map().perChannel("s", [1, 2, 3, 4]), /^scale "s"/],
    ["a negative factor", map().scale("s", -1), /^scale "s": its factor is not positive/],
    ["a shift", map().add("power", "s", { power: 1, scale: 1, shift: 2 }), /^power "s"/],
    [
      "another operator",
      map().add("sigmoid", "s"),
      /^sigmoid "s": a full model has no such operation/,
    ],
    [
      "more than flattening",
      map().add("reshape", "r", { shape: [0, 16, 3, 3] }),
      /^reshape "r": it does more than flatten/,
    ],
    [
      "a batch that becomes channels",
      new Net([2, 3, 1, 1]).add("reshape", "r", { shape: [1, 6] }),
      /^reshape "r"/,
    ],
    [
      "a sum of two sizes",
      map().add("globalAvgPool", "p").add("add", "s", {}, "p", "chip"),
      /^add "s": its two values differ in size/,
    ],
    [
      "a sum with coefficients",
      map().add("add", "s", { coefficients: [1, 2] }, "chip", "chip"),
      /^add "s"/,
    ],
  ] as const)("%s", (_, net, message) => {
    expect(whyOf(net.graph())).toMatch(message);
  });

  it("a branch, a second output, and a ReLU whose input is read elsewhere", () => {
    const branch = map().add("globalAvgPool", "p").add("globalMaxPool", "m", {}, "chip");
    expect(whyOf(branch.add("add", "s", {}, "p", "m").graph())).toMatch(
      /^globalMaxPool "m": it reads an earlier value/,
    );
    expect(whyOf(map().fc("f", 2).softmax("q").graph("f", "q"))).toMatch(
      /^output "q": a full model gives one value/,
    );
    const relu = map().fc("f", 2).relu("r").add("add", "s", {}, "f", "r");
    expect(whyOf(relu.graph())).toMatch(/^relu "r": the value before the ReLU is read elsewhere/);
    const late = map().fc("f", 2).add("identity", "i").relu("r").add("add", "s", {}, "i", "r");
    expect(whyOf(late.graph())).toMatch(/^relu "r"/);
    const copied = map().fc("f", 2).add("identity", "i").relu("r").add("add", "s", {}, "f", "r");
    expect(whyOf(copied.graph())).toMatch(/^relu "r"/);
  });

  it("a sum of two units", () => {
    const net = map().pool("maxPool", "p", 1, 1).scale("s", 0.5).add("add", "a", {}, "p", "s");
    expect(whyOf(net.graph())).toMatch(/^add "a": its two values differ in unit/);
  });

  it("two inputs, and one without a shape of a map", () => {
    const two = map();
    two.nodes.push({
      op: "input",
      id: "b",
      inputs: [],
      attrs: { dtype: "float32", shape: [1, 4, 6, 6] },
    });
    expect(whyOf(two.add("add", "s", {}, "chip", "b").graph())).toMatch(
      /^input "b": it is a second input/,
    );
    expect(whyOf(new Net([1, 2, 3, 4, 5]).add("identity", "i").graph())).toMatch(/^input "chip"/);
  });

  it("weights that the unit makes infinite", () => {
    expect(whyOf(map().fc("f", 2).graph(), 1e300)).toMatch(
      /^linear "f": its weights, or these times the unit/,
    );
    expect(() => hostLayersOf(map().graph(), { unit: 0 })).toThrow(/must be positive/);
  });
});

describe("names", () => {
  const namesOf = (...ids: readonly string[]): readonly (readonly unknown[])[] => {
    const net = new Net([1, 2, 1, 1]);
    for (const id of ids) net.fc(id, 2);
    return made(net.graph()).layers.map((layer) => [layer.name, layer["data file"]]);
  };

  it("of FC operations are not the start of another's", () => {
    expect(namesOf("fc1", "fc10", "fc")).toEqual([
      ["fc1_2", "fc1_2.bin"],
      ["fc10", "fc10.bin"],
      ["fc_2", "fc_2.bin"],
    ]);
    expect(namesOf("cnn1", "reader")).toEqual([
      ["cnn1_2", "cnn1_2.bin"],
      ["reader_2", "reader_2.bin"],
    ]);
  });

  it("of files are safe on every system", () => {
    expect(
      namesOf("/head/fc.1", "../../x", "NUL", "a b", "a/b", "A_B").map(([, file]) => file),
    ).toEqual([
      "fc_head_fc.1.bin",
      "fc.._.._x.bin",
      "fcNUL.bin",
      "a_b.bin",
      "a_b.2.bin",
      "A_B.3.bin",
    ]);
  });
});
