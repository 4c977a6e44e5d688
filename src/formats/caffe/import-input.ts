/**
 * Input and data layers as graph inputs: the shape is declared, stated by the caller, or put together
 * from crop size, colour and the first weights. Of the layer's transformation only the GTI kit's rounding
 * to fewer bits is part of the graph.
 */
import { inputError } from "../../error.ts";
import type { Shape } from "../../tensor/shape.ts";
import { emit, fault, type LayerContext } from "./context.ts";
import { type LayerParameter, setting } from "./schema/schema.ts";
import { blobShape, type WeightStore } from "./weights.ts";

/** The layers whose weights tell how many channels a picture has. */
const convolutions: ReadonlySet<string> = new Set(["Convolution", "QuantConvolution"]);

/** Widths that the GTI kit's 16-bit arithmetic takes. */
const maxBits = 16;

/**
 * What a data layer makes of the pictures `id`: with `quant_enable` (GTI kit) levels of fewer bits. Mean and
 * scale are then not applied, which a warning says.
 */
export function transformed(context: LayerContext, id: string): string {
  const transform = context.layer.transform_param;
  if (!setting("TransformationParameter", transform, "quant_enable")) return id;
  if (context.layer.type === "Input") {
    warn(context, "an Input layer does not transform: quant_enable is ignored");
    return id;
  }
  const from = setting("TransformationParameter", transform, "bw_in");
  const to = setting("TransformationParameter", transform, "bw_out");
  if ([from, to].some((bits) => bits < 1 || bits > maxBits)) {
    throw fault(context, "bw_in and bw_out are out of range", {
      expected: `1..${maxBits}`,
      got: `${from}, ${to}`,
    });
  }
  const ignored = [
    ...(transform?.mean_file === undefined ? [] : ["mean_file"]),
    ...(transform?.mean_value.length ? ["mean_value"] : []),
    ...(setting("TransformationParameter", transform, "scale") === 1 ? [] : ["scale"]),
  ];
  if (ignored.length > 0) {
    warn(context, `with quant_enable the layer does not apply ${ignored.join(" and ")}`);
  }
  return emit(context, "reduceBits", [id], { from, to }, "levels");
}

function warn(context: LayerContext, message: string): void {
  context.builder.onWarning({ id: "quant-input", message, where: context.label });
}

/** The shape of top `index` of an Input or data layer. Throws where nothing tells it. */
export function inputShape(
  layer: LayerParameter,
  index: number,
  layers: readonly LayerParameter[],
  store: WeightStore,
): Shape {
  const shape = declaredShape(layer, index) ?? pictureShape(layer, layers, store);
  if (shape !== undefined && shape.length > 0 && shape.every((dim) => dim > 0)) return shape;
  throw inputError("the network does not tell the shape of its input", {
    node: `${layer.type} "${layer.name ?? ""}"`,
    got: shape === undefined ? undefined : `[${shape.join(", ")}]`,
    hint: "Give it: --input-shape 1,3,224,224, say",
  });
}

function declaredShape(layer: LayerParameter, index: number): Shape | undefined {
  const shapes = layer.input_param?.shape ?? layer.dummy_data_param?.shape ?? [];
  const declared = shapes[shapes.length === 1 ? 0 : index]?.dim;
  if (declared !== undefined) return declared;
  const memory = layer.memory_data_param;
  if (memory !== undefined) {
    const { batch_size: n = 1, channels = 0, height = 0, width = 0 } = memory;
    return [n, channels, height, width];
  }
  const dummy = layer.dummy_data_param;
  if (dummy === undefined) return undefined;
  const at = (dims: readonly number[]): number => dims[dims.length === 1 ? 0 : index] ?? 0;
  return [at(dummy.num), at(dummy.channels), at(dummy.height), at(dummy.width)];
}

/** Batch, colours and size of a layer that reads pictures. */
function pictureShape(
  layer: LayerParameter,
  layers: readonly LayerParameter[],
  store: WeightStore,
): Shape | undefined {
  const { data_param: data, image_data_param: image, window_data_param: window } = layer;
  const transform = layer.transform_param;
  const resize = transform?.resize_param;
  const crop =
    transform?.crop_size ?? data?.crop_size ?? image?.crop_size ?? window?.crop_size ?? 0;
  const height = transform?.crop_h || crop || resize?.height || image?.new_height || 0;
  const width = transform?.crop_w || crop || resize?.width || image?.new_width || 0;
  if (height === 0 || width === 0) return undefined;
  const batch = data?.batch_size ?? image?.batch_size ?? window?.batch_size ?? 1;
  return [Math.max(1, batch), channelsOf(layer, layers, store), height, width];
}

/** Channels as the first convolution's weights have them, else as the transformation says, else 3. */
function channelsOf(
  layer: LayerParameter,
  layers: readonly LayerParameter[],
  store: WeightStore,
): number {
  const reader = layers.find(
    (one) => convolutions.has(one.type ?? "") && one.bottom[0] === layer.top[0],
  );
  const blob = store.blobs?.get(reader?.name ?? "")?.[0];
  const perGroup = blob === undefined ? undefined : blobShape(blob)[1];
  if (perGroup) {
    return perGroup * setting("ConvolutionParameter", reader?.convolution_param, "group");
  }
  const transform = layer.transform_param;
  const isGray = transform?.force_gray === true || layer.image_data_param?.is_color === false;
  return isGray ? 1 : 3;
}
