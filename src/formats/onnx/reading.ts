/**
 * What is known while an ONNX graph is read node by node: the nodes so far, their types, constants,
 * and the names in use.
 */
import { inputError } from "../../error.ts";
import { describe, freshId } from "../../ir/graph.ts";
import { apply, type Node } from "../../ir/ops.ts";
import { shapeRules } from "../../ir/shape-rules.ts";
import { elementCount, type Shape } from "../../tensor/shape.ts";
import type { Tensor, TensorType } from "../../tensor/tensor.ts";
import type { OnnxNode } from "./onnx-node.ts";
import type { TensorSource } from "./read-tensor.ts";

export type Reading = {
  readonly source: TensorSource;
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  readonly nodes: Node[];
  /** Types by value name; none where it is not known. */
  readonly types: Map<string, TensorType>;
  readonly constants: Map<string, Tensor>;
  /** Types that the file declares for inner values and outputs. */
  readonly declared: ReadonlyMap<string, TensorType>;
  /** Every name of the file, and the ids of nodes that the reader adds. */
  readonly names: Set<string>;
  /** Values that a node gives already. */
  readonly defined: Set<string>;
  /** Types of the outputs of opaque nodes, by the node's id. */
  readonly outputTypes: Map<string, readonly (TensorType | undefined)[]>;
  /** Elements that the reader may still copy; it bounds what a small file can make it allocate. */
  readonly budget: { elements: number };
};

/** More axes than any real tensor has. */
const maxRank = 32;
/** Lists of integers (shapes, axes, lengths) are short. */
const maxListed = 4096;

/**
 * How an ONNX operator is read: the table's nodes that give all of its outputs, or undefined where
 * its meaning does not fit exactly and it stays opaque.
 */
export type ReadRule = (node: OnnxNode, reading: Reading) => readonly Node[] | undefined;
export type ReadRules = Readonly<Record<string, ReadRule>>;

/** Appends a node and infers its type. */
export function addNode(reading: Reading, node: Node): void {
  reading.nodes.push(node);
  reading.names.add(node.id);
  reading.defined.add(node.id);
  if (node.op === "const") reading.constants.set(node.id, node.attrs.tensor);
  if (node.op === "opaque") reading.outputTypes.set(node.id, node.attrs.outputs);
  const type = typeOfNode(reading, node);
  if (type === undefined) return;
  if (type.shape.length > maxRank) {
    throw inputError("has too many axes", {
      node: describe(node),
      expected: `at most ${maxRank}`,
      got: `${type.shape.length}`,
    });
  }
  elementCount(type.shape);
  reading.types.set(node.id, { dtype: type.dtype, shape: type.shape });
}

/** True where the reader may copy that many elements; they are then spent. */
export function spend(reading: Reading, elements: number): boolean {
  if (elements > reading.budget.elements) return false;
  reading.budget.elements -= elements;
  return true;
}

function typeOfNode(reading: Reading, node: Node): TensorType | undefined {
  if (node.op === "opaque") return undefined;
  if (node.op === "result") {
    return reading.outputTypes.get(node.inputs[0] ?? "")?.[node.attrs.index];
  }
  const inputs = node.inputs.map((id) => reading.types.get(id));
  return apply(shapeRules, node, inputs);
}

/** An id for a node that the file does not name. */
export function freshName(reading: Reading, base: string): string {
  const id = freshId(base, reading.names);
  reading.names.add(id);
  return id;
}

/** The shape of a value that is float32; undefined for any other. */
export function floatShape(reading: Reading, id: string | undefined): Shape | undefined {
  const type = reading.types.get(id ?? "");
  return type?.dtype === "float32" ? type.shape : undefined;
}

/** The shape of a float32 image [n, c, h, w]; undefined for anything else. */
export function imageShape(
  reading: Reading,
  id: string | undefined,
): readonly [n: number, c: number, h: number, w: number] | undefined {
  const shape = floatShape(reading, id);
  if (shape?.length !== 4) return undefined;
  const [n = 0, c = 0, h = 0, w = 0] = shape;
  return [n, c, h, w];
}

/** The values of a constant of integers; undefined where it is computed or of another type. */
export function integersAt(
  reading: Reading,
  id: string | undefined,
): readonly number[] | undefined {
  const value = reading.constants.get(id ?? "");
  if (value?.dtype !== "int64" && value?.dtype !== "int32") return undefined;
  if (value.data.length > maxListed) return undefined;
  return Array.from(value.data, Number);
}

/** The values of a float32 constant; undefined where it is computed or of another type. */
export function floatsAt(reading: Reading, id: string | undefined): Float32Array | undefined {
  const value = reading.constants.get(id ?? "");
  return value?.dtype === "float32" ? value.data : undefined;
}

/** The one value of a float32 constant; undefined where it has another count. */
export function scalarAt(reading: Reading, id: string | undefined): number | undefined {
  const values = floatsAt(reading, id);
  return values?.length === 1 ? values[0] : undefined;
}

/** The node's first output as a node's id. */
export function outputOf(node: OnnxNode): string {
  return node.outputs[0] ?? "";
}

/** A constant that the reader makes: its node and its id. */
export function makeConstant(reading: Reading, base: string, tensor: Tensor): Node<"const"> {
  return { op: "const", id: freshName(reading, base), inputs: [], attrs: { tensor } };
}
