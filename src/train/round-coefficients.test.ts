/** Rounding inside the step against its definition, number by number. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { roundingModel } from "../../test/rounding-model.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime, Session } from "../engine/runtime.ts";
import { type CoefficientRule, quantizeCoefficients } from "../fixed/coefficients.ts";
import type { Precision } from "../fixed/precision.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

const precisions = ["float", "dynamic", "oneBit", "twoBits", "threeBits", "fiveBits"] as const;

type Layer = { readonly weight: Tensor<"float32">; readonly bias: Tensor<"float32"> | undefined };

describe("roundCoefficients", () => {
  let runtime: Runtime;
  const sessions = new Map<string, Session>();
  beforeAll(async () => {
    runtime = await nodeRuntime({ threads: 1 });
    return async () => {
      for (const session of sessions.values()) await session.release();
    };
  });

  async function compare({ weight, bias }: Layer, rule: CoefficientRule): Promise<void> {
    const key = JSON.stringify([weight.shape, bias !== undefined, rule]);
    const known = sessions.get(key);
    const session =
      known ?? (await runtime.load(roundingModel(weight.shape, bias !== undefined, rule)));
    sessions.set(key, session);
    const got = await session.run(
      new Map([["w", weight], ...(bias ? ([["b", bias]] as const) : [])]),
    );
    const taps = weight.shape.slice(2).reduce((product, dim) => product * dim, 1);
    const want = quantizeCoefficients({ weight: weight.data, bias: bias?.data, taps }, rule);
    expect(plain(got.get("w'"))).toEqual(plain(float32(weight.shape, want.weight)));
    if (bias) expect(plain(got.get("b'"))).toEqual(plain(float32(bias.shape, want.bias ?? [])));
  }

  const rules = fc.record({
    precision: fc.constantFrom<Precision>(...precisions),
    parameterBits: fc.constantFrom(8, 12, 5, 20),
    shiftEnabled: fc.boolean(),
  });

  it("gives the definition's numbers on random layers of every format", async () => {
    await fc.assert(
      fc.asyncProperty(layers(fc.double({ min: -1, max: 1, noNaN: true })), rules, compare),
      { numRuns: 300 },
    );
  });

  it("rounds ties and edges of levels as the definition does", async () => {
    const onGrid = fc.integer({ min: -64, max: 64 }).map((part) => part / 64);
    await fc.assert(fc.asyncProperty(layers(onGrid), rules, compare), { numRuns: 300 });
  });

  it("gives what the definition gives where all weights are 0", async () => {
    for (const bias of [undefined, float32([2], [0, 0]), float32([2], [0.3, -5])]) {
      for (const precision of precisions) {
        for (const shiftEnabled of [false, true]) {
          const weight = float32([2, 1, 3, 3], new Float32Array(18));
          await compare({ weight, bias }, { precision, parameterBits: 12, shiftEnabled });
        }
      }
    }
  });

  it("chooses the shift at the very limits of weights and biases", async () => {
    const limits = fc.record({
      shift: fc.integer({ min: -3, max: 17 }),
      ulps: fc.integer({ min: -2, max: 2 }),
      bits: fc.constantFrom(8, 12, 16, 18, 20),
    });
    const edge = limits.map(({ shift, ulps, bits }) =>
      moved((2 ** (bits - 1) - 1) * 2 ** -shift, ulps),
    );
    await fc.assert(
      fc.asyncProperty(edge, edge, rules, async (largest, bias, rule) => {
        const weight = float32([1, 1, 1, 1], [largest]);
        await compare({ weight, bias: float32([1], [bias]) }, { ...rule, shiftEnabled: true });
      }),
      { numRuns: 400 },
    );
  });
});

/** `-0` as 0. */
function plain(value: Tensor | undefined): Float32Array {
  if (value?.dtype !== "float32") throw new Error("no float32 tensor");
  return value.data.map((one) => one + 0);
}

/** The float32 that lies `ulps` further. */
function moved(value: number, ulps: number): number {
  const float = Float32Array.of(value);
  const bits = new Int32Array(float.buffer);
  bits[0] = bits[0]! + ulps;
  return float[0]!;
}

/** Two kernels of 1 or 9 taps, with or without a bias, of many scales. */
function layers(part: fc.Arbitrary<number>): fc.Arbitrary<Layer> {
  const scaled = (count: number) =>
    fc
      .tuple(
        fc.array(part, { minLength: count, maxLength: count }),
        fc.integer({ min: -14, max: 14 }),
      )
      .map(([parts, exponent]) => parts.map((one) => one * 2 ** exponent));
  return fc.constantFrom(1, 3).chain((kernel) =>
    fc.record({
      weight: scaled(2 * kernel * kernel).map((data) => float32([2, 1, kernel, kernel], data)),
      bias: fc.option(
        scaled(2).map((data) => float32([2], data)),
        { nil: undefined },
      ),
    }),
  );
}
