/**
 * fc.bin, fc6.bin, ...: fully connected layers for the host. First int32 inputs and int32 outputs of every
 * layer, then of every layer float32 weights row by row and float32 biases. The number of layers is not
 * written: it is the one for which the sizes add up to the file.
 */
import { inputError, usageError } from "../../../error.ts";
import { bytesOf, type Chunks } from "../../../tensor/chunks.ts";
import { damaged, int32Bytes, type NamedBytes, readFloat32s, readInt32s } from "./bytes.ts";
import { type FcLayer, fcLayerSizes } from "./layers.ts";

const sizeBytes = 8;

/**
 * The layers that a full model's entry takes: those whose name starts with the entry's, in network order. `fc`
 * takes fc6 and fc7, `fc6` only fc6 (and fc60).
 */
export function fcLayersOf<L extends { readonly name: string }>(
  entry: string,
  layers: readonly L[],
): readonly L[] {
  const taken = layers.filter((layer) => layer.name.startsWith(entry));
  if (taken.length > 0 && entry !== "") return taken;
  throw usageError("the full model's entry names no fully connected layer", {
    node: entry,
    expected: `the start of one of ${layers.map((layer) => layer.name).join(", ") || "(none)"}`,
    hint: "Rename the entry, or remove it and what follows from the full model.",
  });
}

/** At least one layer. The values stay where they are: they are the largest part of a model with such layers. */
export function encodeFcBin(layers: readonly FcLayer[]): Chunks {
  if (layers.length === 0) throw usageError("an FC file needs a layer");
  for (const layer of layers) fcLayerSizes(layer);
  return [
    int32Bytes(layers.flatMap(({ inputs, outputs }) => [inputs, outputs])),
    ...layers.flatMap(({ weight, bias }) => [bytesOf(weight), bytesOf(bias)]),
  ];
}

/**
 * The layers without names. The sizes must account for every byte. A shortened file may by chance look like one of
 * fewer layers: `count`, where it is known, finds that too.
 */
export function decodeFcBin(file: NamedBytes, count?: number): Omit<FcLayer, "name">[] {
  const sizes = readSizes(file);
  if (count !== undefined && sizes.length !== count) {
    throw inputError("the FC file has the wrong number of layers", {
      where: file.name,
      expected: `${count}`,
      got: `${sizes.length}`,
    });
  }
  let at = sizes.length * sizeBytes;
  return sizes.map(({ inputs, outputs }) => {
    const weight = readFloat32s(file, at, inputs * outputs);
    const bias = readFloat32s(file, at + 4 * weight.length, outputs);
    at += 4 * (weight.length + bias.length);
    return { inputs, outputs, weight, bias };
  });
}

/** Each further layer makes the sum larger, so at most one number of layers fits. */
function readSizes(file: NamedBytes): { readonly inputs: number; readonly outputs: number }[] {
  const sizes: { readonly inputs: number; readonly outputs: number }[] = [];
  let total = 0;
  while (total < file.bytes.length || sizes.length === 0) {
    const offset = sizes.length * sizeBytes;
    const [inputs = 0, outputs = 0] = readInt32s(file, offset, 2);
    total += sizeBytes + 4 * (inputs * outputs + outputs);
    if (inputs < 1 || outputs < 1 || total > file.bytes.length) {
      throw damaged(file, offset, "the sizes of FC layers do not add up to the file", {
        expected: `${file.bytes.length} bytes: int32 inputs and outputs of each layer, then its values`,
        got: `layer ${sizes.length + 1} of ${inputs} inputs and ${outputs} outputs: ${total} bytes`,
        hint: "Is this an FC file, and whole?",
      });
    }
    sizes.push({ inputs, outputs });
  }
  return sizes;
}
