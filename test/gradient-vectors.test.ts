/**
 * Forward and backward passes of single Caffe layers against the reference vectors: each layer's prototxt is read as a
 * network to train, and its gradients are those of the rules, run by ONNX Runtime.
 */
import { afterAll, describe, expect, it } from "vitest";
import { writeCaffemodel } from "../src/formats/caffe/files.ts";
import { readTraining } from "../src/formats/caffe/read-training.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { TrainingNetwork } from "../src/ir/training.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { gradientModel, gradientName } from "../src/train/gradient-model.ts";
import { runModel } from "./gradient-check.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { expectClose } from "./within.ts";

/** Float32 sums of the reference, relative to the tensor's maximum. */
const tolerance = 1e-6;

/** A layer to be run, and what it must give. */
type LayerCase = {
  readonly layer: string;
  readonly phase: "TRAIN" | "TEST";
  /** By bottom. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly blobs: readonly Tensor[];
  /** Values and gradients by top. */
  readonly tops: Readonly<Record<string, { readonly y: Tensor; readonly dy: Tensor | undefined }>>;
  /** Gradients by bottom, and by index of the blob. */
  readonly inputGradients: Readonly<Record<string, Tensor>>;
  readonly blobGradients: ReadonlyMap<number, Tensor>;
  /** Blobs of a batch norm after the pass. */
  readonly after: ReadonlyMap<number, Tensor>;
};

/** What to run, or why not. */
type Plan = LayerCase | string;

const matching = (
  values: Readonly<Record<string, Tensor>>,
  pattern: RegExp,
): readonly (readonly [string, Tensor])[] =>
  Object.entries(values).flatMap(([key, value]) => {
    const found = pattern.exec(key)?.[1];
    return found === undefined ? [] : [[found, value] as const];
  });

const indexed = (values: Readonly<Record<string, Tensor>>, pattern: RegExp) =>
  new Map(matching(values, pattern).map(([index, value]) => [Number(index), value]));

function planLayer({ params, inputs, outputs }: VectorCase): Plan {
  const type = String(params["type"]);
  if (/Loss$|^Accuracy$/.test(type)) return "losses and measures have a test of their own";
  if (type === "MVN") return "MVN has no operator";
  return {
    layer: `type: "${type}" ${params["body"]}`,
    phase: params["phase"] === "TRAIN" ? "TRAIN" : "TEST",
    inputs: Object.fromEntries(matching(inputs, /^(x\d)$/)),
    blobs: matching(inputs, /^blob(\d)$/).map(([, value]) => value),
    tops: Object.fromEntries(
      matching(outputs, /^(y\d?)$/).map(([top, y]) => [top, { y, dy: inputs[`d${top}`] }]),
    ),
    inputGradients: Object.fromEntries(matching(outputs, /^d(x\d)$/)),
    blobGradients: type === "BatchNorm" ? new Map() : indexed(outputs, /^dblob(\d)$/),
    after: indexed(outputs, /^blob(\d)_after$/),
  };
}

function planDeconv({ params, inputs, outputs }: VectorCase): Plan {
  const { weight_filler, ...rest } = params;
  const fields = Object.entries(rest).map(([key, value]) => `${key}: ${value}`);
  const { x, top_diff: dy } = inputs;
  const { weight, y, dX, dW } = outputs;
  if (!(x && dy && weight && y && dX && dW)) return "a tensor is missing";
  return {
    layer: `type: "Deconvolution" convolution_param { ${fields.join(" ")} weight_filler { ${weight_filler} } }`,
    phase: "TEST",
    inputs: { x },
    blobs: [weight],
    tops: { y: { y, dy } },
    inputGradients: { x: dX },
    blobGradients: new Map([[0, dW]]),
    after: new Map(),
  };
}

function planNormalize({ params, inputs, outputs }: VectorCase): Plan {
  if (params["channel_shared"] === false) {
    return "a scale per channel: the reference multiplies by it last, which is not the derivative";
  }
  const { x, scale, top_diff: dy } = inputs;
  const { y, dX, dscale } = outputs;
  if (!(x && scale && dy && y && dX && dscale)) return "a tensor is missing";
  const fields = `across_spatial: ${params["across_spatial"]} channel_shared: ${params["channel_shared"]}`;
  return {
    layer: `type: "Normalize" norm_param { ${fields} }`,
    phase: "TEST",
    inputs: { x },
    blobs: [scale],
    tops: { y: { y, dy } },
    inputGradients: { x: dX },
    blobGradients: new Map([[0, dscale]]),
    after: new Map(),
  };
}

const zeros = (shape: readonly number[]): Tensor =>
  float32(shape, new Float32Array(elementCount(shape)));

function declared(name: string, { shape }: Tensor): string {
  return `input: "${name}" input_shape { ${shape.map((dim) => `dim: ${dim}`).join(" ")} }`;
}

/** The layer as a network. Only a network with a loss can be trained: it gets one that is not looked at. */
function networkOf({ layer, phase, inputs, blobs, tops }: LayerCase): TrainingNetwork {
  const ends = [
    ...Object.keys(inputs).map((name) => `bottom: "${name}"`),
    ...Object.keys(tops).map((name) => `top: "${name}"`),
  ];
  const target = tops["y"]?.y;
  const loss =
    phase === "TEST" || target === undefined
      ? []
      : [
          declared("target", target),
          `layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "target" top: "loss" }`,
        ];
  const text = [
    ...Object.entries(inputs).map(([name, value]) => declared(name, value)),
    `layer { name: "x" ${ends.join(" ")} ${layer} }`,
    ...loss,
  ].join("\n");
  const trained = {
    name: blobs.length > 0 ? "x" : "none",
    blobs: blobs.map(({ shape, data }) => ({ shape: { dim: shape }, data: data as Float32Array })),
  };
  return readTraining({
    prototxt: { name: "case.prototxt", bytes: new TextEncoder().encode(text) },
    caffemodel: { name: "case.caffemodel", bytes: writeCaffemodel({ layer: [trained] }) },
    phase,
    seed: 1,
  });
}

/** Equal up to the shape: a single number may be [] or [1]. */
function expectEqual(got: Tensor | undefined, want: Tensor): void {
  expect(toNumbers(got ?? zeros([0])).length).toBe(toNumbers(want).length);
  expectClose(got && float32(want.shape, toNumbers(got)), want, tolerance);
}

/** Values of the model's inputs: given ones, stored ones, gradients of the tops; zeros for what nobody looks at. */
function feedsOf(plan: LayerCase, network: TrainingNetwork): ReadonlyMap<string, Tensor> {
  const { graph, statistics } = network;
  const feeds = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    if (node.op === "input") feeds.set(node.id, plan.inputs[node.id] ?? zeros(node.attrs.shape));
    if (node.op === "const") feeds.set(node.id, node.attrs.tensor);
  }
  const types = inferTypes(graph);
  for (const { name, id } of graph.outputs) {
    feeds.set(gradientName(id), plan.tops[name]?.dy ?? zeros(types.get(id)?.shape ?? []));
  }
  for (const { layer, sums } of statistics) {
    for (const [index, value] of sums.entries()) feeds.set(`${layer}/${index}`, value);
  }
  return feeds;
}

/** What must come out, by the model's names of it. */
function wantedOf(plan: LayerCase, network: TrainingNetwork): ReadonlyMap<string, Tensor> {
  const { graph, parameters, statistics } = network;
  const ids = new Map(parameters.map(({ key, ids: [id = ""] }) => [key, id]));
  return new Map([
    ...graph.outputs.flatMap(({ name, id }) => {
      const top = plan.tops[name];
      return top === undefined ? [] : [[`${id}'`, top.y] as const];
    }),
    ...Object.entries(plan.inputGradients).map(([id, dx]) => [gradientName(id), dx] as const),
    ...[...plan.blobGradients].map(
      ([index, dw]) => [gradientName(ids.get(`x/${index}`) ?? ""), dw] as const,
    ),
    // Stored statistics are not written.
    ...[...(statistics.length === 0 ? [] : plan.after)].map(
      ([index, blob]) => [`x/${index}'`, blob] as const,
    ),
  ]);
}

async function check(plan: LayerCase): Promise<void> {
  const network = networkOf(plan);
  const wanted = wantedOf(plan, network);
  const learned = new Set(network.parameters.flatMap(({ ids }) => ids));
  const variables = [...Object.keys(plan.inputs), ...learned];
  const model = gradientModel(network.graph, variables, network.statistics);
  const got = await runModel(model, feedsOf(plan, network));
  for (const [name, value] of wanted) expectEqual(got.get(name), value);
}

const suites: Readonly<Record<string, (vector: VectorCase) => Plan>> = {
  layers: planLayer,
  deconv: planDeconv,
  ssd: planNormalize,
};

const title = vectorsFolder === undefined ? "(INLAY_VECTORS is unset)" : "against Caffe";

describe.skipIf(vectorsFolder === undefined)(`gradients ${title}`, () => {
  describe.each(Object.keys(suites))("%s", (suite) => {
    const all = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, suite);
    const vectors = all.filter(({ params }) => suite !== "ssd" || params["layer"] === "Normalize");
    const plans = vectors.map((vector) => ({
      name: vector.name,
      plan: suites[suite]?.(vector) ?? "no plan",
    }));
    for (const { name, plan } of plans) {
      if (typeof plan !== "string") it(name, () => check(plan));
    }

    afterAll(() => {
      const leftOut = plans.filter(({ plan }) => typeof plan === "string");
      const reasons = new Map<string, string[]>();
      for (const { name, plan } of leftOut) {
        if (typeof plan === "string") reasons.set(plan, [...(reasons.get(plan) ?? []), name]);
      }
      const lines = [...reasons].map(([why, names]) => `  left out: ${why} (${names.join(", ")})`);
      const ran = plans.length - leftOut.length;
      process.stdout.write([`${suite}: ${ran} of ${plans.length} ran`, ...lines, ""].join("\n"));
    });
  });
});
