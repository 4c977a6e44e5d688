/**
 * Losses and accuracy: against the reference's values and gradients, the formulas against central differences, and the
 * nodes of a training step against the formulas.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import type { Accuracy, Loss, LossNormalization } from "../src/ir/training.ts";
import { createRandom, type Random } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import { accuracyOf } from "../src/train/losses/accuracy.ts";
import { defineLoss, emitLoss } from "../src/train/losses/losses.ts";
import { createStepWriter } from "../src/train/step-model.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { expectClose } from "./within.ts";

type Inputs = ReadonlyMap<string, Tensor<"float32">>;

const base = { layer: "loss", name: "loss", weight: 1 } as const;
const noIgnore = { ignoreLabel: undefined, normalization: "valid" } as const;

/** The loss's nodes, run by ONNX Runtime; with `scale` the gradients are multiplied by it. */
async function runEmitted(
  loss: Loss,
  inputs: Inputs,
  scale?: number,
): Promise<{ readonly value: number; readonly gradients: ReadonlyMap<string, Tensor> }> {
  const nodes = [...inputs].map(
    ([id, { dtype, shape }]): Node => ({ op: "input", id, inputs: [], attrs: { dtype, shape } }),
  );
  const graph: Graph = { name: "loss", nodes, outputs: [], opsets: {} };
  const writer = createStepWriter(graph);
  if (scale !== undefined) writer.input("scale", { dtype: "float32", shape: [] });
  const { value, backward } = emitLoss(loss, writer.tape);
  writer.output("value", value);
  const gradients = backward(scale === undefined ? undefined : "scale");
  for (const [id, name] of gradients) writer.output(`d(${id})`, name);
  const runtime = await nodeRuntime({ threads: 1 });
  const session = await runtime.load(writer.finish());
  const feeds =
    scale === undefined ? inputs : new Map([...inputs, ["scale", float32([], [scale])]]);
  const results = await session.run(feeds);
  await session.release();
  const of = (name: string): Tensor => {
    const found = results.get(name);
    if (found === undefined) throw new Error(`no output ${name}`);
    return found;
  };
  expect(of("value").shape).toEqual([]);
  return {
    value: toNumbers(of("value"))[0]!,
    gradients: new Map([...gradients.keys()].map((id) => [id, of(`d(${id})`)])),
  };
}

// ---------------------------------------------------------------- the reference

const bodies: Readonly<Record<string, Partial<Extract<Loss, { kind: "softmax" }>>>> = {
  "": {},
  "loss_param{ignore_label:-1}": { ignoreLabel: -1 },
  "loss_param{normalization:BATCH_SIZE}": { normalization: "batchSize" },
  "loss_param{normalize:false}": { normalization: "batchSize" },
};

function lossOfCase({ name, params }: VectorCase): Loss {
  const softmax = bodies[String(params["body"])];
  if (name.startsWith("SoftmaxWithLoss/") && softmax !== undefined) {
    const values = { scores: "x0", label: "label", axis: 1 };
    return { ...base, kind: "softmax", ...values, ...noIgnore, ...softmax };
  }
  if (name === "EuclideanLoss") return { ...base, kind: "euclidean", a: "x0", b: "label" };
  if (name === "HingeLoss/L2") {
    return { ...base, kind: "hinge", scores: "x0", label: "label", norm: "L2" };
  }
  if (name === "SmoothL1Loss") {
    const weights = { inside: undefined, outside: undefined };
    return { ...base, kind: "smoothL1", a: "x0", b: "label", ...weights };
  }
  throw new Error(`${name} is not known`);
}

const floatsOf = (inputs: VectorCase["inputs"]): Inputs =>
  new Map(
    Object.entries(inputs).map(([id, value]) => [id, float32(value.shape, toNumbers(value))]),
  );

const known = /^(SoftmaxWithLoss|EuclideanLoss|SmoothL1Loss|HingeLoss|Accuracy)(\/|$)/;
const cases = (vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "layers")).filter(
  ({ name }) => known.test(name),
);

describe.skipIf(vectorsFolder === undefined)("reference vectors (INLAY_VECTORS)", () => {
  const losses = cases.filter(({ name }) => !name.startsWith("Accuracy"));

  it("hold losses and accuracies", () => {
    expect(losses).toHaveLength(7);
    expect(cases).toHaveLength(10);
  });

  it.each(losses.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    const loss = lossOfCase(one);
    const inputs = floatsOf(one.inputs);
    const want = { y: toNumbers(one.outputs["y"]!)[0]!, dx: one.outputs["dx0"]! };
    const defined = defineLoss(loss, inputs);
    expect(Math.abs(defined.value / want.y - 1)).toBeLessThan(1e-6);
    expectClose(tensor("float64", want.dx.shape, defined.gradients.get("x0")!), want.dx, 1e-6);
    const emitted = await runEmitted(loss, inputs);
    expect(Math.abs(emitted.value / want.y - 1)).toBeLessThan(1e-6);
    expectClose(emitted.gradients.get("x0"), want.dx, 1e-6);
  });

  it.each(
    cases.filter(({ name }) => name.startsWith("Accuracy")).map((one) => [one.name, one] as const),
  )("%s", (name, { inputs, outputs }) => {
    const topK = name === "Accuracy/top2" ? 2 : 1;
    const accuracy = { ...plainAccuracy, topK };
    const values = floatsOf(inputs);
    const found = accuracyOf(accuracy, values.get("x0")!, values.get("label")!);
    expect(Math.fround(found.value)).toBe(toNumbers(outputs["y"]!)[0]);
    if (outputs["per"] !== undefined) {
      expect(found.perClass.map(Math.fround)).toEqual(toNumbers(outputs["per"]));
    }
  });
});

const plainAccuracy: Accuracy = {
  ...{ layer: "accuracy", name: "accuracy", scores: "x", label: "y", axis: 1, topK: 1 },
  ...{ ignoreLabel: undefined, perClass: undefined },
};

// ---------------------------------------------------------------- formulas and nodes

type Sample = { readonly loss: Loss; readonly inputs: Inputs; readonly learned: readonly string[] };

const normals = (shape: Shape, random: Random, scale = 1): Tensor<"float32"> =>
  float32(
    shape,
    Array.from({ length: elementCount(shape) }, () => random.normal() * scale),
  );

/** Integers 0..classes-1, some of them replaced by the label that is ignored. */
const labelsFor = (
  shape: Shape,
  classes: number,
  random: Random,
  ignored: number | undefined,
): Tensor<"float32"> =>
  float32(
    shape,
    Array.from({ length: elementCount(shape) }, () =>
      ignored !== undefined && random.unit() < 0.4 ? ignored : random.below(classes),
    ),
  );

const normalizations: readonly LossNormalization[] = ["full", "valid", "batchSize", "none"];
const pick = <T>(items: readonly T[], random: Random): T => items[random.below(items.length)]!;

/** Random cases; the values are away from kinks by the step of a central difference. */
const samples: Readonly<Record<Loss["kind"], (random: Random) => Sample>> = {
  softmax: (random) => {
    const shape = [1 + random.below(3), 2 + random.below(4), 1 + random.below(3), 2].slice(
      0,
      2 + random.below(3),
    );
    const axis = shape.length === 3 ? random.below(3) : 1;
    const ignoreLabel = pick([undefined, -1, 255, 0], random);
    const classes = shape[axis]!;
    const label = labelsFor(shape.toSpliced(axis, 1), classes, random, ignoreLabel);
    const normalization = pick(normalizations, random);
    const kind = "softmax";
    return {
      loss: {
        ...base,
        kind,
        scores: "x",
        label: "y",
        axis,
        ignoreLabel,
        normalization,
        weight: 0.3,
      },
      inputs: new Map([
        ["x", normals(shape, random, 3)],
        ["y", label],
      ]),
      learned: ["x"],
    };
  },
  sigmoid: (random) => {
    const shape = [1 + random.below(3), 1 + random.below(4), 1 + random.below(3)];
    const ignoreLabel = pick([undefined, -1], random);
    const normalization = pick(normalizations, random);
    const target = normals(shape, random).data.map((value, at) =>
      ignoreLabel !== undefined && at % 3 === 0 ? ignoreLabel : 1 / (1 + Math.exp(value)),
    );
    const flat = random.below(2) === 0 ? shape : [shape[0]!, shape[1]! * shape[2]!];
    const kind = "sigmoid";
    return {
      loss: { ...base, kind, scores: "x", target: "y", ignoreLabel, normalization },
      inputs: new Map([
        ["x", normals(shape, random, 4)],
        ["y", float32(flat, target)],
      ]),
      learned: ["x"],
    };
  },
  distillation: (random) => {
    const shape = [1 + random.below(4), 2 + random.below(4), ...(random.below(2) ? [2] : [])];
    const temperature = pick([1, 4], random);
    return {
      loss: { ...base, kind: "distillation", scores: "x", teacher: "y", temperature, weight: 0.7 },
      inputs: new Map([
        ["x", normals(shape, random, 2)],
        ["y", normals(shape, random, 2)],
      ]),
      learned: ["x"],
    };
  },
  euclidean: (random) => {
    const shape = [1 + random.below(4), 1 + random.below(4)];
    return {
      loss: { ...base, kind: "euclidean", a: "x", b: "y", weight: 2 },
      inputs: new Map([
        ["x", normals(shape, random)],
        ["y", normals([...shape, 1], random)],
      ]),
      learned: ["x", "y"],
    };
  },
  hinge: (random) => {
    const shape = [1 + random.below(4), 2 + random.below(4), ...(random.below(2) ? [1, 2] : [])];
    const norm = pick(["L1", "L2"] as const, random);
    const away = normals(shape, random, 2).data.map((value) =>
      Math.abs(Math.abs(value) - 1) < 0.01 ? value * 1.1 : value,
    );
    const labels = labelsFor([shape[0]!], elementCount(shape.slice(1)), random, undefined);
    return {
      loss: { ...base, kind: "hinge", scores: "x", label: "y", norm, weight: 0.5 },
      inputs: new Map([
        ["x", float32(shape, away)],
        ["y", labels],
      ]),
      learned: ["x"],
    };
  },
  smoothL1: (random) => {
    const shape = [1 + random.below(4), 1 + random.below(6)];
    const weights = random.below(2) === 1;
    const masks = [
      float32(
        shape,
        normals(shape, random).data.map((x) => (x > 0 ? 1 : 0)),
      ),
    ];
    return {
      loss: {
        ...{ ...base, kind: "smoothL1", a: "x", b: "y" },
        ...{ inside: weights ? "in" : undefined, outside: weights ? "out" : undefined },
      },
      inputs: new Map([
        // A distance of just 1 has a second kink in its slope, which a central difference does not mind.
        ["x", normals(shape, random, 2)],
        ["y", normals([...shape, 1], random)],
        ["in", masks[0]!],
        ["out", normals(shape, random)],
      ]),
      learned: ["x", "y"],
    };
  },
};

const kinds = Object.keys(samples) as Loss["kind"][];

function slopeAt({ loss, inputs }: Sample, id: string, at: number): number {
  const step = 1e-5;
  const valueAt = (move: number): number => {
    const given = inputs.get(id)!;
    const moved = Float64Array.from(given.data).map((value, index) =>
      index === at ? value + move : value,
    );
    const changed = new Map<string, Tensor>([
      ...inputs,
      [id, tensor("float64", given.shape, moved)],
    ]);
    return defineLoss(loss, changed).value;
  };
  return ((valueAt(step) - valueAt(-step)) / (2 * step)) * loss.weight;
}

describe.each(kinds)("%s", (kind) => {
  it("has the gradient of its value", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), (seed) => {
        const sample = samples[kind](createRandom(seed));
        const { gradients } = defineLoss(sample.loss, sample.inputs);
        expect([...gradients.keys()]).toEqual(sample.learned);
        for (const [id, gradient] of gradients) {
          for (const [at, slope] of gradient.entries()) {
            expect(Math.abs(slope - slopeAt(sample, id, at))).toBeLessThan(1e-6);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("is computed so in a training step", async () => {
    for (let seed = 0; seed < 12; seed += 1) {
      const { loss, inputs, learned } = samples[kind](createRandom(seed, 5));
      const scale = seed % 2 === 0 ? undefined : 8;
      const want = defineLoss(loss, inputs);
      const got = await runEmitted(loss, inputs, scale);
      expect(Math.abs(got.value - want.value)).toBeLessThanOrEqual(1e-5 * Math.abs(want.value));
      expect([...got.gradients.keys()]).toEqual(learned);
      for (const [id, gradient] of got.gradients) {
        const wanted = want.gradients.get(id)!.map((one) => one * (scale ?? 1));
        expectClose(gradient, tensor("float64", inputs.get(id)!.shape, wanted), 1e-5);
      }
    }
  });
});

describe("softmax", () => {
  const label = float32([2], [0, 1]);

  it("does not take a probability below the smallest float32", async () => {
    const x = float32([2, 2], [-200, 0, 0, 0]);
    const loss: Loss = {
      ...{ ...base, ...noIgnore, kind: "softmax", scores: "x", label: "y", axis: 1 },
    };
    const inputs = new Map([
      ["x", x],
      ["y", label],
    ]);
    const want = (126 * Math.LN2 + Math.LN2) / 2;
    expect(defineLoss(loss, inputs).value).toBeCloseTo(want, 10);
    expect((await runEmitted(loss, inputs)).value).toBeCloseTo(want, 4);
  });

  it("is 0 where every label is ignored", async () => {
    const loss: Loss = {
      ...{ ...base, kind: "softmax", scores: "x", label: "y", axis: 1 },
      ...{ ignoreLabel: 7, normalization: "valid" },
    };
    const inputs = new Map([
      ["x", float32([2, 2], [1, 2, 3, 4])],
      ["y", float32([2], [7, 7])],
    ]);
    const { value, gradients } = await runEmitted(loss, inputs);
    expect(Math.abs(value)).toBe(0);
    expect(toNumbers(gradients.get("x")!).map(Math.abs)).toEqual([0, 0, 0, 0]);
  });
});
