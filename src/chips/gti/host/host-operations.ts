/**
 * The operations that a full model gives to the host, each as nodes of a float graph behind the value before it.
 * host-graph.ts walks the layers.
 */
import { inputError } from "../../../error.ts";
import type { OnWarning } from "../../../notice.ts";
import type { Emitter } from "../../../passes/emitter.ts";
import { float32 } from "../../../tensor/tensor.ts";
import type { FcLayer } from "../files/layers.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import {
  asList,
  asMap,
  asSize,
  emit,
  multiply,
  type Place,
  shiftRight,
  truncate,
} from "./host-builder.ts";
import {
  choiceField,
  fieldError,
  integerField,
  nameLayer,
  sizeField,
  textField,
} from "./layer-fields.ts";
import { elementsOf, formatSize, sameSize } from "./map-size.ts";
import { tileAttrs, tileOf } from "./pool-window.ts";

/** What an operation may need besides its layer and the value before it. */
export type OperationContext = {
  readonly emitter: Emitter;
  /** Values of the layers before this one, by name; the chip's among them. */
  readonly earlier: ReadonlyMap<string, Place>;
  /** The layers of an FC file, checked. */
  readonly fcOf: (layer: FullModelLayer) => readonly Omit<FcLayer, "name">[];
  readonly onWarning: OnWarning | undefined;
};

export type Operation = (layer: FullModelLayer, input: Place, context: OperationContext) => Place;

const poolModes = ["average", "max", "sample", "top_left", "center"] as const;

/**
 * The layer's size divides the map into tiles; each gives its mean, its largest pixel, the top left one (sample, top_left) or the
 * middle one. With an even side the middle is right of, or below, the centre: pixel 1 of 2. That is not certain, and
 * gives a warning.
 */
const pooling: Operation = (layer, input, { emitter, onWarning }) => {
  const mode = choiceField(layer, "mode", poolModes);
  const size = sizeField(layer);
  const map = asMap(emitter, layer.name, input);
  const tile = size && tileOf(map.size, size);
  if (size === undefined || tile === undefined || size.channels !== map.size.channels) {
    throw inputError("a pooling's size must divide its input into tiles", {
      node: nameLayer(layer),
      expected: `${map.size.channels} channels, and rows and columns that divide ${map.size.height} and ${map.size.width}`,
      got: size === undefined ? "no size" : formatSize(size),
    });
  }
  const done = (id: string): Place => ({ id, size, isList: false });
  if (mode === "average" || mode === "max") {
    const attrs = tileAttrs(tile, "whole");
    if (mode === "max") return done(emit(emitter, layer.name, { op: "maxPool", attrs }, map.id));
    return done(
      emit(emitter, layer.name, { op: "avgPool", attrs: { ...attrs, countPad: false } }, map.id),
    );
  }
  const source = mode === "center" ? fromMiddle(layer, map, tile, emitter, onWarning) : map.id;
  const attrs = tileAttrs(tile, "corner");
  return done(emit(emitter, layer.name, { op: "maxPool", attrs }, source));
};

/** The map without the rows and columns before the middle of the first tile. */
function fromMiddle(
  layer: FullModelLayer,
  map: Place,
  tile: readonly [number, number],
  emitter: Emitter,
  onWarning: OnWarning | undefined,
): string {
  if (tile.some((side) => side % 2 === 0)) {
    const message = `the middle of a tile of ${tile.join("x")} is taken to be right of and below its centre`;
    onWarning?.({ id: "pooling-center", message, where: nameLayer(layer) });
  }
  const { height, width } = map.size;
  const [top, left] = tile.map((side) => Math.floor(side / 2));
  const rows = { axis: 2, start: top ?? 0, end: height };
  const below = emit(emitter, `${layer.name}.rows`, { op: "slice", attrs: rows }, map.id);
  const columns = { axis: 3, start: left ?? 0, end: width };
  return emit(emitter, `${layer.name}.columns`, { op: "slice", attrs: columns }, below);
}

/**
 * The layers of the file one behind the other, then the ReLU of "activation". A file of several layers does not say whether a
 * ReLU stands between them; it is taken to, since without one they would be a single layer, and a warning tells.
 */
const fullyConnected: Operation = (layer, input, context) => {
  const { emitter, fcOf, onWarning } = context;
  const parts = fcOf(layer);
  if (parts.length > 1) {
    const message = `a ReLU is taken to stand between the ${parts.length} layers of its file`;
    onWarning?.({ id: "fc-layers", message, where: nameLayer(layer) });
  }
  let value = asList(emitter, layer.name, input);
  for (const [at, part] of parts.entries()) {
    const name = parts.length === 1 ? layer.name : `${layer.name}.${at + 1}`;
    if (at > 0) value = rectified(emitter, `${name}.relu`, value);
    value = connected(emitter, name, value, part, layer);
  }
  const size = sizeField(layer);
  if (size !== undefined && !sameSize(size, value.size)) {
    throw inputError("an FC layer's size is not what its file gives", {
      node: nameLayer(layer),
      expected: formatSize(value.size),
      got: formatSize(size),
    });
  }
  const activation = choiceField(layer, "activation", ["none", "relu"], "none");
  return activation === "relu" ? rectified(emitter, `${layer.name}.relu`, value) : value;
};

function rectified(emitter: Emitter, name: string, value: Place): Place {
  return { ...value, id: emit(emitter, name, { op: "relu", attrs: { slope: 0 } }, value.id) };
}

function connected(
  emitter: Emitter,
  name: string,
  input: Place,
  { inputs, outputs, weight, bias }: Omit<FcLayer, "name">,
  layer: FullModelLayer,
): Place {
  if (elementsOf(input.size) !== inputs) {
    throw inputError("an FC layer does not fit what stands before it", {
      node: nameLayer(layer),
      expected: `${elementsOf(input.size)} inputs`,
      got: `${inputs} inputs, ${outputs} outputs in its file`,
    });
  }
  const ids = [
    emitter.constant(`${name}.weight`, float32([outputs, inputs], weight)),
    emitter.constant(`${name}.bias`, float32([outputs], bias)),
  ];
  const id = emit(emitter, name, { op: "linear", attrs: {} }, input.id, ...ids);
  return { id, size: { channels: outputs, height: 1, width: 1 }, isList: true };
}

/** Over channels. */
const softmax: Operation = (layer, input, { emitter }) => {
  const value = sized(layer, input, emitter);
  return {
    ...value,
    id: emit(emitter, layer.name, { op: "softmax", attrs: { axis: 1 } }, value.id),
  };
};

const eltwiseModes = { sum: "add", product: "mul", max: "maximum" } as const;

/** The value before it and that of "reference layer": sum, product or larger one. "pass" leaves the value as it is. */
const elementwise: Operation = (layer, input, { emitter, earlier }) => {
  const mode = choiceField(layer, "mode", ["sum", "product", "max", "pass"]);
  const value = sized(layer, input, emitter);
  if (mode === "pass") return value;
  const reference = earlier.get(textField(layer, "reference layer"));
  if (reference === undefined) {
    const names = [...earlier.keys()].slice(-20).map((name) => name.slice(0, 200));
    throw fieldError(layer, "reference layer", `an earlier layer: ${names.join(", ")}`);
  }
  const flat = value.isList || reference.isList;
  const other = flat
    ? asList(emitter, layer.name, reference)
    : asSize(emitter, layer.name, reference, value.size);
  const one = flat ? asList(emitter, layer.name, value) : value;
  if (!sameSize(one.size, other.size)) {
    throw inputError("the two values of an ELTWISE layer differ in size", {
      node: nameLayer(layer),
      expected: formatSize(one.size),
      got: formatSize(other.size),
    });
  }
  const node = { op: eltwiseModes[mode], attrs: {} };
  return { ...one, id: emit(emitter, layer.name, node, one.id, other.id) };
};

/** The value in the layer's size, which must be its own. */
function sized(layer: FullModelLayer, input: Place, emitter: Emitter): Place {
  const size = sizeField(layer);
  const value = asSize(emitter, layer.name, input, size);
  if (size === undefined || sameSize(size, value.size)) return value;
  throw inputError("a layer's size is not that of the value before it", {
    node: nameLayer(layer),
    expected: formatSize(value.size),
    got: formatSize(size),
  });
}

/** Values of these types; those of `integer` are taken to stay below 2^22. */
const ranges = {
  char: [0, 255],
  short: [-32_768, 32_767],
  integer: undefined,
  float: undefined,
} as const;
const types = ["char", "short", "integer", "float"] as const;

/**
 * "Shift" bits to the right, then the output type: char 0..255, as the chip's bytes are, short -32768..32767, whatever lies
 * beyond is cut off. A float loses its fraction first, as in C; this order is not certain. Between floats the shift divides.
 */
const typeConvert: Operation = (layer, input, { emitter }) => {
  const from = choiceField(layer, "input type", types);
  const to = choiceField(layer, "output type", types);
  const shift = integerField(layer, "Shift", [0, 31], 0);
  const value = sized(layer, input, emitter);
  const { name } = layer;
  if (from === "float" && to === "float") return multiply(emitter, name, value, 2 ** -shift);
  const whole = from === "float" ? truncate(emitter, `${name}.whole`, value) : value;
  const shifted = shift === 0 ? whole : shiftRight(emitter, name, whole, shift);
  const range = from === to ? undefined : ranges[to];
  if (range === undefined) return shifted;
  const attrs = { min: range[0], max: range[1] };
  return { ...shifted, id: emit(emitter, `${name}.range`, { op: "clip", attrs }, shifted.id) };
};

/** By "operation". LABEL computes nothing: label.ts prints. */
export const operations: ReadonlyMap<string, Operation> = new Map([
  ["POOLING", pooling],
  ["FC", fullyConnected],
  ["SOFTMAX", softmax],
  ["ELTWISE", elementwise],
  ["TYPECONVERT", typeConvert],
]);
