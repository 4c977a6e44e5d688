import { describe, expect, it } from "vitest";
import { constantOf, nodeMap } from "../../ir/graph.ts";
import type { TrainingNetwork } from "../../ir/training.ts";
import { initialState } from "../../ir/training-state.ts";
import { verify } from "../../ir/verify.ts";
import type { Warning } from "../../notice.ts";
import { type Tensor, toNumbers } from "../../tensor/tensor.ts";
import { writeCaffemodel } from "./files.ts";
import { type ReadTrainingOptions, readTraining } from "./read-training.ts";
import type { LayerInit } from "./schema/schema.ts";

const named = (text: string) => ({
  name: "net.prototxt",
  bytes: new TextEncoder().encode(text),
});

function read(text: string, options: Partial<ReadTrainingOptions> = {}): TrainingNetwork {
  const network = readTraining({ prototxt: named(text), phase: "TRAIN", seed: 3, ...options });
  verify(network.graph, "imported");
  return network;
}

/** The network, and the warnings of reading it. */
function warned(
  text: string,
  options: Partial<ReadTrainingOptions> = {},
): { readonly network: TrainingNetwork; readonly warnings: readonly Warning[] } {
  const warnings: Warning[] = [];
  const network = read(text, { ...options, onWarning: (warning) => warnings.push(warning) });
  return { network, warnings };
}

const model = (...layer: LayerInit[]) => ({
  name: "old.caffemodel",
  bytes: writeCaffemodel({ layer }),
});

const blob = (dim: readonly number[], first: number): NonNullable<LayerInit["blobs"]>[number] => ({
  shape: { dim },
  data: Float32Array.from({ length: dim.reduce((a, b) => a * b, 1) }, (_, at) => first + at),
});

const data = `layer { name: "data" type: "Data" top: "data" top: "label"
  include { phase: TRAIN } data_param { batch_size: 4 } transform_param { crop_size: 6 force_gray: true } }
layer { name: "data" type: "Data" top: "data" top: "label"
  include { phase: TEST } data_param { batch_size: 2 } transform_param { crop_size: 6 force_gray: true } }`;

const conv = (name: string, bottom: string, more = ""): string =>
  `layer { name: "${name}" type: "Convolution" bottom: "${bottom}" top: "${name}" ${more}
  convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }`;

const product = (name: string, bottom: string, more = "", param = ""): string =>
  `layer { name: "${name}" type: "InnerProduct" bottom: "${bottom}" top: "${name}" ${more}
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.1 } ${param} } }`;

const loss = (scores: string, more = ""): string =>
  `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "${scores}" bottom: "label" top: "loss" ${more} }`;

const accuracy = `layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc"
  include { phase: TEST } accuracy_param { top_k: 2 ignore_label: 9 } }`;

const small = `${data} ${conv("c", "data")} ${product("fc", "c")} ${accuracy} ${loss("fc")}`;

const inputs = ({ graph }: TrainingNetwork): Record<string, readonly number[]> =>
  Object.fromEntries(
    graph.nodes.flatMap((node) => (node.op === "input" ? [[node.id, node.attrs.shape]] : [])),
  );

const constantIn = ({ graph }: TrainingNetwork, id: string): readonly number[] => {
  const value = constantOf(nodeMap(graph).get(id));
  return value === undefined ? [] : toNumbers(value);
};

const bits = (state: ReadonlyMap<string, Tensor>): Record<string, unknown> =>
  Object.fromEntries(
    [...state].map(([key, { shape, data: values }]) => [
      key,
      { shape, bits: [...new Uint32Array(Float32Array.from(values as Float32Array).buffer)] },
    ]),
  );

describe("readTraining", () => {
  it("takes the layers, inputs and measures of the phase", () => {
    const train = read(small);
    expect(inputs(train)).toEqual({ data: [4, 1, 6, 6], label: [4] });
    expect(train.accuracies).toEqual([]);
    const test = read(small, { phase: "TEST" });
    expect(inputs(test)).toEqual({ data: [2, 1, 6, 6], label: [2] });
    expect(test.accuracies).toEqual([
      {
        ...{ layer: "acc", name: "acc", scores: "fc", label: "label", axis: 1, topK: 2 },
        ...{ ignoreLabel: 9, perClass: undefined },
      },
    ]);
    expect(test.losses).toEqual(train.losses);
    expect(train.graph.outputs).toEqual([{ name: "fc", id: "fc" }]);
  });

  it("takes the caller's shapes of inputs", () => {
    const shapes = new Map([["data", [7, 3, 8, 8]]]);
    expect(inputs(read(small, { inputShapes: shapes }))).toEqual({
      data: [7, 3, 8, 8],
      label: [7],
    });
    const more = new Map([...shapes, ["label", [7, 1, 1, 1]]]);
    expect(inputs(read(small, { inputShapes: more }))["label"]).toEqual([7, 1, 1, 1]);
  });

  it("obeys level and stages", () => {
    const staged = small.replace('name: "acc"', 'name: "acc" include { stage: "x" min_level: 2 }');
    const [off, on] = [{}, { stages: ["x"], level: 2 }].map((more) =>
      read(staged, { phase: "TRAIN", ...more }),
    );
    expect(off?.accuracies).toHaveLength(0);
    expect(on?.accuracies).toHaveLength(1);
  });

  it("rounds pictures to fewer bits in the graph, and labels not", () => {
    const text = small.replaceAll("crop_size: 6", "crop_size: 6 quant_enable: true");
    const { graph } = read(text);
    expect(graph.nodes.filter(({ op }) => op === "reduceBits").map(({ id }) => id)).toEqual([
      "data.levels",
    ]);
  });

  it("names every learned blob with its factors", () => {
    const text = `${data} ${conv("c", "data", "param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }")}
      layer { name: "q" type: "QuantReLU" bottom: "c" top: "c" }
      layer { name: "r" type: "QuantReLU" bottom: "c" top: "c" param { decay_mult: 1 lr_mult: 0 } }
      layer { name: "p" type: "PReLU" bottom: "c" top: "c" }
      layer { name: "s" type: "Scale" bottom: "c" top: "c" scale_param { bias_term: true } }
      layer { name: "b" type: "Bias" bottom: "c" top: "c" }
      layer { name: "n" type: "Normalize" bottom: "c" top: "c" norm_param { channel_shared: false } }
      layer { name: "d" type: "Deconvolution" bottom: "c" top: "d" convolution_param { num_output: 1 kernel_size: 2 } }
      ${product("fc", "d", "", "axis: 1 transpose: true")} ${loss("fc")}`;
    const { parameters } = read(text);
    expect(
      parameters.map(({ key, ids, lrMult, decayMult }) => [key, ids, lrMult, decayMult]),
    ).toEqual([
      ["c/0", ["c.weight"], 1, 1],
      ["c/1", ["c.bias"], 2, 0],
      ["q/0", ["q.cap"], 1, 0],
      ["r/0", ["r.cap"], 0, 1],
      ["p/0", ["p.slope"], 1, 1],
      ["s/0", ["s.weight"], 1, 1],
      ["s/1", ["s.bias"], 1, 1],
      ["b/0", ["b.bias"], 1, 1],
      ["n/0", ["n.scale"], 1, 1],
      ["d/0", ["d.weight"], 1, 1],
      ["d/1", ["d.bias"], 1, 1],
      ["fc/0", ["fc.weight"], 1, 1],
      ["fc/1", ["fc.bias"], 1, 1],
    ]);
  });

  it("reads the factors of the form of 2014", () => {
    const text = `name: "old" input: "data" input_dim: 2 input_dim: 4 input_dim: 1 input_dim: 1
      input: "label" input_dim: 2 input_dim: 1 input_dim: 1 input_dim: 1
      layers { name: "fc" type: INNER_PRODUCT bottom: "data" top: "fc" blobs_lr: 1 blobs_lr: 2
        weight_decay: 1 weight_decay: 0 inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
      layers { name: "loss" type: SOFTMAX_LOSS bottom: "fc" bottom: "label" top: "loss" }`;
    const { parameters, losses } = read(text);
    expect(parameters.map(({ lrMult, decayMult }) => [lrMult, decayMult])).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(losses).toHaveLength(1);
  });

  it("draws weights from the seed and the key alone", () => {
    const all = (text: string, seed: number) => bits(initialState(read(text, { seed })));
    expect(all(small, 3)).toEqual(all(small, 3));
    expect(all(small, 4)["c/0"]).not.toEqual(all(small, 3)["c/0"]);
    const other = small.replace(conv("c", "data"), `${conv("z", "data")} ${conv("c", "data")}`);
    expect(all(other, 3)["c/0"]).toEqual(all(small, 3)["c/0"]);
    const fresh = initialState(read(small));
    expect(new Set(fresh.get("c/0")?.data).size).toBe(18);
    expect(initialState(read(small, { seed: undefined })).get("c/0")?.data).toEqual(
      new Float32Array(18),
    );
  });
});

describe("losses", () => {
  const losses = (more: string) => read(small.replace(loss("fc"), loss("fc", more))).losses;

  it("have a weight, an ignored label and a normalization", () => {
    expect(losses("")).toEqual([
      {
        ...{ layer: "loss", name: "loss", weight: 1, kind: "softmax", scores: "fc", axis: 1 },
        ...{ label: "label", ignoreLabel: undefined, normalization: "valid" },
      },
    ]);
    expect(
      losses("loss_weight: 0.3 loss_param { ignore_label: 255 normalization: FULL }"),
    ).toMatchObject([{ weight: Math.fround(0.3), ignoreLabel: 255, normalization: "full" }]);
    expect(losses("loss_param { normalize: false }")).toMatchObject([
      { normalization: "batchSize" },
    ]);
    expect(losses("loss_param { normalize: false normalization: NONE }")).toMatchObject([
      { normalization: "none" },
    ]);
  });

  it("of every kind are read", () => {
    const text = `${data} ${product("fc", "data")} ${product("to", "data")}
      layer { name: "e" type: "EuclideanLoss" bottom: "fc" bottom: "to" top: "e" }
      layer { name: "g" type: "SigmoidCrossEntropyLoss" bottom: "fc" bottom: "to" top: "g" }
      layer { name: "h" type: "HingeLoss" bottom: "fc" bottom: "label" hinge_loss_param { norm: L2 } }
      layer { name: "s" type: "SmoothL1Loss" bottom: "fc" bottom: "to" bottom: "to" top: "s" loss_weight: 2 }`;
    const base = (name: string) => ({ layer: name, name, weight: 1 });
    const { losses: found, graph } = read(text);
    expect(found).toEqual([
      { ...base("e"), kind: "euclidean", a: "fc", b: "to" },
      {
        ...{ ...base("g"), kind: "sigmoid", scores: "fc", target: "to" },
        ...{ ignoreLabel: undefined, normalization: "batchSize" },
      },
      { ...base("h"), kind: "hinge", scores: "fc", label: "label", norm: "L2" },
      {
        ...{ ...base("s"), weight: 2, kind: "smoothL1", a: "fc", b: "to" },
        ...{ inside: "to", outside: undefined },
      },
    ]);
    expect(graph.outputs.map(({ id }) => id)).toEqual(["fc", "to"]);
  });

  it("give a softmax as a second top, and keep alive what they read", () => {
    const two = loss("fc", 'top: "prob"');
    const { graph } = read(`${data} ${product("fc", "data")} ${two}
      layer { name: "silence" type: "Silence" bottom: "prob" }`);
    expect(graph.nodes.at(-1)).toMatchObject({ op: "softmax", id: "loss.softmax", inputs: ["fc"] });
    expect(graph.outputs).toEqual([{ name: "fc", id: "fc" }]);
    const read2 = read(`${data} ${product("fc", "data")} ${two}`);
    expect(read2.graph.outputs.map(({ name }) => name)).toEqual(["prob", "fc"]);
  });

  it.each([
    ["a weight elsewhere", conv("c", "data", "loss_weight: 1"), "only loss layers"],
    [
      "other losses",
      'layer { name: "x" type: "InfogainLoss" bottom: "data" top: "x" }',
      "cannot be",
    ],
    ["stopped gradients", conv("c", "data", "propagate_down: false"), "propagate_down"],
    [
      "stochastic pooling",
      'layer { name: "x" type: "Pooling" bottom: "data" top: "x" pooling_param { pool: STOCHASTIC kernel_size: 2 } }',
      "STOCHASTIC",
    ],
    [
      "a dropout that scales later",
      'layer { name: "x" type: "Dropout" bottom: "data" top: "x" dropout_param { scale_train: false } }',
      "scale_train",
    ],
    ["labels for other samples", loss("data"), "one label for every score vector: expected 144"],
    [
      "targets of another size",
      'layer { name: "x" type: "EuclideanLoss" bottom: "data" bottom: "label" top: "x" }',
      "different shapes",
    ],
    [
      "weights for too few tops",
      `${product("fc", "data")} ${loss("fc", 'top: "p" loss_weight: 1')}`,
      "one number per top",
    ],
    ["no loss", product("fc", "data"), "no loss to train with"],
    ["a loss of weight 0", `${product("fc", "data")} ${loss("fc", "loss_weight: 0")}`, "no loss"],
    ["factors of no blob", conv("c", "data", "param {} param {} param {}"), "more param than"],
    ["two names alike", `${conv("c", "data")} ${conv("c", "data")}`, "the same name"],
  ])("refuse %s", (_, layers, message) => {
    expect(() => read(`${data} ${layers}`)).toThrow(message);
  });
});

describe("shared weights", () => {
  const shared = (more: string, other = more): string =>
    `${data} ${conv("a", "data", `param { name: "w" ${more} }`)}
    ${conv("b", "data", `param { name: "w" ${other} } param { name: "b-bias" }`)}
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
    ${product("fc", "sum")} ${loss("fc")}`;

  it("are one parameter of the first layer, of one value", () => {
    const network = read(shared("lr_mult: 3", ""));
    expect(network.parameters.slice(0, 3)).toEqual([
      { key: "a/0", ids: ["a.weight", "b.weight"], lrMult: 3, decayMult: 1 },
      { key: "a/1", ids: ["a.bias"], lrMult: 1, decayMult: 1 },
      { key: "b/1", ids: ["b.bias"], lrMult: 1, decayMult: 1 },
    ]);
    expect(constantIn(network, "b.weight")).toEqual(constantIn(network, "a.weight"));
    expect(new Set(constantIn(network, "a.weight")).size).toBe(18);
  });

  it("have the owner's values where a file has others", () => {
    const [own, other] = [blob([2, 1, 3, 3], 1), blob([2, 1, 3, 3], 100)];
    const caffemodel = model(
      { name: "a", blobs: [own, blob([2], 0)] },
      { name: "b", blobs: [other, blob([2], 7)] },
    );
    const network = read(shared(""), { caffemodel });
    expect(constantIn(network, "b.weight")[0]).toBe(1);
    expect(constantIn(network, "b.bias")).toEqual([7, 8]);
  });

  it("may not contradict each other", () => {
    expect(() => read(shared("lr_mult: 1", "lr_mult: 2"))).toThrow("another lr_mult");
    const wide = shared("").replace("num_output: 2", "num_output: 3");
    expect(() => read(wide)).toThrow(/share parameter "w"|share a blob/);
  });
});

describe("batch norms", () => {
  const norm = (param: string): string =>
    `${data} ${conv("c", "data")} layer { name: "bn" type: "BatchNorm" bottom: "c" top: "bn"
    param { lr_mult: 1 } param { lr_mult: 1 } param { lr_mult: 1 } batch_norm_param { ${param} } }
    ${product("fc", "bn")} ${loss("fc")}`;
  const caffemodel = model({ name: "bn", blobs: [blob([2], 8), blob([2], 2), blob([1], 4)] });

  it("take their statistics from the batch, and keep sums", () => {
    const network = read(norm("moving_average_fraction: 0.9"), { caffemodel });
    expect(network.storedStatistics).toEqual([]);
    expect(network.statistics).toMatchObject([
      {
        id: "bn",
        layer: "bn",
        fraction: Math.fround(0.9),
        sums: [
          { data: Float32Array.of(8, 9) },
          { data: Float32Array.of(2, 3) },
          { data: Float32Array.of(4) },
        ],
      },
    ]);
    expect(constantIn(network, "bn.mean")).toEqual([2, 2.25]);
    expect(constantIn(network, "bn.variance")).toEqual([0.5, 0.75]);
    expect(network.parameters.map(({ key }) => key)).toEqual(["c/0", "c/1", "fc/0", "fc/1"]);
    expect([...initialState(network).keys()]).toEqual([
      ...["c/0", "c/1", "bn/0", "bn/1", "bn/2", "fc/0", "fc/1"],
    ]);
  });

  it("read the stored ones where they are told so, and in tests", () => {
    for (const [param, phase, stored] of [
      ["use_global_stats: true", "TRAIN", 1],
      ["", "TEST", 1],
      ["use_global_stats: false", "TEST", 0],
      ["use_global_stats: false", "TRAIN", 0],
    ] as const) {
      const { network, warnings } = warned(norm(param), { phase });
      expect(network.storedStatistics).toHaveLength(stored);
      expect(network.statistics).toHaveLength(1 - stored);
      expect(warnings).toEqual([]);
      expect(initialState(network).get("bn/2")?.data).toEqual(Float32Array.of(0));
    }
  });

  it("do not share their sums", () => {
    const named2 = 'param { name: "m" } param { name: "v" } param { name: "n" }';
    const layer = (name: string): string =>
      `layer { name: "${name}" type: "BatchNorm" bottom: "c" top: "${name}" ${named2} }`;
    const text = `${data} ${conv("c", "data")} ${layer("x")} ${layer("y")} ${product("fc", "y")} ${loss("fc")}`;
    expect(() => read(text)).toThrow("share their statistics");
  });
});

describe("a caffemodel to begin with", () => {
  const old = { name: "c", blobs: [blob([2, 1, 3, 3], 1), blob([2], 50)] };

  it("gives its layers by name; a new last layer begins anew, with a notice", () => {
    const { network, warnings } = warned(small, {
      caffemodel: model(old, { name: "fc1000", blobs: [blob([1000, 72], 0)] }),
    });
    expect(constantIn(network, "c.bias")).toEqual([50, 51]);
    expect(constantIn(network, "fc.weight")).toEqual(constantIn(read(small), "fc.weight"));
    expect(warnings.map(({ id, message }) => `${id}: ${message}`)).toEqual([
      "new-layers: layers that the file does not have begin anew: fc",
      "unused-weights: weights of layers that the network does not have: fc1000",
    ]);
  });

  it("must have the layers' shapes, unless that is not to matter", () => {
    const fc = { name: "fc", blobs: [blob([5, 72], 0), blob([5], 0)] };
    const caffemodel = model(old, fc);
    expect(() => read(small, { caffemodel })).toThrow(
      /InnerProduct "fc" blob 0: .*expected 3x72, got 5x72.*--ignore-shape-mismatch/,
    );
    const { network, warnings } = warned(small, { caffemodel, ignoreShapeMismatch: true });
    expect(constantIn(network, "c.bias")).toEqual([50, 51]);
    expect(constantIn(network, "fc.weight")).toEqual(constantIn(read(small), "fc.weight"));
    expect(warnings.map(({ id, message }) => `${id}: ${message}`)).toEqual([
      "unfit-weights: layers of other shapes than in the file begin anew: fc",
    ]);
  });

  it("begins anew with the whole layer, and with a batch norm's count", () => {
    const text = `${data} ${conv("c", "data")} layer { name: "bn" type: "BatchNorm" bottom: "c" top: "bn" }
      ${product("fc", "bn")} ${loss("fc")}`;
    const caffemodel = model(
      { name: "c", blobs: [blob([2, 1, 5, 5], 1), blob([2], 50)] },
      { name: "bn", blobs: [blob([4], 8), blob([4], 2), blob([1], 4)] },
    );
    const network = read(text, { caffemodel, ignoreShapeMismatch: true });
    expect(constantIn(network, "c.bias")).toEqual([0, 0]);
    expect(network.statistics[0]?.sums[2].data).toEqual(Float32Array.of(0));
  });

  it("is not needed; kernels without a filler are zeros, with a warning", () => {
    const { network, warnings } = warned(small.replace('weight_filler { type: "xavier" }', ""));
    expect(new Set(constantIn(network, "c.weight"))).toEqual(new Set([0]));
    expect(warnings.map(({ id, message }) => `${id}: ${message}`)).toEqual([
      "zero-weights: layers begin with zeros, as they state no filler: c",
    ]);
  });
});
