/**
 * Made-up reports of bit matches: something to render and check.
 */
import type { BitMatchDifference, BitMatchReport } from "../src/report/bit-match.ts";

const difference: BitMatchDifference = {
  layer: "conv3",
  chip: 1,
  major: 2,
  sublayer: 1,
  channel: 3,
  row: 0,
  column: 13,
  expected: 5,
  got: 6,
  simulated: 6,
  terms: [
    { channel: 0, row: 0, column: 12, expectedWeight: 12, gotWeight: 13 },
    { channel: 0, row: 0, column: 13, expectedWeight: -3, gotWeight: -3 },
    { channel: 1, row: 0, column: 12, expectedWeight: 1, gotWeight: 1 },
    { channel: 1, row: 0, column: 13, expectedWeight: 20, gotWeight: 20 },
  ].map((term, at) => ({ ...term, expectedInput: 4 + at, gotInput: 4 + at })),
  reference: {
    ...{ products: 179, bias: -3, identity: { value: 0, factor: 32 }, accumulator: 174 },
    ...{ shift: 5, rounded: 5, top: 31, level: 5 },
  },
  model: {
    ...{ products: 183, bias: -3, identity: { value: 0, factor: 32 }, accumulator: 178 },
    ...{ shift: 5, rounded: 6, top: 31, level: 6 },
  },
  causes: [
    {
      kind: "weights",
      message: "weight [3, 0, 1, 0] is 13 on the chip, 12 in the reference; 1 of 4608 differ",
    },
  ],
};

/** Of one picture, with a difference; or of several. */
export function sampleBitMatch(kind: "picture" | "pictures" = "picture"): BitMatchReport {
  const isOne = kind === "picture";
  const layer = (name: string, at: number, equal: number) => ({
    ...{ name, chip: 1, major: at, sublayer: 1, values: 6272, equalValues: equal },
    output: at === 2 ? ("last layer" as const) : null,
  });
  return {
    schema: "inlay.bit-match/1",
    model: "tiny",
    target: "gti2803",
    images: isOne ? "a.jpg" : "pictures/",
    reference: ["deploy.prototxt", "net.caffemodel"],
    dumps: null,
    accumulator: null,
    isEqual: false,
    matches: isOne ? 0 : 1,
    pictures: [
      { name: "a.jpg", isEqual: false, values: 6272, equalValues: 6271 },
      ...(isOne ? [] : [{ name: "b.jpg", isEqual: true, values: 6272, equalValues: 6272 }]),
    ],
    layers: isOne ? [layer("conv1", 1, 6272), layer("conv3", 2, 6271)] : null,
    difference: isOne ? difference : null,
    out: isOne ? "evaluate_output" : null,
    files: isOne ? ["caffe/conv1.bin", "evaluate_log.txt"] : [],
    warnings: [],
  };
}
