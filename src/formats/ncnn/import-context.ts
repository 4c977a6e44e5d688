/**
 * What the importer of one layer sees: its parameters, the weights file, and the nodes so far with their
 * types. The counterpart of `export-context.ts`.
 */
import { InlayError, inputError } from "../../error.ts";
import { freshId } from "../../ir/graph.ts";
import { apply, type Node } from "../../ir/ops.ts";
import { shapeRules } from "../../ir/shape-rules.ts";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.ts";
import { float32, type TensorType } from "../../tensor/tensor.ts";
import { type BinReader, readWeights } from "./bin.ts";
import { floatOfBits, type Param, type ReadLayer } from "./layer.ts";

export type ImportContext = {
  readonly nodes: Node[];
  readonly types: Map<string, TensorType>;
  /** Value id by blob: the blob itself, or what a Split repeats. */
  readonly values: Map<string, string>;
  readonly taken: Set<string>;
  readonly bin: BinReader;
};

type Importer = (layer: ReadLayer, context: ImportContext) => void;
export type Importers = Readonly<Record<string, Importer>>;

/** An error at the layer. */
export function layerError(
  layer: ReadLayer,
  what: string,
  got?: string,
  hint?: string,
): InlayError {
  const node = `${layer.type} "${layer.name}"`;
  return inputError(what, { where: layer.where, node, got, hint });
}

/** A parameter that must be single, as its bits. */
function single(layer: ReadLayer, id: number, type: Param["type"]): number | undefined {
  const param = layer.params.get(id);
  if (param === undefined) return undefined;
  const [word] = param.words;
  if (!param.array && word !== undefined && fits(param, type)) return word;
  const hint = type === "float" ? "Numbers that are no integers have a point: 6.0" : undefined;
  throw layerError(layer, `parameter ${id} is of another kind`, `expected one ${type}`, hint);
}

const fits = (param: Param, type: Param["type"]): boolean =>
  param.type === "any" || param.type === type;

/** An integer parameter within limits. */
export function intOf(
  layer: ReadLayer,
  id: number,
  absent: number,
  [min, max]: readonly [number, number] = [-(2 ** 31), 2 ** 31 - 1],
): number {
  const value = single(layer, id, "int") ?? absent;
  if (value >= min && value <= max) return value;
  throw layerError(layer, `parameter ${id} must be in ${min}..${max}`, `${value}`);
}

/** Sizes of windows, strides and images: more is taken for damage. */
export const sizes: readonly [number, number] = [1, 1_000_000];
export const counts: readonly [number, number] = [0, 1_000_000];

export function floatOf(layer: ReadLayer, id: number, absent: number): number {
  const word = single(layer, id, "float");
  return word === undefined ? absent : finite(layer, id, floatOfBits(word));
}

function finite(layer: ReadLayer, id: number, value: number): number {
  if (Number.isFinite(value)) return value;
  throw layerError(layer, `parameter ${id} must be finite`, `${value}`);
}

/** An array parameter; empty where it is absent. */
export function arrayOf(layer: ReadLayer, id: number, type: "int" | "float"): readonly number[] {
  const param = layer.params.get(id);
  if (param === undefined || param.words.length === 0) return [];
  if (!param.array || !fits(param, type)) {
    throw layerError(layer, `parameter ${id} is of another kind`, `expected ${type}s`);
  }
  if (type === "int") return param.words;
  return param.words.map((word) => finite(layer, id, floatOfBits(word)));
}

/** Throws unless the layer reads and makes as many blobs. */
export function assertBlobs(layer: ReadLayer, bottoms: number, tops = 1): void {
  if (layer.bottoms.length === bottoms && layer.tops.length === tops) return;
  const got = `${layer.bottoms.length} -> ${layer.tops.length}`;
  throw layerError(layer, `reads ${bottoms} blobs and makes ${tops}`, got);
}

/** Id of the value that blob `index` brings. */
export function bottomOf(layer: ReadLayer, context: ImportContext, index = 0): string {
  const blob = layer.bottoms[index];
  const id = blob === undefined ? undefined : context.values.get(blob);
  if (id === undefined) throw layerError(layer, `blob ${index} is missing`);
  return id;
}

/** The blob that the layer makes, which is also the id of its value. */
export function topOf(layer: ReadLayer, index = 0): string {
  const blob = layer.tops[index];
  if (blob === undefined) throw layerError(layer, "makes no blob");
  return blob;
}

/** Sizes of a value without the batch. */
export function dimsOfValue(layer: ReadLayer, context: ImportContext, id: string): Shape {
  const type = context.types.get(id);
  if (type !== undefined) return type.shape.slice(1);
  throw layerError(layer, "stands behind a detection output, whose size is not known");
}

/** Sizes of blob 0, which must be an image c, h, w. */
export function imageDims(
  layer: ReadLayer,
  context: ImportContext,
): readonly [number, number, number] {
  const dims = dimsOfValue(layer, context, bottomOf(layer, context));
  const [c, h, w] = dims;
  if (dims.length === 3 && c !== undefined && h !== undefined && w !== undefined) return [c, h, w];
  throw layerError(layer, "needs an image c, h, w", formatShape(dims));
}

/** Adds a node, its shape checked. Gives its id. */
export function add(layer: ReadLayer, context: ImportContext, node: Node): string {
  const inputs = node.inputs.map((id) => context.types.get(id));
  try {
    const type = apply(shapeRules, node, inputs);
    if (type !== undefined) {
      elementCount(type.shape);
      context.types.set(node.id, { dtype: type.dtype, shape: type.shape });
    }
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    throw new InlayError({ ...error.fields, where: layer.where }, { cause: error });
  }
  context.nodes.push(node);
  context.taken.add(node.id);
  context.values.set(node.id, node.id);
  return node.id;
}

/** An id made from the layer's blob that no blob has. */
export function idFor(layer: ReadLayer, context: ImportContext, suffix: string): string {
  const id = freshId(`${topOf(layer)}.${suffix}`, context.taken);
  context.taken.add(id);
  return id;
}

/** A constant of the given numbers. */
export function addConst(
  layer: ReadLayer,
  context: ImportContext,
  suffix: string,
  shape: Shape,
  data: Float32Array,
): string {
  const id = idFor(layer, context, suffix);
  return add(layer, context, {
    op: "const",
    id,
    inputs: [],
    attrs: { tensor: float32(shape, data) },
  });
}

/** The next weights of the file as a constant of the shape. */
export function addWeights(
  layer: ReadLayer,
  context: ImportContext,
  suffix: string,
  shape: Shape,
  flagged = false,
): string {
  const data = readWeights(
    context.bin,
    elementCount(shape),
    flagged,
    `${layer.type} "${layer.name}"`,
  );
  return addConst(layer, context, suffix, shape, data);
}
