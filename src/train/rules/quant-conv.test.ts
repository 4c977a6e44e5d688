/** Straight-through gradients against a float convolution that has the rounded coefficients. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runModel } from "../../../test/gradient-check.ts";
import { normals } from "../../../test/small-case.ts";
import { smallGraph } from "../../../test/small-graph.ts";
import { quantizeCoefficients } from "../../fixed/coefficients.ts";
import type { Precision } from "../../fixed/precision.ts";
import type { ConvAttrs, Op, Ops } from "../../ir/ops.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { gradientModel, gradientName } from "../gradient-model.ts";

type Values = ReadonlyMap<string, Tensor>;

/** `y'` and gradients of x0 and all constants, for a given gradient of y. */
function trained<K extends Op>(
  op: K,
  attrs: Ops[K],
  [x, ...constants]: readonly [Tensor, ...Tensor[]],
  dy: Tensor,
): Promise<Values> {
  const { graph, feeds } = smallGraph(op, attrs, [x], constants);
  const learned = constants.map((value, at) => [`c${at}`, value] as const);
  const model = gradientModel(graph, ["x0", ...learned.map(([id]) => id)]);
  return runModel(model, new Map<string, Tensor>([...feeds, ...learned, [gradientName("y"), dy]]));
}

const convs = fc.record({
  seed: fc.nat(1e6),
  kernel: fc.constantFrom(1, 3),
  stride: fc.constantFrom(1, 2),
  groups: fc.constantFrom(1, 2, 4),
  hasBias: fc.boolean(),
});
const rules = fc.record({
  precision: fc.constantFrom<Precision>(
    ...(["float", "dynamic", "oneBit", "twoBits", "threeBits", "fiveBits"] as const),
  ),
  parameterBits: fc.constantFrom(8, 12),
  shiftEnabled: fc.boolean(),
});

describe("quantConv in training", () => {
  it("is a convolution with rounded coefficients, its gradients given to the masters", async () => {
    await fc.assert(
      fc.asyncProperty(convs, rules, async (drawn, rule) => {
        const { seed, kernel, stride, groups, hasBias } = drawn;
        const pad = (kernel - 1) / 2;
        const attrs: ConvAttrs = {
          stride: [stride, stride],
          pads: [pad, pad, pad, pad],
          dilation: [1, 1],
          groups,
        };
        const x = normals(seed, [2, 4, 5, 6]);
        const weight = normals(seed + 1, [8, 4 / groups, kernel, kernel], 0.2);
        const bias = hasBias ? [normals(seed + 2, [8])] : [];
        const dy = normals(seed + 3, [2, 8, ...[5, 6].map((size) => Math.ceil(size / stride))]);
        const made = quantizeCoefficients(
          { weight: weight.data, bias: bias[0]?.data, taps: kernel * kernel },
          rule,
        );
        const rounded = [
          float32(weight.shape, made.weight),
          ...(made.bias ? [float32([8], made.bias)] : []),
        ];
        const got = await trained("quantConv", { ...attrs, ...rule }, [x, weight, ...bias], dy);
        const want = await trained("conv", attrs, [x, ...rounded], dy);
        expect([...got.keys()].toSorted()).toEqual([...want.keys()].toSorted());
        // The same nodes on the same numbers: not a bit differs.
        for (const [name, value] of want) expect(got.get(name)?.data).toEqual(value.data);
      }),
      { numRuns: 60 },
    );
  });
});
