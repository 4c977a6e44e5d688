/**
 * A network JSON as a layout, and a layout as a network JSON. Layouts from a file have no names of layers:
 * those are bound by whoever has the graph.
 */
import { inputError } from "../../error.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import type { JsonObject } from "./json-text.ts";
import type { Layout, MajorLayer } from "./layout.ts";
import {
  type NetworkJson,
  type NetworkLayer,
  type NetworkModel,
  networkText,
  withShifts,
} from "./network-json.ts";
import { sublayersOf } from "./network-sublayers.ts";
import { vendorCutsOf } from "./split.ts";

/**
 * The layout that the file says. `conv` and `output` of its sublayers are empty. Pooling is max, or top left with
 * `SamplingMethod` 1; of a model that the vendor's splitter knows, the last chip's is top left, as the splitter
 * sets it.
 */
export function layoutOfJson(network: NetworkJson): Layout {
  const activationBitMode = bitModeOf(network.model);
  const lastChip = vendorCutsOf(network)?.at(-1) ?? Number.POSITIVE_INFINITY;
  const last = network.layers.length - 1;
  const majors = network.layers.map((layer, at): MajorLayer => {
    const sampled = network.model.SamplingMethod === 1 || at >= lastChip;
    const tenBits = activationBitMode === 2 || (activationBitMode === 1 && at === last);
    return majorOf(layer, sampled, tenBits);
  });
  return { majors, activationBitMode };
}

function majorOf(layer: NetworkLayer, sampled: boolean, tenBits: boolean): MajorLayer {
  return {
    imageSize: layer.image_size,
    inputChannels: layer.input_channels,
    outputChannels: layer.output_channels,
    coefficientBits: layer.coef_bits,
    sublayers: sublayersOf(layer),
    pooling: layer.pooling === true ? (sampled ? "sample" : "max") : undefined,
    upsampling: layer.upsample_enable === true ? (sampled ? "zeros" : "repeat") : undefined,
    shortcutStarts: layer.resnet_shortcut_start_layers ?? [],
    learning: layer.learning ?? false,
    lastLayerOut: layer.last_layer_out ?? false,
    tenBits: tenBits || layer.ten_bits_enable === true,
  };
}

function bitModeOf({ ActivationBitMode: mode }: NetworkModel): Layout["activationBitMode"] {
  return mode === 1 || mode === 2 ? mode : 0;
}

/**
 * The file's text in the converter's style. With `shifts`, one list per major layer, it is the converter's
 * net.json; without, the template that it starts from. `modelKeys` are added to the model.
 */
export function networkJsonOf(
  layout: Layout,
  target: LayeredTarget,
  shifts?: readonly (readonly number[])[],
  modelKeys: JsonObject = {},
): string {
  const network = networkOf(layout, target, modelKeys);
  return networkText(shifts === undefined ? network : withShifts(network, shifts.flat()));
}

/**
 * The network JSON of a layout. An input error where the file has no words for it: it knows one kind of pooling for
 * all major layers.
 */
export function networkOf(
  layout: Layout,
  target: LayeredTarget,
  modelKeys: JsonObject = {},
): NetworkJson {
  const sampled = layout.majors.filter((one) => isSampled(one) === true).length;
  const most = layout.majors.filter((one) => isSampled(one) === false).length;
  if (sampled > 0 && most > 0) {
    throw inputError("a network JSON knows one kind of pooling", {
      expected: "max and repeat alone, or sample and zeros alone",
      got: `${most} major layers of the first, ${sampled} of the second`,
      hint: "A cascade has a file for each chip, and a kind for each",
    });
  }
  const model: NetworkModel = {
    ...modelKeys,
    ChipType: target.chipType,
    ...(sampled > 0 ? { SamplingMethod: 1 } : {}),
    ...(layout.activationBitMode === 0 ? {} : { ActivationBitMode: layout.activationBitMode }),
  };
  return { name: "network.json", model, layers: layout.majors.map(layerOf) };
}

/** Of the major layer's pooling or upsampling; undefined where it has neither. */
function isSampled({ pooling, upsampling }: MajorLayer): boolean | undefined {
  if (pooling === undefined && upsampling === undefined) return undefined;
  return pooling === "sample" || upsampling === "zeros";
}

function layerOf(major: MajorLayer): NetworkLayer {
  const kinds = major.sublayers.map(({ kind }) => kind);
  const plain = kinds.every((kind) => kind === "full");
  return {
    image_size: major.imageSize,
    input_channels: major.inputChannels,
    output_channels: major.outputChannels,
    sublayer_number: major.sublayers.length,
    coef_bits: major.coefficientBits,
    pooling: major.pooling !== undefined,
    ...(major.learning ? { learning: true } : {}),
    ...(major.lastLayerOut ? { last_layer_out: true } : {}),
    ...(major.upsampling === undefined ? {} : { upsample_enable: true }),
    ...(kinds.includes("depthwise") ? { depth_enable: true } : {}),
    ...(plain ? {} : { one_coef: kinds.map((kind) => (kind === "pointwise" ? 1 : 0)) }),
    ...(major.tenBits ? { ten_bits_enable: true } : {}),
    ...(major.shortcutStarts.length === 0
      ? {}
      : { resnet_shortcut_start_layers: major.shortcutStarts }),
  };
}
