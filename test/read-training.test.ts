/**
 * Training prototxts read as networks to train: those of the reference's training runs, and real ones.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type NamedBytes, writeCaffemodel } from "../src/formats/caffe/files.ts";
import { readTraining, trainingNet } from "../src/formats/caffe/read-training.ts";
import { stateToCaffemodel } from "../src/formats/caffe/write-trained.ts";
import { constantOf, nodeMap } from "../src/ir/graph.ts";
import type { TrainingNetwork } from "../src/ir/training.ts";
import { initialState, withState } from "../src/ir/training-state.ts";
import { verify } from "../src/ir/verify.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";

type State = ReadonlyMap<string, Tensor<"float32">>;

const cases = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "solver");

const prototxtOf = ({ name, params }: VectorCase): NamedBytes => ({
  name: `${name}.prototxt`,
  bytes: new TextEncoder().encode(String(params["prototxt"])),
});

/** Blobs `init/...` or `final/...` of a case, by key. */
function blobs({ inputs, outputs }: VectorCase, part: string): State {
  return new Map(
    Object.entries({ ...inputs, ...outputs })
      .filter(([key]) => key.startsWith(part))
      .map(([key, value]) => [key.slice(part.length), float32(value.shape, toNumbers(value))]),
  );
}

const bits = (value: Tensor<"float32"> | undefined): readonly number[] =>
  value === undefined ? [] : [...new Uint32Array(value.data.slice().buffer)];

describe.skipIf(vectorsFolder === undefined)("reference training runs (INLAY_VECTORS)", () => {
  it("are 19", () => {
    expect(cases).toHaveLength(19);
  });

  it.each(cases.map((one) => [one.name, one] as const))("%s", (_, one) => {
    const prototxt = prototxtOf(one);
    const init = blobs(one, "init/");
    const message = stateToCaffemodel(trainingNet({ prototxt, phase: "TRAIN" }), init);
    const caffemodel = { name: "init.caffemodel", bytes: writeCaffemodel(message) };
    const network = readTraining({ prototxt, phase: "TRAIN", caffemodel, seed: 1 });
    verify(network.graph, "imported");
    const state = initialState(network);
    expect([...state.keys()]).toEqual([...init.keys()]);
    for (const [key, value] of init)
      expect([key, bits(state.get(key))]).toEqual([key, bits(value)]);
    expectFactors(network, one);
    const shapes = message.layer?.flatMap((layer) =>
      (layer.blobs ?? []).map(({ shape }, index) => [`${layer.name}/${index}`, shape?.dim]),
    );
    expect(shapes).toEqual([...init].map(([key, { shape }]) => [key, shape]));
    const inputs = network.graph.nodes.filter(({ op }) => op === "input");
    expect(inputs.map(({ attrs }) => attrs)).toEqual(
      [one.inputs["data"], one.inputs["label"]].map((value) => ({
        ...{ dtype: "float32", shape: value?.shape.slice(1) },
      })),
    );
    expect(network.losses).toMatchObject([{ kind: "softmax", scores: "fc", label: "label" }]);
  });

  it("have their final blobs in the graph of a state", () => {
    const one = cases.find(({ name }) => name === "q_bn/quant_3bit")!;
    const network = readTraining({ prototxt: prototxtOf(one), phase: "TEST" });
    const final = blobs(one, "final/");
    const graph = withState(network, final);
    const nodes = nodeMap(graph);
    const values = (id: string): readonly number[] => toNumbers(constantOf(nodes.get(id))!);
    expect(values("conv0.weight")).toEqual(toNumbers(final.get("conv0/0")!));
    expect(values("relu1.cap")).toEqual(toNumbers(final.get("relu1/0")!));
    const [sums, count] = [final.get("bn1/1")!, final.get("bn1/2")!.data[0]!];
    for (const [at, variance] of values("bn1.variance").entries()) {
      expect(variance / (sums.data[at]! / count)).toBeCloseTo(1, 6);
    }
    expect(graph.nodes).toHaveLength(network.graph.nodes.length);
    expect(withState(network, new Map())).toEqual(network.graph);
    const wrong = new Map([["conv0/0", float32([1], [1])]]);
    expect(() => withState(network, wrong)).toThrow("does not fit the network");
  });
});

/** What the case says in words: convolutions' weights 1 and 1, their biases 2 and 0; everything else has the defaults. */
function expectFactors({ parameters, statistics }: TrainingNetwork, { params }: VectorCase): void {
  const stated = String(params["prototxt"]).includes("decay_mult");
  for (const { key, ids, lrMult, decayMult } of parameters) {
    const isBias = stated && /^conv\d\/1$/.test(key);
    const isCap = key.startsWith("relu");
    expect([key, ids.length, lrMult, decayMult]).toEqual([
      ...[key, 1, isBias ? 2 : 1, isBias || isCap ? 0 : 1],
    ]);
  }
  expect(statistics.map(({ layer }) => layer)).toEqual(params["batchnorm"] ? ["bn0", "bn1"] : []);
}

// ---------------------------------------------------------------- real networks

const folder = process.env["INLAY_DATA"] ?? "";

type Genuine = {
  readonly path: string;
  readonly data: readonly number[];
  readonly caffemodel?: string;
  readonly stages?: readonly string[];
  readonly train: readonly [parameters: number, values: number, norms: number, losses: number];
  readonly accuracies: number;
};

const bvlc = "prototxt/bvlc/";
const genuine: readonly Genuine[] = [
  {
    path: "models/lenet/lenet_train_test.prototxt",
    ...{ data: [4, 1, 28, 28], caffemodel: "models/lenet/lenet_iter_10000.caffemodel" },
    ...{ train: [8, 431_080, 0, 1], accuracies: 1 },
  },
  {
    path: `${bvlc}examples/cifar10/cifar10_full_sigmoid_train_test_bn.prototxt`,
    ...{ data: [4, 3, 32, 32], train: [5, 89_450, 3, 1], accuracies: 1 },
  },
  {
    path: `${bvlc}models/bvlc_googlenet/train_val.prototxt`,
    ...{ data: [1, 3, 224, 224], train: [128, 13_378_280, 0, 3], accuracies: 6 },
  },
  {
    path: `${bvlc}examples/mnist/mnist_autoencoder.prototxt`,
    ...{ data: [4, 1, 28, 28], stages: ["test-on-train"] },
    ...{ train: [16, 2_837_314, 0, 2], accuracies: 0 },
  },
  {
    path: "lmdb/my_train_val.prototxt",
    ...{ data: [2, 3, 256, 256], train: [16, 70_507_906, 0, 1], accuracies: 1 },
  },
];

describe.skipIf(folder === "")("real training networks (INLAY_DATA)", () => {
  it.each(genuine.map((one) => [one.path, one] as const))("%s", (path, one) => {
    const prototxt = { name: path, bytes: readFileSync(join(folder, path)) };
    const inputShapes = new Map([["data", one.data]]);
    const [train, test] = (["TRAIN", "TEST"] as const).map((phase) =>
      readTraining({ prototxt, phase, inputShapes, stages: one.stages ?? [] }),
    );
    for (const network of [train!, test!]) verify(network.graph, "imported");
    const { parameters, statistics, losses } = train!;
    const nodes = nodeMap(train!.graph);
    const count = parameters
      .map(({ ids: [id = ""] }) => elementCount(constantOf(nodes.get(id))?.shape ?? []))
      .reduce((a, b) => a + b, 0);
    expect([parameters.length, count, statistics.length, losses.length]).toEqual(one.train);
    expect(test!.accuracies).toHaveLength(one.accuracies);
    expect([...initialState(test!).keys()]).toEqual([...initialState(train!).keys()]);
  });

  it("begins with the weights of a caffemodel of 2014", () => {
    const [lenet] = genuine;
    const files = [lenet!.path, lenet!.caffemodel!].map((name) => join(folder, name));
    expect(files.map((file) => existsSync(file))).toEqual([true, true]);
    const [prototxt, caffemodel] = files.map((name) => ({ name, bytes: readFileSync(name) }));
    const warnings: unknown[] = [];
    const network = readTraining({
      ...{ prototxt: prototxt!, caffemodel: caffemodel!, phase: "TRAIN", seed: 1 },
      inputShapes: new Map([["data", lenet!.data]]),
      onWarning: (warning) => warnings.push(warning),
    });
    expect(warnings).toEqual([]);
    expect(new Set(initialState(network).get("conv1/0")!.data).size).toBeGreaterThan(400);
  });
});
