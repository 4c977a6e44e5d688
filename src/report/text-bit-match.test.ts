import { describe, expect, it } from "vitest";
import { sampleBitMatch } from "../../test/bit-match-sample.ts";
import { plainStyle } from "./table.ts";
import { renderText } from "./text.ts";
import { bitMatchText } from "./text-bit-match.ts";

describe("a bit match as text", () => {
  it("of one picture spells out the first difference", () => {
    expect(renderText(sampleBitMatch())).toMatchInlineSnapshot(`
      "tiny  simulation for gti2803 against deploy.prototxt, net.caffemodel

      layer  place  values  equal             board's output
      conv1    1.1    6272  all               -
      conv3    2.1    6272  6271 (99.9841 %)  last layer

      0 of 1 pictures match (0.00 %)

      First difference: conv3 (2.1), channel 3, row 0, column 13: expected 5, got 6

      input (channel, row, column)       reference          chip
      (0, 0, 12)                       4 x 12 = 48   4 x 13 = 52
      (0, 0, 13)                      5 x -3 = -15  5 x -3 = -15
      (1, 0, 12)                         6 x 1 = 6     6 x 1 = 6
      (1, 0, 13)                      7 x 20 = 140  7 x 20 = 140
      sum of products                          179           183
      bias                                      -3            -3
      shortcut                          0 x 32 = 0    0 x 32 = 0
      accumulator                              174           178
      shift                                      5             5
      accumulator / 2^shift, rounded             5             6
      limited                           5 of 0..31    6 of 0..31

      Likely causes
        weights: weight [3, 0, 1, 0] is 13 on the chip, 12 in the reference; 1 of 4608 differ

      Written
        evaluate_output: 2 files, evaluate_log.txt
      "
    `);
  });

  it("of several pictures tells which differ, and how to go on", () => {
    expect(renderText(sampleBitMatch("pictures"))).toMatchInlineSnapshot(`
      "tiny  simulation for gti2803 against deploy.prototxt, net.caffemodel

      picture  values  equal
      a.jpg      6272  6271 (99.9841 %)
      b.jpg      6272  all

      1 of 2 pictures match (50.00 %)
      Compare a.jpg alone to see the layer and the sum.
      "
    `);
  });

  it("lists few products, those that differ first, and adds up the others", () => {
    const text = bitMatchText(sampleBitMatch(), plainStyle, { terms: 2 });
    const [, table = ""] = text.split("(channel, row, column)");
    expect(table).toMatch(/\(0, 0, 12\) +4 x 12 = 48 +4 x 13 = 52\n\(1, 0, 13\) +7 x 20 = 140/);
    expect(table).toMatch(/and 2 more +-9 +-9\n/);
    expect(table).not.toContain("(0, 0, 13)");
  });

  it("of dumps says what the simulation gives", () => {
    const text = renderText({ ...sampleBitMatch(), dumps: "board/" });
    expect(text).toContain("expected 5, got 6; the simulation gives 6");
    expect(text).toContain("dumps of board/");
  });
});
