/**
 * Made-up reports of a made-up network, seeded: something to render, check and look at.
 */
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { accuracyOf } from "../src/report/accuracy.ts";
import { compareReport } from "../src/report/compare.ts";
import { inspectGraph } from "../src/report/inspect.ts";
import type {
  CalibrateReport,
  CompareLayer,
  CompareReport,
  EvaluateReport,
  Histogram,
  InspectReport,
  JobReport,
  QuantizeReport,
  RunReport,
} from "../src/report/reports.ts";
import { float32 } from "../src/tensor/tensor.ts";

/** Seeded uniform numbers in 0..1 (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function gaussian(next: () => number): number {
  return Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next());
}

/** conv 3x3 stride 2, then `blocks` pairs of depthwise and pointwise convolutions, and a classifier. */
export function sampleGraph(blocks = 13, name = "mobilenet_v1"): Graph {
  const next = uniform(1);
  const nodes: Node[] = [
    { op: "input", id: "data", inputs: [], attrs: { dtype: "float32", shape: [1, 3, 224, 224] } },
  ];
  const constant = (id: string, shape: readonly number[]): string => {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, () => 0.1 * gaussian(next));
    nodes.push({ op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } });
    return id;
  };
  const conv = (id: string, from: string, shape: readonly number[], stride: 1 | 2, groups = 1) => {
    const inputs = [from, constant(`${id}.weight`, shape), constant(`${id}.bias`, [shape[0] ?? 1])];
    const pad = shape[2] === 3 ? 1 : 0;
    nodes.push({
      op: "conv",
      id,
      inputs,
      attrs: { stride: [stride, stride], pads: [pad, pad, pad, pad], dilation: [1, 1], groups },
    });
    nodes.push({ op: "clip", id: `relu6_${id}`, inputs: [id], attrs: { min: 0, max: 6 } });
    return `relu6_${id}`;
  };
  let value = conv("conv1", "data", [8, 3, 3, 3], 2);
  let width = 8;
  for (let block = 2; block < blocks + 2; block += 1) {
    const stride = block % 3 === 0 && block < 13 ? 2 : 1;
    value = conv(`conv${block}/dw`, value, [width, 1, 3, 3], stride, width);
    const wider = stride === 2 ? width * 2 : width;
    value = conv(`conv${block}/sep`, value, [wider, width, 1, 1], 1);
    width = wider;
  }
  nodes.push({ op: "globalAvgPool", id: "pool6", inputs: [value], attrs: {} });
  const fc = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
  const inputs = ["pool6", constant("fc7.weight", [1000, width, 1, 1])];
  nodes.push({ op: "conv", id: "fc7", inputs, attrs: fc });
  nodes.push({ op: "softmax", id: "prob", inputs: ["fc7"], attrs: { axis: 1 } });
  return { name, nodes, outputs: [{ name: "prob", id: "prob" }], opsets: {} };
}

const preprocessing = {
  crop: 224,
  resizeAfter: null,
  order: "bgr",
  mean: [127.5, 127.5, 127.5],
  scale: 1 / 127.5,
};

export function sampleInspect(graph: Graph = sampleGraph()): InspectReport {
  return inspectGraph(graph, { source: ["deploy.prototxt", "net.caffemodel"], format: "caffe" });
}

export function sampleEvaluate(simulated: boolean): EvaluateReport {
  return {
    schema: "inlay.evaluate/1",
    model: simulated ? "out" : "mobilenet_v1",
    images: "val/labels.txt",
    samples: 500,
    labelled: 500,
    classes: 1000,
    top1: accuracyOf(simulated ? 392 : 395, 500),
    top5: accuracyOf(simulated ? 475 : 477, 500),
    secondsPerImage: simulated ? 0.0171 : 0.0132,
    changed: simulated ? { count: 14, percent: 2.8 } : null,
    preprocessing,
    seed: 1,
    threads: 2,
    device: "cpu",
    simulated,
    deployable: null,
    warnings: [],
  };
}

/** Convolutions of the sample graph, by name. */
function layerNames(): readonly string[] {
  return sampleGraph()
    .nodes.filter((node) => node.op === "conv")
    .map((node) => node.id);
}

export function sampleCompare(): CompareReport {
  const next = uniform(7);
  const layers = layerNames().map((name, at): CompareLayer => {
    const sqnrDb = 44 - at * 0.55 - 9 * next() - (name === "conv4/dw" ? 14 : 0);
    return {
      name,
      op: name === "pool6" ? "intAvgPool" : "intConv",
      cosine: 1 - 0.5 * 10 ** (-sqnrDb / 10),
      sqnrDb,
      maxAbsError: 2 * next(),
      saturatedPercent: name === "conv4/dw" ? 1.83 : 0.04 * next(),
      underflowPercent: 3 * next(),
      weightCosine: 0.99995,
      weightSqnrDb: 38 + 8 * next(),
      weightMaxAbsError: 0.01 * next(),
      weightSaturatedPercent: 0,
      weightUnderflowPercent: next(),
    };
  });
  return compareReport(layers, {
    model: "out",
    images: "val/labels.txt",
    samples: 50,
    thresholdDb: 20,
    warnings: [],
  });
}

export function sampleQuantize(): QuantizeReport {
  const next = uniform(3);
  return {
    schema: "inlay.quantize/1",
    model: "mobilenet_v1",
    out: "out",
    files: ["quantized.onnx", "ranges.json", "report.json", "report.html", "manifest.json"],
    target: "int8",
    options: { method: "mse", weights: "per channel", biasCorrection: true },
    layers: layerNames().map((name) => ({
      name,
      op: "conv",
      weightBits: 8,
      weightScale: { min: 0.0008 * (1 + next()), max: 0.004 * (1 + next()), count: 64 },
      inputScale: 0.0235,
      inputZeroPoint: 0,
      outputScale: name === "fc7" ? null : 0.0235 * (1 + next()),
      outputZeroPoint: name === "fc7" ? null : 0,
      accumulatorBits: 19 + Math.floor(4 * next()),
      exact: next() > 0.85 ? "planes" : "one plane",
      weightSqnrDb: 38 + 8 * next(),
      outputSqnrDb: null,
    })),
    size: { floatBytes: 16_927_000, quantizedBytes: 4_310_000 },
    accuracy: {
      images: "val/labels.txt",
      samples: 500,
      float: accuracyOf(395, 500),
      quantized: accuracyOf(392, 500),
      changedImages: 14,
    },
    floatLayers: [{ name: "prob", op: "softmax", reason: "runs on the host" }],
    warnings: [
      {
        id: "saturation",
        message: "1.83 % of the values saturate: try another method",
        where: "conv4/dw",
      },
    ],
  };
}

export function sampleCalibrate(): CalibrateReport {
  const next = uniform(4);
  return {
    schema: "inlay.calibrate/1",
    model: "mobilenet_v1",
    method: "mse",
    images: "calib/",
    samples: 250,
    ranges: layerNames().flatMap((layer) => [
      {
        layer,
        networkLayer: layer,
        tensor: "weights",
        min: -next(),
        max: next(),
        lo: null,
        hi: null,
      },
      { layer, networkLayer: layer, tensor: "activations", min: 0, max: 9 * next(), lo: 0, hi: 6 },
    ]),
    preprocessing,
    seed: 1,
    secondsPerImage: 0.021,
    warnings: [],
  };
}

export function sampleRun(): RunReport {
  return {
    schema: "inlay.run/1",
    recipe: "recipe.yaml",
    steps: [
      { name: "calibrate", status: "skipped", seconds: 0, note: "nothing has changed" },
      { name: "quantize", status: "done", seconds: 12.3, note: null },
      { name: "compare", status: "failed", seconds: 0.2, note: "val/labels.txt: no such file" },
    ],
    seconds: 12.5,
    warnings: [],
  };
}

/** Bins of 40,000 draws; `wide` scales the tail of every thousandth one. */
export function sampleHistogram(
  layer: string,
  tensor: Histogram["tensor"],
  seed: number,
  wide = 1,
): Histogram {
  const next = uniform(seed);
  const values = Float64Array.from({ length: 40_000 }, (_, at) => {
    const value = gaussian(next) * (at % 1000 === 0 ? wide : 1);
    return tensor === "activations" ? Math.max(0, value) : value * 0.1;
  });
  const [min, max] = [
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
  ];
  const counts = new Array<number>(128).fill(0);
  for (const value of values) {
    const bin = Math.min(127, Math.floor((128 * (value - min)) / (max - min)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const hi = tensor === "activations" ? Math.min(max, 4.2) : Math.max(-min, max);
  return { layer, tensor, min, max, counts, range: { lo: tensor === "activations" ? 0 : -hi, hi } };
}

export function sampleJob(): JobReport {
  const names = layerNames();
  return {
    schema: "inlay.report/1",
    title: "mobilenet_v1 for int8",
    inspect: sampleInspect(),
    calibrate: sampleCalibrate(),
    quantize: sampleQuantize(),
    evaluate: { float: sampleEvaluate(false), quantized: sampleEvaluate(true) },
    compare: sampleCompare(),
    histograms: [
      ...names.map((name, at) =>
        sampleHistogram(name, "activations", at + 1, name === "conv4/dw" ? 9 : 1.5),
      ),
      ...names.map((name, at) => sampleHistogram(name, "weights", at + 90)),
    ],
    reproduction: {
      command: [
        "inlay",
        "quantize",
        "deploy.prototxt",
        "net.caffemodel",
        "--target",
        "int8",
        "--calibrate",
        "calibration pictures/",
      ],
      seed: 1,
      threads: 2,
      device: "cpu",
      versions: { inlay: "0.1.0", "onnxruntime-node": "1.30.0", node: "20.20.2" },
      preprocessing,
      hashes: [
        { file: "deploy.prototxt", sha256: "0f".repeat(32) },
        { file: "net.caffemodel", sha256: "a7".repeat(32) },
      ],
    },
  };
}
