/** The update that ONNX Runtime computes, against the definition of each rule. */
import { describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import type { UpdateRule, UpdateSettings } from "../src/train/solver/settings.ts";
import {
  clipScale,
  historiesOf,
  stepScalars,
  updateBlob,
} from "../src/train/solver/update-rules.ts";
import { emitUpdates } from "../src/train/solver/updates.ts";
import { createStepWriter } from "../src/train/step-model.ts";

const float = Math.fround;

const settings: UpdateSettings = {
  rule: "SGD",
  schedule: { policy: "exp", base: float(0.05), gamma: float(0.9) },
  momentum: float(0.9),
  momentum2: float(0.999),
  rmsDecay: float(0.98),
  delta: float(1e-8),
  weightDecay: float(0.0005),
  regularization: "L2",
  iterSize: 1,
  clipGradients: undefined,
};

type Blob = {
  readonly key: string;
  readonly shape: Shape;
  readonly lrMult: number;
  readonly decayMult: number;
  readonly value: Tensor<"float32">;
  readonly gradient: Tensor<"float32">;
  readonly histories: readonly Tensor<"float32">[];
};

/** Some are alone, some vectors share their multipliers, one has a lone pair of them. */
const kinds: readonly (readonly [key: string, shape: Shape, lrMult: number, decayMult: number])[] =
  [
    ["conv/0", [5, 3, 3, 3], 1, 1],
    ["conv/1", [5], 2, 0],
    ["bn/0", [7], 1, 1],
    ["bn/1", [7], 2, 0],
    ["fc/0", [4, 33], float(0.1), 0.5],
    ["fc/1", [4], 2, 0],
    ["cap/0", [1], 1, 0],
    ["odd/0", [], 1, 1],
  ];

function makeBlobs(perBlob: number, squared: boolean): readonly Blob[] {
  const random = createRandom(7);
  return kinds.map(([key, shape, lrMult, decayMult]) => {
    const draw = (scale: number): Tensor<"float32"> =>
      float32(
        shape,
        Float32Array.from({ length: elementCount(shape) }, () => scale * random.normal()),
      );
    const histories = Array.from({ length: perBlob }, () => draw(0.01)).map((history) =>
      squared
        ? float32(
            shape,
            history.data.map((v) => v * v),
          )
        : history,
    );
    return { key, shape, lrMult, decayMult, value: draw(0.1), gradient: draw(1), histories };
  });
}

/** New values and histories by `key'` and `key#index'`. */
async function run(
  given: UpdateSettings,
  blobs: readonly Blob[],
  iteration: number,
): Promise<ReadonlyMap<string, Tensor>> {
  const writer = createStepWriter({ name: "update", nodes: [], outputs: [], opsets: {} });
  const feeds = new Map<string, Tensor>();
  const feed = (name: string, value: Tensor): string => {
    feeds.set(name, value);
    return writer.input(name, { dtype: value.dtype, shape: value.shape });
  };
  for (const [name, value] of stepScalars(given, iteration)) feed(name, float32([], [value]));
  const inputs = blobs.map(({ key, value, gradient, histories, ...rest }) => ({
    ...rest,
    key,
    value: feed(key, value),
    gradient: feed(`d ${key}`, gradient),
    histories: histories.map((history, index) => feed(`${key}#${index}`, history)),
  }));
  for (const { key, value, histories } of emitUpdates(given, inputs, writer.tape)) {
    writer.output(`${key}'`, value);
    histories.forEach((name, index) => {
      writer.output(`${key}#${index}'`, name);
    });
  }
  const runtime = await nodeRuntime({ threads: 1 });
  const session = await runtime.load(writer.finish());
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

function defined(
  given: UpdateSettings,
  blobs: readonly Blob[],
  iteration: number,
): ReadonlyMap<string, Float32Array> {
  const scale = clipScale(
    given,
    blobs.map(({ gradient }) => gradient.data),
  );
  return new Map(
    blobs.flatMap(({ key, value, gradient, histories, lrMult, decayMult }) => {
      const data = { value: value.data, gradient: gradient.data, lrMult, decayMult };
      const blob = { ...data, histories: histories.map((history) => history.data) };
      const moved = updateBlob(given, iteration, blob, scale);
      return [
        [`${key}'`, moved.value] as const,
        ...moved.histories.map((history, index) => [`${key}#${index}'`, history] as const),
      ];
    }),
  );
}

const rules: readonly UpdateRule[] = ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"];
const variants: readonly Partial<UpdateSettings>[] = [
  {},
  { regularization: "L1" },
  { weightDecay: 0, momentum: 0 },
  { iterSize: 3 },
  { clipGradients: 1e6 },
];

describe.each(rules)("%s in ONNX Runtime", (rule) => {
  it.each(variants)("is the definition bit for bit, with %o", async (variant) => {
    const given = { ...settings, rule, ...variant };
    const blobs = makeBlobs(historiesOf(given), !["SGD", "Nesterov"].includes(rule));
    const results = await run(given, blobs, 4);
    const wanted = defined(given, blobs, 4);
    expect([...results.keys()].toSorted()).toEqual([...wanted.keys()].toSorted());
    for (const [name, value] of wanted) expect(results.get(name)?.data, name).toEqual(value);
  });

  it("clips by the common norm, whose sum is rounded in another order", async () => {
    const given = { ...settings, rule, clipGradients: 0.5 };
    const blobs = makeBlobs(historiesOf(given), !["SGD", "Nesterov"].includes(rule));
    const results = await run(given, blobs, 4);
    for (const [name, value] of defined(given, blobs, 4)) {
      const got = results.get(name)?.data as Float32Array;
      value.forEach((wanted, at) => {
        expect(Math.abs((got[at] ?? Number.NaN) - wanted), name).toBeLessThan(
          1e-6 * Math.max(Math.abs(wanted), 0.01),
        );
      });
    }
  });
});
