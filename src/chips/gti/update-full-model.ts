/**
 * What the converter adds to a full model: the shapes and byte counts of what goes into each chip and comes
 * out of it.
 */
import { inputError } from "../../error.ts";
import type { FullModel, FullModelLayer } from "./full-model-json.ts";
import type { JsonObject } from "./json-text.ts";
import type { EvaluateKind, NetworkJson, NetworkLayer } from "./network-json.ts";

/** Version of the format, where the file has none. */
const version = 100;
/** Rows and columns of the tiles that maps are moved in. */
const tileSide = 14;
/** The chip gives channels behind an upsampling by sixteens. */
const upsampledChannels = 16;

/**
 * The full model with `inputs` and `outputs` of each chip; `networks` has the network JSON of each, in their order.
 * For an evaluation only the reader and the chips stay: the host compares what the chip gives. Input errors: no GTICNN called
 * "cnn" behind the reader, fewer GTICNN than chips, and a chip without major layers.
 */
export function updateFullModel(
  fullModel: FullModel,
  networks: readonly NetworkJson[],
  { evaluate }: { readonly evaluate: EvaluateKind },
): FullModel {
  checkChips(fullModel, networks);
  const updated = fullModel.layers.map((layer, at) => {
    const network = networks[at - 1];
    return network === undefined ? layer : withShapes(layer, network, at);
  });
  const layers = evaluate === "none" ? updated : updated.filter(isPicturesOrChip);
  return { ...fullModel, layers, keys: { version, ...fullModel.keys } };
}

function isPicturesOrChip({ operation }: FullModelLayer): boolean {
  return operation === "IMAGEREADER" || operation === "GTICNN";
}

/** Chips stand right behind the reader. */
function checkChips({ name, layers }: FullModel, networks: readonly NetworkJson[]): void {
  if (layers[1]?.name !== "cnn") {
    throw inputError("the second layer is not the chip", {
      where: `${name}: layer[1].name`,
      expected: '"cnn"',
      got: layers[1] === undefined ? "nothing" : `"${layers[1].name}"`,
    });
  }
  networks.forEach((_, at) => {
    const operation = layers[at + 1]?.operation;
    if (operation === "GTICNN") return;
    throw inputError(`chip ${at + 1} has no layer in the full model`, {
      where: `${name}: layer[${at + 1}].operation`,
      expected: '"GTICNN"',
      got: operation === undefined ? "nothing" : `"${operation}"`,
      hint: "A cascade has a GTICNN layer for each chip, right behind the reader",
    });
  });
}

function withShapes(layer: FullModelLayer, network: NetworkJson, chip: number): FullModelLayer {
  const [first] = network.layers;
  if (first === undefined) {
    throw inputError(`chip ${chip} has no major layers`, {
      where: network.name,
      expected: "at least one",
      got: "0",
      hint: "The network has too few for this number of chips",
    });
  }
  const inputs = [
    {
      format: "byte",
      prefilter: "interlace_tile_encode",
      shape: [first.image_size, first.image_size, first.input_channels],
    },
  ];
  return { ...layer, inputs, outputs: outputsOf(network.layers) };
}

/** All sublayers of learning layers, the last of `last_layer_out` ones, else the last of all. */
function outputsOf(layers: readonly NetworkLayer[]): readonly JsonObject[] {
  return layers.flatMap((layer, at) => {
    if (layer.learning === true) return learningOutputs(layer);
    if (layer.last_layer_out === true) return [outputOf(layer, layer.output_channels, false)];
    const isLast = at === layers.length - 1;
    return isLast ? [outputOf(layer, layer.output_channels, layer.pooling === true)] : [];
  });
}

/** One per sublayer, and one more where a pooling follows a shortcut that ends the major layer. */
function learningOutputs(layer: NetworkLayer): readonly JsonObject[] {
  const start = layer.resnet_shortcut_start_layers?.at(-1);
  const endsInShortcut = start !== undefined && start + 1 === layer.sublayer_number;
  const count = layer.sublayer_number + Number(layer.pooling === true && endsInShortcut);
  const depthwiseFirst = layer.depth_enable === true && layer.one_coef?.[0] === 0;
  return Array.from({ length: count }, (_, at) => {
    const channels = at === 0 && depthwiseFirst ? layer.input_channels : layer.output_channels;
    return outputOf(layer, channels, false);
  });
}

/**
 * One output. A value takes 5 bits of 128 bytes per 14 x 14 tile, so `S*S*C*32/49` bytes: 14 x 14 x 48 -> 6144. 7 x 7
 * behind a pooling goes to fully connected layers, twice as large and 3 bits up: 7 x 7 x 48 -> 3072.
 */
function outputOf(layer: NetworkLayer, outputChannels: number, pooled: boolean): JsonObject {
  const up = layer.upsample_enable === true;
  const full = up ? 2 * layer.image_size : layer.image_size;
  const size = pooled ? Math.floor(full / 2) : full;
  const channels = up
    ? Math.ceil(outputChannels / upsampledChannels) * upsampledChannels
    : outputChannels;
  const tile = pooled ? tileSide / 2 : Math.min(size, tileSide);
  const toDense = pooled && size === tileSide / 2;
  const bytes = Math.floor((size * size * channels * (toDense ? 64 : 32)) / 49);
  const tenBits = layer.ten_bits_enable === true;
  return {
    format: tenBits ? "float" : "byte",
    postfilter: toDense ? "fc77_decode" : tiles(tenBits),
    shape: [size, size, channels, tile * tile, bytes],
    "layer scaledown": toDense ? 3 : 0,
    upsampling: Number(up),
  };
}

function tiles(tenBits: boolean): string {
  return tenBits ? "interlace_tile_10bits_decode" : "interlace_tile_decode";
}
