/**
 * Shape arithmetic that is not tied to an operator: broadcasting and reshaping.
 */
import { inputError } from "../error.ts";
import { elementCount, formatShape, type Shape } from "../tensor/shape.ts";

/** Numpy's broadcasting: `[2, 3, 4] + [3, 1] -> [2, 3, 4]`. Throws where the shapes do not agree. */
export function broadcastShapes(a: Shape, b: Shape, node?: string): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, at) => {
    const left = a[at - (rank - a.length)] ?? 1;
    const right = b[at - (rank - b.length)] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw inputError("shapes do not broadcast", {
        node,
        expected: formatShape(a),
        got: formatShape(b),
      });
    }
    return left === 1 ? right : left;
  });
}

/** The shape after a reshape: 0 copies a dimension, one -1 takes the rest. */
export function reshapeTo(from: Shape, to: Shape, node?: string): Shape {
  const copied = to.map((dim, at) => (dim === 0 ? (from[at] ?? 0) : dim));
  const known = copied.filter((dim) => dim !== -1).reduce((a, b) => a * b, 1);
  const total = elementCount(from);
  const rest = known === 0 ? 0 : total / known;
  const shape = copied.map((dim) => (dim === -1 ? rest : dim));
  const fits = Number.isInteger(rest) && copied.filter((dim) => dim === -1).length <= 1;
  if (!fits || shape.reduce((a, b) => a * b, 1) !== total) {
    throw inputError("reshape does not keep the number of elements", {
      node,
      expected: `${formatShape(from)} = ${total} elements`,
      got: `[${to.join(", ")}]`,
    });
  }
  return shape;
}
