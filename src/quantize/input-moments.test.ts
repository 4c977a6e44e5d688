import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../tensor/random.ts";
import { type Tensor, tensor, toNumbers } from "../tensor/tensor.ts";
import { inputMoments, type Taps, type Window } from "./input-moments.ts";

const int = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const pair = (min: number, max: number): fc.Arbitrary<readonly [number, number]> =>
  fc.tuple(int(min, max), int(min, max));

const cases = fc.record({
  seed: fc.nat(),
  channels: int(1, 4),
  size: pair(1, 6),
  kernel: pair(1, 3),
  stride: pair(1, 2),
  dilation: pair(1, 2),
  pads: fc.tuple(int(0, 2), int(0, 2), int(0, 2), int(0, 2)),
  pictures: int(1, 3),
  width: int(1, 4),
});

/** What tap `(channel, i, j)` reads under a pixel of the output; 0 outside. */
function readAt(
  value: Tensor,
  [y, x]: readonly [number, number],
  { stride, pads, dilation }: Window,
  [channel, i, j]: readonly [number, number, number],
): number {
  const [, , h = 0, w = 0] = value.shape;
  const [line, column] = [
    y * stride[0] - pads[0] + i * dilation[0],
    x * stride[1] - pads[1] + j * dilation[1],
  ];
  if (line < 0 || line >= h || column < 0 || column >= w) return 0;
  return toNumbers(value)[(channel * h + line) * w + column] ?? 0;
}

describe("inputMoments", () => {
  it("are the products of each tap's distance from its mean", () => {
    fc.assert(
      fc.property(cases, ({ seed, channels, size: [h, w], width, ...drawn }) => {
        const random = createRandom(seed);
        const values = Array.from({ length: drawn.pictures }, () =>
          tensor(
            "uint8",
            [1, channels, h, w],
            Uint8Array.from({ length: channels * h * w }, () => random.below(32)),
          ),
        );
        const pixels = values.map(() =>
          Int32Array.from({ length: 5 }, () => random.below(width * 3)),
        );
        const part: Taps = { from: channels > 2 ? 1 : 0, to: channels, kernel: drawn.kernel };
        const taps = Array.from({ length: part.to - part.from }, (_, at) => part.from + at).flatMap(
          (channel) =>
            Array.from({ length: drawn.kernel[0] }, (_, i) => i).flatMap((i) =>
              Array.from({ length: drawn.kernel[1] }, (_, j) => [channel, i, j] as const),
            ),
        );
        const rows = values.flatMap((value, picture) =>
          [...(pixels[picture] ?? [])].map((pixel) => {
            const place = [Math.floor(pixel / width), pixel % width] as const;
            return taps.map((tap) => readAt(value, place, drawn, tap));
          }),
        );
        const means = taps.map(
          (_, at) => rows.reduce((sum, row) => sum + (row[at] ?? 0), 0) / rows.length,
        );
        const found = inputMoments(values, pixels, width, drawn, part);
        for (const [i] of taps.entries()) {
          for (const [j] of taps.entries()) {
            const want = rows.reduce(
              (sum, row) =>
                sum + ((row[i] ?? 0) - (means[i] ?? 0)) * ((row[j] ?? 0) - (means[j] ?? 0)),
              0,
            );
            expect(found[i * taps.length + j]).toBeCloseTo(want, 6);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
