/**
 * The vendor's full-model JSON: which layers a `.model` file has, on the chip and on the host. Read, made from
 * layouts, and written; what the converter adds is in update-full-model.ts.
 */
import type { LayeredTarget } from "../../target/layered-target.ts";
import {
  faultsError,
  isObject,
  type JsonFault,
  type JsonFile,
  type JsonObject,
  type JsonValue,
  jsonText,
  parseJson,
  shown,
} from "./json-text.ts";
import { type Layout, type MajorLayer, outputSize } from "./layout.ts";

/** Every layer has these two; other keys are kept. */
export type FullModelLayer = JsonObject & { readonly name: string; readonly operation: string };

export type FullModel = {
  /** The file's name, for errors. */
  readonly name: string;
  readonly layers: readonly FullModelLayer[];
  /** The other keys of the file. */
  readonly keys: JsonObject;
};

const maxLayers = 1024;

/** Reads a full model; one input error names everything that is wrong. Operations are not judged. */
export function parseFullModel(file: JsonFile): FullModel {
  const value = parseJson(file);
  const faults = fullModelFaults(value);
  if (faults.length > 0 || !isObject(value)) throw faultsError(file.name, faults);
  const { layer, ...keys } = value;
  // The cast is what fullModelFaults has just established.
  return { name: file.name, layers: layer as unknown as readonly FullModelLayer[], keys };
}

function fullModelFaults(value: JsonValue): readonly JsonFault[] {
  if (!isObject(value)) return [faultAt("the file", 'an object with "layer"', value)];
  const layers = value["layer"];
  if (!Array.isArray(layers) || layers.length === 0 || layers.length > maxLayers) {
    return [faultAt("layer", `a list of 1 to ${maxLayers} objects`, layers)];
  }
  return layers.flatMap((layer: JsonValue, at) => {
    if (!isObject(layer)) return [faultAt(`layer[${at}]`, "an object", layer)];
    return ["name", "operation"].flatMap((key) =>
      typeof layer[key] === "string" ? [] : [faultAt(`layer[${at}].${key}`, "a text", layer[key])],
    );
  });
}

function faultAt(path: string, expected: string, got: JsonValue | undefined): JsonFault {
  return { path, expected, got: shown(got) };
}

/** The file's whole value. */
function fullModelValue({ keys, layers }: FullModel): JsonObject {
  return { ...keys, layer: layers };
}

export function fullModelText(model: FullModel): string {
  return jsonText(fullModelValue(model));
}

/** A layer that the host computes, behind the chip's. Sizes are those of its output. */
export type HostLayer = {
  readonly name: string;
  readonly channels: number;
  readonly width: number;
  readonly height: number;
} & (
  | {
      readonly operation: "POOLING";
      readonly mode: "average" | "max" | "sample" | "top_left" | "center";
    }
  /** The name is also the prefix of the layers that the file gathers: `fc` takes fc6, fc7 and fc8. */
  | {
      readonly operation: "FC";
      readonly dataFile: string;
      readonly activation?: "relu";
    }
  | { readonly operation: "SOFTMAX" }
  /** `channels` is how many classes are printed, best first. */
  | { readonly operation: "LABEL"; readonly dataFile: string }
);

export type FullModelOptions = {
  readonly name: string;
  readonly host: readonly HostLayer[];
  /** Colour space of the picture; BGR planes by default. */
  readonly inputFormat?: string;
};

/**
 * The full model of a network on one chip or, with several layouts, on a cascade: the picture's reader, a GTICNN
 * per chip (`cnn`, `cnn1`, ...), and the host's layers.
 */
export function fullModelOf(
  chips: readonly Layout[],
  target: LayeredTarget,
  { name, host, inputFormat = "CS_BGR24_PLANAR" }: FullModelOptions,
): FullModel {
  const [first] = chips[0]?.majors ?? [];
  const reader: FullModelLayer = {
    name: "reader",
    operation: "IMAGEREADER",
    "input format": inputFormat,
    "output format": inputFormat,
    ...sizes(first?.inputChannels ?? 0, first?.imageSize ?? 0, first?.imageSize ?? 0),
  };
  const cnns = chips.map((chip, at) => chipLayer(chip, target, at, chips.length));
  return {
    name: "fullmodel.json",
    layers: [reader, ...cnns, ...host.map(hostLayer)],
    keys: { name },
  };
}

function sizes(channels: number, width: number, height: number): JsonObject {
  return { "output channels": channels, "output width": width, "output height": height };
}

/** What the chip gives, as the vendor numbers it. */
type ChipMode = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** Bits that a 5-bit value stands above the byte's lowest in mode 0; also what a cascade undoes. */
const modeShift = 3;

function chipLayer(chip: Layout, target: LayeredTarget, at: number, count: number): FullModelLayer {
  const last = chip.majors.at(-1);
  const size = last === undefined ? 0 : outputSize(last);
  const isLast = at === count - 1;
  const mode = isLast ? chipMode(chip) : 2;
  const scaledown = isLast ? (mode === 0 ? modeShift : 0) : -modeShift;
  const delay = delays.get(target.chipType) ?? 0;
  return {
    name: at === 0 ? "cnn" : `cnn${at}`,
    operation: "GTICNN",
    "data file": count === 1 ? "coef.dat" : `coef_chip${at + 1}.dat`,
    "data offset": 0,
    device: {
      chip: String(target.chipType),
      type: 0,
      name: null,
      "emmc delay": delay,
      "eusb delay": delay,
    },
    mode,
    "output scaledown": scaledown,
    ...(isLast ? {} : { "output type": "byte" }),
    ...(last?.tenBits === true ? { type: "float" } : {}),
    ...sizes(last?.outputChannels ?? 0, size, size),
  };
}

/** Pauses of the USB interfaces, in the driver's unit. */
const delays: ReadonlyMap<number, number> = new Map([
  [2801, 5000],
  [2803, 12_000],
  [5801, 12_000],
]);

/**
 * 1: all sublayers. 3: the last sublayer of major layers. 0: 7 x 7 behind a max pooling, for fully connected layers;
 * 5: other 7 x 7. 2: the last sublayer at 14 x 14 or more.
 */
function chipMode({ majors }: Layout): ChipMode {
  const last = majors.at(-1);
  if (majors.some((major) => major.learning)) return 1;
  if (majors.some((major) => major.lastLayerOut)) return 3;
  if (last === undefined || outputSize(last) >= 14) return 2;
  return endsInMaxPool(last) ? 0 : 5;
}

function endsInMaxPool({ pooling }: MajorLayer): boolean {
  return pooling === "max";
}

function hostLayer(layer: HostLayer): FullModelLayer {
  const { name, operation } = layer;
  const common = { name, operation, ...sizes(layer.channels, layer.width, layer.height) };
  switch (layer.operation) {
    case "POOLING":
      return { ...common, mode: layer.mode };
    case "FC":
      return {
        ...common,
        ...dataFile(layer.dataFile),
        ...(layer.activation === undefined ? {} : { activation: layer.activation }),
      };
    case "LABEL":
      return { ...common, ...dataFile(layer.dataFile) };
    case "SOFTMAX":
      return common;
  }
}

function dataFile(name: string): JsonObject {
  return { "data file": name, "data offset": 0 };
}
