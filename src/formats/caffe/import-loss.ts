/**
 * Losses and Accuracy of a network in training. They become no nodes but records of what is measured: what they read are
 * outputs of the graph.
 */
import type { Output } from "../../ir/graph.ts";
import type { Accuracy, Loss, LossNormalization } from "../../ir/training.ts";
import { elementCount, formatShape, normalizeAxis, type Shape } from "../../tensor/shape.ts";
import { emit, fault, inputOf, type LayerContext, type LayerImporter, shapeOf } from "./context.ts";
import { type LayerParameter, setting } from "./schema/schema.ts";

/** What was found so far. */
export type Measures = {
  readonly losses: Loss[];
  readonly accuracies: Accuracy[];
  /** The values that they read, by their blobs' names. */
  readonly read: Output[];
};

/** What every loss has. */
type Base = Pick<Loss, "layer" | "name" | "weight">;

type LossImporter = (context: LayerContext, base: Base) => Loss;

/** Losses that only others than Caffe's own tools use, or that learn no classification or regression. */
const unsupported = [
  ...["ContrastiveLoss", "InfogainLoss", "MultiBoxLoss", "MultinomialLogisticLoss"],
];

/** Layers that print or store. */
const needless = ["DetectionEvaluate", "HDF5Output"];

/** Importers that write what they find into `into`. */
export function measureImporters(into: Measures): ReadonlyMap<string, LayerImporter> {
  const losses = Object.entries(lossImporters).map(
    ([type, importer]) => [type, lossLayer(into, importer)] as const,
  );
  const refused = unsupported.map((type) => [type, refuse] as const);
  const ignored = needless.map((type) => [type, ignore] as const);
  return new Map([...losses, ...refused, ...ignored, ["Accuracy", accuracyLayer(into)]]);
}

/** Whether a layer of this type gives a loss: only such a layer may have a loss_weight. */
export function isLoss(layer: LayerParameter): boolean {
  const type = layer.type ?? "";
  return lossImporters[type] !== undefined || unsupported.includes(type);
}

const refuse: LayerImporter = (context) => {
  throw fault(context, "this loss cannot be trained", {
    expected: Object.keys(lossImporters).join(", "),
  });
};

const ignore: LayerImporter = (context) => {
  const message = `${context.label} is left out: nothing is printed or stored by layers`;
  context.builder.onWarning({ id: "ignored-layer", message });
  return context.layer.top.map(() => undefined);
};

function lossLayer(into: Measures, importer: LossImporter): LayerImporter {
  return (context) => {
    const { layer, name } = context;
    const [weight = 1, ...others] = layer.loss_weight;
    const tops = Math.max(1, layer.top.length);
    if (layer.loss_weight.length > 0 && layer.loss_weight.length !== tops) {
      throw fault(context, "loss_weight needs one number per top", {
        expected: `${tops}`,
        got: `${layer.loss_weight.length}`,
      });
    }
    if (others.some((one) => one !== 0)) {
      throw fault(context, "only the first top of a loss has a weight");
    }
    into.losses.push(importer(context, { layer: name, name: layer.top[0] ?? name, weight }));
    keep(into, context);
    const hasSoftmax = layer.top.length > 1 && softmaxTypes.has(layer.type ?? "");
    return hasSoftmax ? [undefined, softmaxOf(context)] : [undefined];
  };
}

/** The second top of a softmax loss. */
function softmaxOf(context: LayerContext): string {
  const axis = softmaxAxis(context);
  return emit(context, "softmax", [inputOf(context, 0)], { axis }, "softmax");
}

/** Keeps what the layer reads alive; inputs are anyway. */
function keep(into: Measures, { builder, inputs, layer }: LayerContext): void {
  const known = new Set(into.read.map(({ id }) => id));
  const isInput = (id: string): boolean =>
    builder.nodes.some((node) => node.id === id && node.op === "input");
  for (const [at, id] of inputs.entries()) {
    if (!known.has(id) && !isInput(id)) into.read.push({ name: layer.bottom[at] ?? id, id });
  }
}

function bottoms(context: LayerContext, least: number, most: number = least): void {
  const count = context.inputs.length;
  if (count >= least && count <= most) return;
  throw fault(context, "the layer reads another number of blobs", {
    expected: least === most ? `${least}` : `${least}..${most}`,
    got: `${count}`,
  });
}

const softmaxTypes: ReadonlySet<string> = new Set(["SoftmaxWithLoss", "SoftmaxLoss"]);

function softmaxAxis(context: LayerContext): number {
  const axis = setting("SoftmaxParameter", context.layer.softmax_param, "axis");
  return normalizeAxis(axis, shapeOf(context, 0).length, context.label);
}

/** One label for every place beside the axis of the classes. */
function checkLabels(context: LayerContext, axis: number): void {
  const [scores, labels] = [shapeOf(context, 0), shapeOf(context, 1)];
  const wanted = elementCount(scores) / (scores[axis] ?? 1);
  if (elementCount(labels) === wanted) return;
  throw fault(context, "the layer needs one label for every score vector", {
    expected: `${wanted} for scores of ${formatShape(scores)}`,
    got: `${elementCount(labels)} (${formatShape(labels)})`,
  });
}

/** Blob `index` must have as many elements as the first one, sample by sample. */
function checkSame(context: LayerContext, index: number): void {
  const [first, other] = [shapeOf(context, 0), shapeOf(context, index)];
  const fits = (shape: Shape): string => `${shape[0] ?? 1} of ${elementCount(shape.slice(1))}`;
  if (fits(first) === fits(other)) return;
  throw fault(context, "the blobs that are compared have different shapes", {
    expected: formatShape(first),
    got: formatShape(other),
  });
}

const normalizations = {
  FULL: "full",
  VALID: "valid",
  BATCH_SIZE: "batchSize",
  NONE: "none",
} as const;

/** `normalization`, or what the older `normalize` says; a layer that states neither has its own default. */
function normalizationOf(
  context: LayerContext,
  otherwise: LossNormalization,
): Pick<Loss & { kind: "softmax" }, "ignoreLabel" | "normalization"> {
  const param = context.layer.loss_param;
  const word = param?.normalization;
  const old = param?.normalize;
  const inherited = old === undefined ? otherwise : old ? "valid" : "batchSize";
  const normalization =
    word === undefined ? inherited : normalizations[word as keyof typeof normalizations];
  if (normalization === undefined) {
    throw fault(context, "unknown normalization", { got: `${word}` });
  }
  return { ignoreLabel: param?.ignore_label, normalization };
}

const importSoftmaxLoss: LossImporter = (context, base) => {
  bottoms(context, 2);
  const axis = softmaxAxis(context);
  checkLabels(context, axis);
  const [scores, label] = [inputOf(context, 0), inputOf(context, 1)];
  return { ...base, kind: "softmax", scores, label, axis, ...normalizationOf(context, "valid") };
};

const importSigmoidLoss: LossImporter = (context, base) => {
  bottoms(context, 2);
  checkSame(context, 1);
  const [scores, target] = [inputOf(context, 0), inputOf(context, 1)];
  return { ...base, kind: "sigmoid", scores, target, ...normalizationOf(context, "batchSize") };
};

const importEuclideanLoss: LossImporter = (context, base) => {
  bottoms(context, 2);
  checkSame(context, 1);
  return { ...base, kind: "euclidean", a: inputOf(context, 0), b: inputOf(context, 1) };
};

const importHingeLoss: LossImporter = (context, base) => {
  bottoms(context, 2);
  const [samples = 1] = shapeOf(context, 0);
  if (elementCount(shapeOf(context, 1)) !== samples) {
    throw fault(context, "the layer needs one label for every sample", {
      expected: `${samples}`,
      got: formatShape(shapeOf(context, 1)),
    });
  }
  const word = setting("HingeLossParameter", context.layer.hinge_loss_param, "norm");
  const norm = word === "L2" ? "L2" : "L1";
  return { ...base, kind: "hinge", scores: inputOf(context, 0), label: inputOf(context, 1), norm };
};

const importSmoothL1Loss: LossImporter = (context, base) => {
  bottoms(context, 2, 4);
  for (let index = 1; index < context.inputs.length; index += 1) checkSame(context, index);
  const [, , inside, outside] = context.inputs;
  const [a, b] = [inputOf(context, 0), inputOf(context, 1)];
  return { ...base, kind: "smoothL1", a, b, inside, outside };
};

const lossImporters: { readonly [type: string]: LossImporter } = {
  SoftmaxWithLoss: importSoftmaxLoss,
  SoftmaxLoss: importSoftmaxLoss,
  SigmoidCrossEntropyLoss: importSigmoidLoss,
  EuclideanLoss: importEuclideanLoss,
  HingeLoss: importHingeLoss,
  SmoothL1Loss: importSmoothL1Loss,
};

function accuracyLayer(into: Measures): LayerImporter {
  return (context) => {
    const { layer, name } = context;
    bottoms(context, 2);
    const param = layer.accuracy_param;
    const axis = normalizeAxis(
      setting("AccuracyParameter", param, "axis"),
      shapeOf(context, 0).length,
      context.label,
    );
    checkLabels(context, axis);
    const classes = shapeOf(context, 0)[axis] ?? 1;
    const topK = setting("AccuracyParameter", param, "top_k");
    if (topK < 1 || topK > classes) {
      throw fault(context, "top_k is out of range", { expected: `1..${classes}`, got: `${topK}` });
    }
    into.accuracies.push({
      ...{ layer: name, name: layer.top[0] ?? name, axis, topK },
      ...{ scores: inputOf(context, 0), label: inputOf(context, 1) },
      ...{ ignoreLabel: param?.ignore_label, perClass: layer.top[1] },
    });
    keep(into, context);
    return [undefined, undefined];
  };
}
