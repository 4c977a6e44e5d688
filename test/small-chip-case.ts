/**
 * Random small cases of the operators that describe a chip's own arithmetic: small-case.ts has the others.
 */
import fc from "fast-check";
import type { Op } from "../src/ir/ops.ts";
import { createRandom } from "../src/tensor/random.ts";
import { float32, tensor } from "../src/tensor/tensor.ts";
import { awayFromZero, type Case, images, normals } from "./small-case.ts";
import { smallGraph } from "./small-graph.ts";

const bits = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

export const smallChipCases: { readonly [O in Op]?: Case } = {
  quantRelu: fc
    .record({
      image: images,
      perChannel: fc.boolean(),
      quantized: fc.boolean(),
      bits: fc.oneof(bits(1, 12), bits(29, 31)),
      whole: fc.boolean(),
      slope: fc.constantFrom(0, 0.25, Math.fround(0.1)),
    })
    .map(({ image, perChannel, whole, ...attrs }) => {
      const caps = awayFromZero(normals(image.seed + 1, [perChannel ? image.c : 1]), true);
      const x = normals(image.seed, [image.n, image.c, image.h, image.w], whole ? 40 : 1);
      if (!whole) return smallGraph("quantRelu", attrs, [x], [caps]);
      // Levels are the integers, and every second value is a tie.
      const cap = float32(caps.shape, new Float32Array(caps.data.length).fill(2 ** attrs.bits - 1));
      const halves = x.data.map((value) => Math.round(value) / 2);
      return smallGraph("quantRelu", attrs, [float32(x.shape, halves)], [cap]);
    }),
  reduceBits: fc
    .record({ image: images, from: bits(1, 8), to: bits(1, 8), bytes: fc.boolean() })
    .map(({ image: { n, c, h, w, seed }, from, to, bytes }) => {
      const random = createRandom(seed);
      const values = Array.from({ length: n * c * h * w }, () => random.below(2 ** from));
      const picture = bytes
        ? tensor("uint8", [n, c, h, w], Uint8Array.from(values))
        : float32(
            [n, c, h, w],
            values.map((value) => value + random.unit() / 2),
          );
      return smallGraph("reduceBits", { from, to }, [picture]);
    }),
  zeroInsert: fc
    .record({ image: images, rows: bits(1, 3), columns: bits(1, 3) })
    .map(({ image: { n, c, h, w, seed }, rows, columns }) =>
      smallGraph("zeroInsert", { factor: [rows, columns] }, [normals(seed, [n, c, h, w])]),
    ),
};
