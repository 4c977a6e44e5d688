/**
 * What a chip's layer (GTICNN) hands to the layer behind it, as a function of the chip's own values.
 */
import { inputError } from "../../../error.ts";
import type { Emitter } from "../../../passes/emitter.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import { emit, multiply, type Place, shiftRight } from "./host-builder.ts";
import { integerField, nameLayer, sizeField } from "./layer-fields.ts";
import { elementsOf, formatSize, sameSize } from "./map-size.ts";

/**
 * The chip's own values are levels: 0..31, with ten bits everywhere 0..1023, and with ten bits in the last layer alone multiples of
 * 1/32 up to 31.96875. Then:
 *
 * | mode | what is handed over |
 * |---|---|
 * | 0 | the last 7x7 map; a level stands in bits 3..7 of its byte, so 8 times as large |
 * | 1 | the maps of all sublayers; the host's operations read the last |
 * | 2 | the map of the last sublayer, 14x14 or larger |
 * | 3 | the last map of every major layer; the operations read the last of them |
 * | 4 | the maps of all sublayers of the last major layer; the operations read the last |
 * | 5 | the last 7x7 map, as levels |
 * | 6 | the sum of each 7x7 map, a number per channel |
 *
 * "output scaledown" d then shifts each value right by d bits, or left by -d: 3 undoes the 8 of mode 0, and -3 makes a byte
 * of a level for the next chip of a cascade, which takes it as it takes a picture. Bytes lose the bits that a right shift
 * pushes out; float values ("type": "float") do not. "layer scaledown" of the entries in "outputs" says the same again for newer
 * runtimes and is not applied.
 *
 * A layer without a mode is taken as one of mode 2. Throws an input error where the layer's size is not that of the
 * value, and where mode or scaledown are unknown.
 */
export function handedOver(emitter: Emitter, layer: FullModelLayer, chip: Place): Place {
  const mode = integerField(layer, "mode", [0, 6], 2);
  const scaledown = integerField(layer, "output scaledown", [-7, 7], 0);
  const given = mode === 6 ? sums(emitter, layer, chip) : chip;
  const size = sizeField(layer);
  if (mode !== 6 && size !== undefined && !sameSize(size, chip.size)) {
    throw inputError("the chip's size is not that of the value it gives", {
      node: nameLayer(layer),
      expected: formatSize(chip.size),
      got: formatSize(size),
    });
  }
  const down = scaledown - (mode === 0 ? byteBits : 0);
  const name = `${layer.name}.handed`;
  return down > 0 && !givesFloats(layer)
    ? shiftRight(emitter, name, given, down)
    : multiply(emitter, name, given, 2 ** -down);
}

/** Bits of a byte below a level in mode 0. */
const byteBits = 3;

function sums(emitter: Emitter, layer: FullModelLayer, chip: Place): Place {
  if (chip.isList) return chip;
  const size = { ...chip.size, height: 1, width: 1 };
  const node = { op: "globalAvgPool", attrs: {} } as const;
  const mean = emit(emitter, `${layer.name}.mean`, node, chip.id);
  const pixels = elementsOf(chip.size) / size.channels;
  return multiply(emitter, `${layer.name}.sum`, { id: mean, size, isList: false }, pixels);
}

function givesFloats(layer: FullModelLayer): boolean {
  return layer["type"] === "float" || layer["output type"] === "float";
}
