/** Straight-through gradients against their formula: they are no derivatives. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runModel } from "../../../test/gradient-check.ts";
import { normals } from "../../../test/small-case.ts";
import { type SmallGraph, smallGraph } from "../../../test/small-graph.ts";
import { expectClose } from "../../../test/within.ts";
import { createRandom } from "../../tensor/random.ts";
import { float32, type Tensor, tensor, toNumbers } from "../../tensor/tensor.ts";
import { gradientModel, gradientName } from "../gradient-model.ts";

const shape = [2, 3, 2, 4];
const channelOf = (at: number): number => Math.floor(at / 8) % 3;

/** The gradient of x0 for a random gradient of y, and that. */
async function gradientOf(
  { graph, feeds }: SmallGraph,
  seed: number,
): Promise<{ readonly dx: Tensor | undefined; readonly dy: readonly number[] }> {
  const dy = normals(seed + 9, shape);
  const model = gradientModel(graph, ["x0"]);
  const got = await runModel(model, new Map<string, Tensor>([...feeds, [gradientName("y"), dy]]));
  return { dx: got.get(gradientName("x0")), dy: toNumbers(dy) };
}

const seeds = fc.nat(1e6);

describe("straight-through gradients", () => {
  it("of levels pass inside 0..qMax * step, divided by the step", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom(15, 31, 255), async (seed, qMax) => {
        const step = 0.5 / qMax;
        const x = normals(seed, shape, 0.5);
        const { dx, dy } = await gradientOf(smallGraph("toLevels", { step, qMax }, [x]), seed);
        const top = Math.fround(qMax * step);
        const want = dy.map((value, at) => {
          const place = x.data[at] ?? 0;
          return place >= 0 && place <= top ? value / step : 0;
        });
        expect(want.some((value) => value === 0) && want.some((value) => value !== 0)).toBe(true);
        expectClose(dx, float32(shape, want), 1e-6);
      }),
      { numRuns: 10 },
    );
  });

  it("of quantization pass inside the type's range, divided by the scale", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.boolean(), fc.boolean(), async (seed, signed, perChannel) => {
        const random = createRandom(seed);
        const count = perChannel ? 3 : 1;
        const own = perChannel ? [3] : [];
        // Powers of two: the reference below has the same bounds to the bit.
        const scales = Array.from({ length: count }, () => 2 ** -(7 + random.below(2)));
        const zeros = Array.from({ length: count }, () => random.below(64) + (signed ? -32 : 96));
        const zeroPoint = signed
          ? tensor("int8", own, Int8Array.from(zeros))
          : tensor("uint8", own, Uint8Array.from(zeros));
        const x = normals(seed, shape, 2);
        const constants = [float32(own, scales), zeroPoint];
        const small = smallGraph("quantize", { axis: 1 }, [x], constants);
        const { dx, dy } = await gradientOf(small, seed);
        const low = signed ? -128 : 0;
        const want = dy.map((value, at) => {
          const channel = perChannel ? channelOf(at) : 0;
          const scale = scales[channel] ?? 1;
          const level = Math.fround((x.data[at] ?? 0) / scale + (zeros[channel] ?? 0));
          return level >= low && level <= low + 255 ? value / scale : 0;
        });
        expectClose(dx, float32(shape, want), 1e-6);
      }),
      { numRuns: 20 },
    );
  });

  it("of a pair of quantize and dequantize are those of a clamp", async () => {
    const x = float32([5], [-3, -0.3, 0.2, 0.9, 7]);
    const { graph } = smallGraph(
      "quantize",
      { axis: 0 },
      [x],
      [float32([], [1 / 128]), tensor("int8", [], Int8Array.of(0))],
    );
    const back = {
      op: "dequantize",
      id: "z",
      inputs: ["y", "c0", "c1"],
      attrs: { axis: 0 },
    } as const;
    const pair = { ...graph, nodes: [...graph.nodes, back], outputs: [{ name: "z", id: "z" }] };
    const dy = float32([5], [1, 2, 3, 4, 5]);
    const feeds = new Map<string, Tensor>([
      ["x0", x],
      [gradientName("z"), dy],
    ]);
    const got = await runModel(gradientModel(pair, ["x0"]), feeds);
    expectClose(got.get(gradientName("x0")), float32([5], [0, 2, 3, 4, 0]), 1e-6);
  });
});
