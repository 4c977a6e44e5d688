/**
 * Layers as the text of a `.param` file and as the bytes of a `.param.bin` file, which have the same
 * content but for names: the binary form numbers blobs in the order in which they are made.
 */
import { floatOfBits, magic, type NcnnLayer, type Param, typeNumber } from "./layer.ts";

/** Blobs of all layers, in the order in which they are made. */
function blobsOf(layers: readonly NcnnLayer[]): readonly string[] {
  return layers.flatMap((layer) => layer.tops);
}

/** The text: the magic number, the counts of layers and blobs, then a line per layer. */
export function printParamText(layers: readonly NcnnLayer[]): string {
  const lines = layers.map((layer) => {
    const head = `${layer.type.padEnd(24)} ${layer.name.padEnd(24)}`;
    const counts = `${layer.bottoms.length} ${layer.tops.length}`;
    return [head, counts, ...layer.bottoms, ...layer.tops, ...layer.params.map(paramText)].join(
      " ",
    );
  });
  return `${magic}\n${layers.length} ${blobsOf(layers).length}\n${lines.join("\n")}\n`;
}

/** `3=1`, `0=0.5`; arrays in the form that every version reads: `-23303=2,1.0,2.0`. */
function paramText({ id, type, array, words }: Param): string {
  const texts = words.map((word) => (type === "float" ? floatText(floatOfBits(word)) : `${word}`));
  return array
    ? `${-23300 - id}=${[words.length, ...texts].join(",")}`
    : `${id}=${texts[0] ?? "0"}`;
}

/**
 * A float32 in at most 15 characters, exactly, and never as an integer: ncnn tells floats by their point or
 * exponent, and its older readers take 15 characters and nine digits a part.
 * `1 -> "1.0"`, `0.1 (float32) -> "0.1"`, `-1.17549435e-38`.
 */
export function floatText(value: number): string {
  const short = shortest(value);
  const plain = `${short}`;
  const [whole = "", fraction = ""] = plain.split(".");
  if (plain.includes("e") || whole.length > 9 || fraction.length > 8) return short.toExponential();
  return fraction === "" ? `${whole}.0` : plain;
}

/** The number with the fewest digits that is the same float32. Nine always do. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits += 1) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return Number(value.toPrecision(9));
}

/** Ends a layer's parameters in the binary form. */
export const endOfParams = -233;

/** The bytes: the same as little-endian 32-bit words, types and blobs by their numbers. */
export function encodeParamBinary(layers: readonly NcnnLayer[]): Uint8Array {
  const places = new Map(blobsOf(layers).map((name, at) => [name, at]));
  const place = (name: string): number => places.get(name) ?? -1;
  const words = layers.flatMap((layer) => [
    ...[typeNumber(layer.type) ?? -1, layer.bottoms.length, layer.tops.length],
    ...layer.bottoms.map(place),
    ...layer.tops.map(place),
    ...layer.params.flatMap(({ id, array, words }) =>
      array ? [-23300 - id, words.length, ...words] : [id, ...words],
    ),
    endOfParams,
  ]);
  return littleEndian([magic, layers.length, places.size, ...words]);
}

function littleEndian(words: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(words.length * 4));
  words.forEach((word, at) => {
    view.setInt32(at * 4, word, true);
  });
  return new Uint8Array(view.buffer);
}
