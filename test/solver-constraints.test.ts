/** Constraints after an update, as ONNX Runtime computes them, against their definition. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import { type Constraint, constrain, emitConstraints } from "../src/train/solver/constraints.ts";
import { createStepWriter } from "../src/train/step-model.ts";

type Values = ReadonlyMap<string, Tensor<"float32">>;

function draw(shape: Shape, scale: number, seed: number): Tensor<"float32"> {
  const random = createRandom(seed);
  const length = elementCount(shape);
  return float32(
    shape,
    Float32Array.from({ length }, () => scale * random.normal()),
  );
}

const blobs: Values = new Map([
  ["conv/0", draw([6, 3, 3, 3], 0.2, 1)],
  ["conv/1", draw([6], 1, 2)],
  ["up/0", draw([4, 3, 2, 2], 0.5, 3)],
]);

const constraints: readonly Constraint[] = [
  { kind: "clipBias", weight: "conv/0", bias: "conv/1" },
  { kind: "maxNorm", weight: "conv/0", axis: 0, limit: 1 },
  { kind: "maxNorm", weight: "up/0", axis: 1, limit: Math.fround(1.9) },
];

async function run(given: readonly Constraint[], values: Values): Promise<Map<string, Tensor>> {
  const writer = createStepWriter({ name: "constraints", nodes: [], outputs: [], opsets: {} });
  const names = new Map([...values].map(([key, value]) => [key, writer.input(key, value)]));
  const shapeOf = (key: string): Shape => values.get(key)?.shape ?? [];
  for (const [key, name] of emitConstraints(given, names, shapeOf, writer.tape)) {
    writer.output(`${key}'`, name);
  }
  const session = await (await nodeRuntime({ threads: 1 })).load(writer.finish());
  try {
    return new Map(await session.run(values));
  } finally {
    await session.release();
  }
}

describe("constraints", () => {
  it("clip a bias bit for bit", async () => {
    const given = constraints.slice(0, 1);
    const results = await run(given, blobs);
    const wanted = constrain(given, blobs);
    expect(wanted.get("conv/1")).not.toEqual(blobs.get("conv/1"));
    for (const [key, value] of wanted) expect(results.get(`${key}'`)?.data).toEqual(value.data);
  });

  it("limit norms to the last digits, whose sums are rounded in another order", async () => {
    const results = await run(constraints, blobs);
    for (const [key, value] of constrain(constraints, blobs)) {
      const got = results.get(`${key}'`)?.data as Float32Array;
      value.data.forEach((wanted, at) => {
        const error = Math.abs((got[at] ?? Number.NaN) - wanted);
        expect(error, key).toBeLessThanOrEqual(1e-6 * Math.abs(wanted));
      });
    }
  });

  it("refuse a blob that is not there", () => {
    expect(() => constrain([{ kind: "clipBias", weight: "conv/0", bias: "x" }], blobs)).toThrow(
      "x",
    );
  });
});

describe("constrain", () => {
  it("keeps every norm at the limit or below, and what is below as it was", () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0.01, max: 5, noNaN: true }), (seed, limit) => {
        const weight = draw([4, 3, 2], 1, seed);
        const given: Constraint = { kind: "maxNorm", weight: "w", axis: 0, limit };
        const kept = constrain([given], new Map([["w", weight]])).get("w")?.data ?? [];
        for (let row = 0; row < 4; row += 1) {
          const norm = (data: ArrayLike<number>): number =>
            Math.hypot(...Array.from(data).slice(row * 6, row * 6 + 6));
          expect(norm(kept)).toBeLessThanOrEqual(limit * (1 + 1e-6));
          if (norm(weight.data) < limit * (1 - 1e-6)) {
            expect(kept.slice(row * 6, row * 6 + 6)).toEqual(
              weight.data.slice(row * 6, row * 6 + 6),
            );
          }
        }
      }),
    );
  });
});
