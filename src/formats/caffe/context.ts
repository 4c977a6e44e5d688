/**
 * What the importer of one layer sees: its inputs as graph values with known shapes, its weights,
 * and a way to add nodes. The state behind it belongs to `build.ts`.
 */
import { type InlayError, inputError } from "../../error.ts";
import { freshId } from "../../ir/graph.ts";
import { apply, type Node, type Op, type Ops } from "../../ir/ops.ts";
import { shapeRules } from "../../ir/shape-rules.ts";
import type { BatchStatistics } from "../../ir/training.ts";
import type { OnWarning } from "../../notice.ts";
import { formatShape, maxElements, type Shape } from "../../tensor/shape.ts";
import type { Tensor, TensorType } from "../../tensor/tensor.ts";
import type { Phase } from "./phase.ts";
import type { LayerParameter } from "./schema/schema.ts";
import { layerWeight, type WeightSpec, type WeightStore } from "./weights.ts";

/** The graph as built so far. */
export type Builder = {
  readonly nodes: Node[];
  readonly types: Map<string, TensorType | undefined>;
  readonly store: WeightStore;
  readonly onWarning: OnWarning;
  /** Where a network is read to be trained or tested: what the graph alone does not tell. */
  readonly training?: TrainingRecord | undefined;
};

export type TrainingRecord = {
  readonly phase: Phase;
  /** Batch norms by where they take their statistics from. */
  readonly fromBatch: BatchStatistics[];
  readonly stored: BatchStatistics[];
};

export type LayerContext = {
  readonly builder: Builder;
  readonly layer: LayerParameter;
  /** The layer's name; made up where it has none. */
  readonly name: string;
  /** `Convolution "conv1"`, for errors. */
  readonly label: string;
  /** Ids of the values that the layer reads. */
  readonly inputs: readonly string[];
};

/** Adds the layer's nodes and gives the ids of its tops, in order; undefined for a number that no layer can read. */
export type LayerImporter = (context: LayerContext) => readonly (string | undefined)[];

/** Id of input `index`. Throws where the layer has fewer bottoms. */
export function inputOf(context: LayerContext, index: number): string {
  const id = context.inputs[index];
  if (id !== undefined) return id;
  throw fault(context, "the layer reads too few blobs", {
    expected: `at least ${index + 1}`,
    got: `${context.inputs.length}`,
  });
}

/** Shape of input `index`. Throws where it cannot be known before the network runs. */
export function shapeOf(context: LayerContext, index: number): Shape {
  const type = context.builder.types.get(inputOf(context, index));
  if (type !== undefined) return type.shape;
  throw fault(context, "the layer reads a blob whose shape depends on the data");
}

/** An input error at this layer. */
export function fault(
  context: LayerContext,
  what: string,
  fields: {
    readonly expected?: string | undefined;
    readonly got?: string | undefined;
    readonly hint?: string | undefined;
  } = {},
): InlayError {
  return inputError(what, { node: context.label, ...fields });
}

/** Adds a node and infers its type. Its id is the layer's name, with `.suffix` for helpers. */
export function emit<K extends Op>(
  context: LayerContext,
  op: K,
  inputs: readonly string[],
  attrs: Ops[K],
  suffix?: string,
): string {
  const { builder, name } = context;
  const id = freshId(suffix === undefined ? name : `${name}.${suffix}`, builder.types);
  const node = { op, id, inputs, attrs } as unknown as Node;
  builder.nodes.push(node);
  const type = apply(
    shapeRules,
    node,
    inputs.map((input) => builder.types.get(input)),
  );
  if (type !== undefined) checkSize(context, type.shape);
  builder.types.set(id, type);
  return id;
}

/** Caffe's own bound. */
const maxAxes = 32;

function checkSize(context: LayerContext, shape: Shape): void {
  const count = shape.reduce((a, b) => a * b, 1);
  if (shape.length > maxAxes) {
    throw fault(context, "a blob has too many dimensions", {
      expected: `at most ${maxAxes}`,
      got: `${shape.length}`,
    });
  }
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim > 0) || count > maxElements) {
    throw fault(context, "a blob is empty or too large", {
      expected: `1..${maxElements} elements`,
      got: formatShape(shape),
    });
  }
}

/** Adds a constant named `<layer>.<suffix>`. */
export function constant(context: LayerContext, suffix: string, tensor: Tensor): string {
  return emit(context, "const", [], { tensor }, suffix);
}

/** Blob `spec.index` of the layer as a constant named `<layer>.<suffix>`. */
export function weight(context: LayerContext, suffix: string, spec: WeightSpec): string {
  return constant(context, suffix, layerWeight(context.builder.store, context.layer, spec));
}
