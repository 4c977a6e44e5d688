/**
 * The float graph of the host part while it grows: where the last value is, and the nodes that several operations
 * need. It reads no layers.
 */
import type { Node } from "../../../ir/ops.ts";
import type { Emitter } from "../../../passes/emitter.ts";
import { float32 } from "../../../tensor/tensor.ts";
import { elementsOf, isFlat, type MapSize } from "./map-size.ts";

/** A value: its node, its size, and whether the tensor is `[n, k]` or `[n, c, h, w]`. */
export type Place = {
  readonly id: string;
  readonly size: MapSize;
  readonly isList: boolean;
};

/** A new node of one input behind a value. Its own name where that is free. */
export function emit(
  emitter: Emitter,
  name: string,
  node: Pick<Node, "op" | "attrs">,
  ...inputs: readonly string[]
): string {
  // The cast joins what the caller has paired: an operator and its attributes.
  return emitter.add({ ...node, id: emitter.fresh(name), inputs } as Node);
}

/** The value as `[n, k]`. */
export function asList(emitter: Emitter, name: string, place: Place): Place {
  if (place.isList) return place;
  const attrs = { axis: 1, endAxis: -1 };
  const id = emit(emitter, `${name}.flat`, { op: "flatten", attrs }, place.id);
  return { id, size: { channels: elementsOf(place.size), height: 1, width: 1 }, isList: true };
}

/** The value as `[n, c, h, w]`. */
export function asMap(emitter: Emitter, name: string, place: Place): Place {
  if (!place.isList) return place;
  const { channels } = place.size;
  const attrs = { shape: [0, channels, 1, 1] };
  const id = emit(emitter, `${name}.map`, { op: "reshape", attrs }, place.id);
  return { ...place, id, isList: false };
}

/** The value as the layer's size says it: flattened where that is flat and the value is not. */
export function asSize(
  emitter: Emitter,
  name: string,
  place: Place,
  size: MapSize | undefined,
): Place {
  const mustFlatten = size !== undefined && isFlat(size) && !isFlat(place.size);
  return mustFlatten ? asList(emitter, name, place) : place;
}

export function multiply(emitter: Emitter, name: string, place: Place, factor: number): Place {
  if (factor === 1) return place;
  const attrs = { power: 1, scale: factor, shift: 0 };
  return { ...place, id: emit(emitter, name, { op: "power", attrs }, place.id) };
}

/** Above every value that a host part meets; with it quantRelu's own factor, 2^31 - 1 in float32, is 1 exactly. */
const highest = 2 ** 31;
const bits = 31;

/**
 * `floor(x / 2^shift)` of whole numbers, as an arithmetic right shift gives it: by 3, `15 -> 1, 16 -> 2, -1 -> -1`. Exact
 * below 2^22. With `e`, half a step of the grid that `v = x / 2^shift` lies on:
 * `floor(v) = round(v - 0.5 + e) - round(-v + 0.5 - e)`, halves up, no less than 0; one of the two is 0.
 */
export function shiftRight(emitter: Emitter, name: string, place: Place, shift: number): Place {
  const offset = 0.5 - 2 ** -(shift + 1);
  return difference(emitter, name, place, { scale: 2 ** -shift, above: -offset, below: offset });
}

/** Towards zero: `1.9 -> 1, -1.9 -> -1`, which is `round(x - 0.5) - round(-x - 0.5)`. Exact below 2^22. */
export function truncate(emitter: Emitter, name: string, place: Place): Place {
  return difference(emitter, name, place, { scale: 1, above: -0.5, below: -0.5 });
}

/** `round(scale * x + above) - round(-scale * x + below)`. quantRelu is the rounding that a float graph has. */
function difference(
  emitter: Emitter,
  name: string,
  place: Place,
  {
    scale,
    above,
    below,
  }: { readonly scale: number; readonly above: number; readonly below: number },
): Place {
  const cap = emitter.constant(`${name}.cap`, float32([1], [highest]));
  const round = (part: string, factor: number, shift: number): string => {
    const attrs = { power: 1, scale: factor, shift };
    const moved = emit(emitter, `${name}.${part}.moved`, { op: "power", attrs }, place.id);
    const rounded = { slope: 0, bits, quantized: true };
    return emit(emitter, `${name}.${part}`, { op: "quantRelu", attrs: rounded }, moved, cap);
  };
  const [more, less] = [round("above", scale, above), round("below", -scale, below)];
  return { ...place, id: emit(emitter, name, { op: "sub", attrs: {} }, more, less) };
}
