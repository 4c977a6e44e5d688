/**
 * The vendor's network JSON (`network2803.json`, `net.json`): read, checked and written with its own key
 * names. What it says as a layout is in network-layout.ts.
 */
import { usageError } from "../../error.ts";
import type { OnWarning } from "../../notice.ts";
import type { CoefficientBits } from "../../target/layered-target.ts";
import { faultsError, type JsonFile, type JsonObject, jsonText, parseJson } from "./json-text.ts";
import { networkFaults, unknownKeys } from "./network-faults.ts";

/** The one entry of the file's array `model`; other keys are kept. */
export type NetworkModel = JsonObject & {
  readonly ChipType: number;
  readonly ChipNumber?: number;
  /** Read by the splitter alone. */
  readonly ModelType?: string;
  readonly ResNetMode?: number;
  /** 1: pooling takes the top left pixel. */
  readonly SamplingMethod?: number;
  readonly ActivationBitMode?: number;
  /** Added by the converter. */
  readonly MajorLayerNumber?: number;
};

/** One major layer. Absent booleans are false. */
export type NetworkLayer = JsonObject & {
  readonly image_size: number;
  readonly input_channels: number;
  readonly output_channels: number;
  readonly sublayer_number: number;
  readonly coef_bits: CoefficientBits;
  readonly pooling?: boolean;
  readonly learning?: boolean;
  readonly last_layer_out?: boolean;
  readonly upsample_enable?: boolean;
  readonly depth_enable?: boolean;
  readonly ten_bits_enable?: boolean;
  readonly one_coef?: readonly number[] | null;
  /** Counted from 1. */
  readonly resnet_shortcut_start_layers?: readonly number[] | null;
  /** Added by the converter. */
  readonly major_layer?: number;
  readonly scaling?: readonly number[];
};

export type NetworkJson = {
  /** The file's name, for errors. */
  readonly name: string;
  readonly model: NetworkModel;
  readonly layers: readonly NetworkLayer[];
};

/**
 * Reads a network JSON. One input error names everything that is wrong: values of another kind, and what
 * contradicts itself inside a major layer. Keys that nobody knows are kept, with a warning.
 */
export function parseNetworkJson(file: JsonFile, onWarning?: OnWarning): NetworkJson {
  const value = parseJson(file);
  const faults = networkFaults(value);
  if (faults.length > 0) throw faultsError(file.name, faults);
  // The cast is what networkFaults has just established.
  const { model, layer } = value as unknown as FileShape;
  for (const path of unknownKeys(model, layer)) {
    onWarning?.({
      id: "network-json-key",
      message: "unknown key, kept as it is",
      where: `${file.name}: ${path}`,
    });
  }
  return { name: file.name, model: model[0], layers: layer };
}

type FileShape = {
  readonly model: readonly [NetworkModel];
  readonly layer: readonly NetworkLayer[];
};

/** The file's whole value. */
function networkValue({ model, layers }: NetworkJson): JsonObject {
  return { layer: layers, model: [model] };
}

/** The file's text in the converter's style. */
export function networkText(network: NetworkJson): string {
  return jsonText(networkValue(network));
}

/**
 * What the converter adds to a network JSON: the number of major layers, their numbers, and `scaling`, the shift
 * of each sublayer. `shifts` has one for each sublayer in the network's order; a usage error if not.
 */
export function withShifts(network: NetworkJson, shifts: readonly number[]): NetworkJson {
  const total = network.layers.reduce((sum, layer) => sum + layer.sublayer_number, 0);
  if (shifts.length !== total) {
    throw usageError("a network JSON needs a shift for each sublayer", {
      where: network.name,
      expected: String(total),
      got: String(shifts.length),
    });
  }
  let from = 0;
  const layers = network.layers.map((layer, at): NetworkLayer => {
    const scaling = shifts.slice(from, from + layer.sublayer_number);
    from += layer.sublayer_number;
    return { ...layer, major_layer: at + 1, scaling };
  });
  return { ...network, model: { ...network.model, MajorLayerNumber: layers.length }, layers };
}

/** What `--evaluate` is given: nothing, a folder of pictures, or one picture. */
export type EvaluateKind = "none" | "folder" | "file";

/**
 * The network JSON for an evaluation: over a folder only the last layer comes out, of one picture all of
 * them do. The two output modes exclude each other, so `last_layer_out` goes off where all come out.
 */
export function evaluatedNetwork(network: NetworkJson, evaluate: EvaluateKind): NetworkJson {
  if (evaluate === "none") return network;
  const learning = evaluate === "file";
  const layers = network.layers.map((layer) => ({
    ...layer,
    learning,
    ...(learning && layer.last_layer_out === true ? { last_layer_out: false } : {}),
  }));
  return { ...network, layers };
}
