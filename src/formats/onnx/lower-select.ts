/**
 * Caffe's ArgMax as ONNX nodes.
 */
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import { int } from "./attribute.ts";
import type { Builder } from "./builder.ts";

/**
 * Among equal values Caffe takes the highest index first and TopK the lowest: TopK runs on the
 * reversed axis, and `index = length - 1 - found`.
 */
export function lowerArgMax(node: Node<"argMax">, builder: Builder): void {
  const [input = ""] = node.inputs;
  const { axis, outMaxVal } = node.attrs;
  const { shape } = builder.typeOf(input);
  if (axis !== undefined) {
    const place = normalizeAxis(axis, shape.length);
    const found = emitTopK(node, builder, input, place, shape[place] ?? 1);
    const wanted = outMaxVal ? found.values : indexOf(node, builder, found);
    builder.emit("Identity", [wanted], {}, node.id);
    return;
  }
  const length = shape.slice(1).reduce((product, dim) => product * dim, 1);
  const flat = builder.emit("Reshape", [input, builder.integers([0, 1, -1], `${node.id}/flat`)]);
  const found = emitTopK(node, builder, flat, 2, length);
  const indices = indexOf(node, builder, found);
  if (outMaxVal) builder.emit("Concat", [indices, found.values], { axis: int(1) }, node.id);
  else builder.emit("Identity", [indices], {}, node.id);
}

type Found = { readonly values: string; readonly places: string; readonly length: number };

function emitTopK(
  node: Node<"argMax">,
  builder: Builder,
  input: string,
  axis: number,
  length: number,
): Found {
  const { topK } = node.attrs;
  const order = Array.from({ length }, (_, at) => length - 1 - at);
  const reversed = builder.emit("Gather", [input, builder.integers(order, `${node.id}/reversed`)], {
    axis: int(axis),
  });
  const [values, places] = builder.emitMany(
    "TopK",
    builder.opset < 10 ? [reversed] : [reversed, builder.integers([topK], `${node.id}/k`)],
    { axis: int(axis), k: builder.opset < 10 ? int(topK) : undefined },
    ["values", "places"],
  );
  return { values: values ?? "", places: places ?? "", length };
}

function indexOf(node: Node<"argMax">, builder: Builder, { places, length }: Found): string {
  const cast = builder.emit("Cast", [places], { to: int(1) });
  return builder.emit("Sub", [builder.scalar(length - 1, `${node.id}/last`), cast]);
}
