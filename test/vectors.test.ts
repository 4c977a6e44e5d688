/**
 * The scalar kernels against reference vectors: forward passes of Caffe's layers, each built as a
 * graph of one or two operators straight from the case's parameters.
 */
import { afterAll, describe, it } from "vitest";
import type { Graph } from "../src/ir/graph.ts";
import type { Node, PoolAttrs } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { float32, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { expectClose } from "./within.ts";

/** Float32 sums of the reference, relative to the tensor's maximum. */
const sumTolerance = 1e-6;
const exact = 0;

type Check = {
  readonly graphs: readonly SmallGraph[];
  readonly wanted: readonly Tensor[];
  readonly tolerance: number;
};
/** What to run, or why not. */
type Plan = Check | string;

function check(graph: SmallGraph, { outputs }: VectorCase, tolerance: number = sumTolerance): Plan {
  return outputs["y"] === undefined
    ? "no forward output"
    : { graphs: [graph], wanted: [outputs["y"]], tolerance };
}

function fed(vector: VectorCase, name: string): Tensor {
  const value = vector.inputs[name];
  if (value === undefined) throw new Error(`${vector.name} has no input ${name}`);
  return value;
}

function fedFloats(vector: VectorCase, name: string): Float32Array {
  const value = fed(vector, name);
  if (value.dtype !== "float32") throw new Error(`${name} is not float32`);
  return value.data;
}

// ---------------------------------------------------------------- pooling

function planPooling(vector: VectorCase): Plan {
  const { params } = vector;
  const x = fed(vector, "x");
  if (params["global_pooling"] === true)
    return check(smallGraph("globalMaxPool", {}, [x]), vector, exact);
  if (params["pool"] === "MAX" && params["sample"] === true) {
    return "MAX with sample is a feature of the GTI chips (and the reference writes nothing)";
  }
  const attrs: PoolAttrs = {
    kernel: square(params["kernel_size"]),
    stride: square(params["stride"]),
    pads: [...square(params["pad"]), ...square(params["pad"])],
    dilation: [1, 1],
    ceil: params["round_mode"] !== "FLOOR",
  };
  if (params["pool"] === "MAX") return check(smallGraph("maxPool", attrs, [x]), vector, exact);
  return check(smallGraph("avgPool", { ...attrs, countPad: true }, [x]), vector);
}

function square(size: string | number | boolean | undefined): readonly [number, number] {
  return [Number(size), Number(size)];
}

// ---------------------------------------------------------------- deconvolution

function planDeconv(vector: VectorCase): Plan {
  const { params, outputs } = vector;
  const attrs = {
    stride: square(params["stride"]),
    pads: [...square(params["pad"]), ...square(params["pad"])] as const,
    dilation: [1, 1] as const,
    groups: Number(params["group"]),
    outputPads: [0, 0] as const,
  };
  const weight = outputs["weight"];
  if (weight === undefined) return "no weights";
  return check(smallGraph("deconv", attrs, [fed(vector, "x")], [weight]), vector);
}

// ---------------------------------------------------------------- other layers

/** Blobs of BatchNorm are sums; the third holds the factor to divide by (0 counts as no data). */
function planBatchNorm(vector: VectorCase): Plan {
  const { phase, body } = vector.params;
  const text = String(body);
  const global = text.includes("use_global_stats:true") || phase === "TEST";
  if (!global || text.includes("use_global_stats:false"))
    return "statistics of the batch: training";
  const factor = fedFloats(vector, "blob2")[0] ?? 0;
  const share = factor === 0 ? 0 : 1 / factor;
  const [mean, variance] = ["blob0", "blob1"].map((name) => {
    const sums = fedFloats(vector, name);
    return float32(
      [sums.length],
      sums.map((sum) => sum * share),
    );
  });
  const constants = [mean, variance].filter((value) => value !== undefined);
  return check(smallGraph("batchNorm", { epsilon: 1e-5 }, [fed(vector, "x0")], constants), vector);
}

function planInnerProduct(vector: VectorCase): Plan {
  const x = fed(vector, "x0");
  const axis = String(vector.params["body"]).includes("axis:2") ? 2 : 1;
  const rows = x.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const flat = tensor("float32", [rows, x.data.length / rows], fedFloats(vector, "x0"));
  const linear = smallGraph("linear", {}, [flat], [fed(vector, "blob0"), fed(vector, "blob1")]);
  const restored: Node = {
    op: "reshape",
    id: "z",
    inputs: ["y"],
    attrs: { shape: vector.outputs["y"]?.shape ?? [] },
  };
  const graph: Graph = {
    ...linear.graph,
    nodes: [...linear.graph.nodes, restored],
    outputs: [{ name: "z", id: "z" }],
  };
  return check({ ...linear, graph }, vector);
}

function planSlice(vector: VectorCase): Plan {
  const bounds = [0, 1, 3, 4];
  const graphs = [0, 1, 2].map((part) =>
    smallGraph("slice", { axis: 1, start: bounds[part] ?? 0, end: bounds[part + 1] ?? 0 }, [
      fed(vector, "x0"),
    ]),
  );
  const wanted = ["y", "y1", "y2"].flatMap((name) => vector.outputs[name] ?? []);
  return { graphs, wanted, tolerance: exact };
}

function planPRelu(vector: VectorCase): Plan {
  const shared = float32([1], fedFloats(vector, "blob0"));
  return check(smallGraph("prelu", {}, [fed(vector, "x0")], [shared]), vector);
}

const layerPlans: Readonly<Record<string, (vector: VectorCase) => Plan>> = {
  BatchNorm: planBatchNorm,
  Scale: (v) => check(smallGraph("scale", { axis: 1 }, [fed(v, "x0")], [fed(v, "blob0")]), v),
  Bias: (v) => check(smallGraph("bias", { axis: 1 }, [fed(v, "x0")], [fed(v, "blob0")]), v),
  ReLU: (v) => check(smallGraph("relu", { slope: Math.fround(0.1) }, [fed(v, "x0")]), v),
  PReLU: planPRelu,
  Sigmoid: (v) => check(smallGraph("sigmoid", {}, [fed(v, "x0")]), v),
  AbsVal: (v) => check(smallGraph("abs", {}, [fed(v, "x0")]), v, exact),
  Power: (v) => check(smallGraph("power", { power: 2, scale: 0.5, shift: 1 }, [fed(v, "x0")]), v),
  Log: (v) => check(smallGraph("log", { base: -1, scale: 1, shift: 10 }, [fed(v, "x0")]), v),
  LRN: (v) =>
    check(
      smallGraph("lrn", { size: 5, alpha: 0.0001, beta: 0.75, k: 2, region: "across" }, [
        fed(v, "x0"),
      ]),
      v,
    ),
  Eltwise: (v) => {
    const operands = [fed(v, "x0"), fed(v, "x1")];
    return v.name.includes("MAX")
      ? check(smallGraph("maximum", {}, operands), v, exact)
      : check(smallGraph("add", {}, operands), v);
  },
  Concat: (v) => check(smallGraph("concat", { axis: 1 }, [fed(v, "x0"), fed(v, "x1")]), v, exact),
  Slice: planSlice,
  InnerProduct: planInnerProduct,
  Softmax: (v) => check(smallGraph("softmax", { axis: 2 }, [fed(v, "x0")]), v),
  Reshape: (v) => check(smallGraph("reshape", { shape: [0, -1, 3] }, [fed(v, "x0")]), v, exact),
  Tile: (v) => check(smallGraph("concat", { axis: 1 }, [fed(v, "x0"), fed(v, "x0")]), v, exact),
  ArgMax: (v) =>
    check(smallGraph("argMax", { axis: 1, topK: 1, outMaxVal: true }, [fed(v, "x0")]), v, exact),
};

function planLayer(vector: VectorCase): Plan {
  const type = String(vector.params["type"]);
  const plan = layerPlans[type];
  if (plan !== undefined) return plan(vector);
  return /Loss$|^Accuracy$/.test(type) ? "loss and accuracy layers: training" : "no such operator";
}

function planNormalize(vector: VectorCase): Plan {
  if (!vector.name.startsWith("normalize"))
    return "host operators and training have their own tests";
  const { across_spatial: acrossSpatial, eps } = vector.params;
  const attrs = { acrossSpatial: acrossSpatial === true, epsilon: Number(eps ?? 1e-10) };
  return check(smallGraph("normalize", attrs, [fed(vector, "x")], [fed(vector, "scale")]), vector);
}

// ---------------------------------------------------------------- the suites

const suites: Readonly<Record<string, (vector: VectorCase) => Plan>> = {
  pooling: planPooling,
  deconv: planDeconv,
  layers: planLayer,
  ssd: planNormalize,
};

const title =
  vectorsFolder === undefined ? "reference vectors (INLAY_VECTORS is unset)" : "reference vectors";

describe.skipIf(vectorsFolder === undefined)(title, () => {
  describe.each(Object.keys(suites))("%s", (suite) => {
    const vectors = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, suite);
    const plans = vectors.map((vector) => ({ vector, plan: suites[suite]?.(vector) ?? "no plan" }));
    const leftOut = new Map<string, number>();
    for (const { plan } of plans) {
      if (typeof plan === "string") leftOut.set(plan, (leftOut.get(plan) ?? 0) + 1);
    }

    for (const { vector, plan } of plans) {
      if (typeof plan === "string") continue;
      it(vector.name, () => {
        plan.graphs.forEach(({ graph, feeds }, at) => {
          const [got] = runScalar(graph, feeds).values();
          expectClose(got, plan.wanted[at], plan.tolerance);
        });
      });
    }

    afterAll(() => {
      const skipped = [...leftOut].map(([reason, count]) => `  left out ${count}: ${reason}`);
      const ran = plans.filter(({ plan }) => typeof plan !== "string").length;
      process.stdout.write([`${suite}: ${ran} of ${plans.length} ran`, ...skipped, ""].join("\n"));
    });
  });
});
