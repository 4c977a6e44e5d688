/**
 * Field numbers of the GTI kit's Caffe that one schema cannot hold, because they mean different things in
 * different files. Only binary files have them; in text the names tell.
 *
 * - 301 is the parameter of QuantReLU in the kit's schema, of QuantConvolution in the one that its manual
 *   prints (where QuantReLU has 302): the layer's type tells.
 * - 8, 9, 10 of the transformation are numbers in the kit and messages in SSD's Caffe: the wire type tells.
 */
import { decode, encode, encodeChunks } from "../../protobuf/binary.ts";
import type { Message, MessageInit } from "../../protobuf/schema.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import { caffeNetMessages } from "./schema/net-messages.ts";
import {
  type CaffeSchema,
  caffeSchema,
  type LayerInit,
  type LayerParameter,
  type NetParameter,
} from "./schema/schema.ts";

const { quant_relu_param: _, ...layerFields } = caffeNetMessages.LayerParameter;

/** The schema of a caffemodel, with the fields in question as bytes. */
const binarySchema = {
  enums: caffeSchema.enums,
  messages: {
    ...caffeSchema.messages,
    LayerParameter: {
      ...layerFields,
      field_301: { number: 301, type: "bytes", repeated: true },
      field_302: { number: 302, type: "bytes", repeated: true },
    },
    KitTransformation: {
      quant_enable: { number: 8, type: "bool" },
      bw_in: { number: 9, type: "uint32" },
      bw_out: { number: 10, type: "uint32" },
    },
  },
} as const;

type BinarySchema = typeof binarySchema;
type BinaryLayer = Message<BinarySchema, "LayerParameter">;

type DecodeOptions = Parameters<typeof decode>[3];

/** A caffemodel as the network that it means. Throws an input error with the byte offset. */
export function decodeNet(bytes: Uint8Array, options: DecodeOptions): NetParameter {
  const { layer, ...net } = decode(binarySchema, "NetParameter", bytes, options);
  return { ...net, layer: layer.map((one) => understood(one, options.file)) };
}

/** A network as caffemodel, with the kit's numbers. */
export function encodeNet(net: MessageInit<CaffeSchema, "NetParameter">): Chunks {
  const layer = net.layer?.map(withKitNumbers);
  return encodeChunks(caffeSchema, "NetParameter", { ...net, layer });
}

/** The layer with the fields in question where its type wants them; in any other layer they stay unknown. */
function understood(layer: BinaryLayer, file: string): LayerParameter {
  const { field_301, field_302, transform_param, ...rest } = layer;
  const label = `${file}: layer "${layer.name ?? ""}"`;
  return {
    ...rest,
    ...(field_301.length + field_302.length > 0 ? quantParameter(layer, label) : {}),
    ...(transform_param && { transform_param: kitTransformation(transform_param, label) }),
  };
}

type Quantization = Pick<
  LayerParameter,
  "quant_convolution_param" | "quant_relu_param" | "$unknown"
>;

/** A layer that has the parameter of both numberings has the other layer's too: it stays unknown. */
function quantParameter(layer: BinaryLayer, label: string): Quantization {
  const { type, field_301, field_302, quant_convolution_param: kits } = layer;
  const file = { file: label };
  if (type === "QuantReLU") {
    const [own, other] = field_302.length > 0 ? [field_302, { field_301 }] : [field_301, {}];
    const quant_relu_param = decode(caffeSchema, "QuantReLUParameter", joined(own), file);
    return { ...unknownFields(layer, other), quant_relu_param };
  }
  if (type === "QuantConvolution" && kits === undefined && field_301.length > 0) {
    const own = joined(field_301);
    const quant_convolution_param = decode(caffeSchema, "QuantConvolutionParameter", own, file);
    return { ...unknownFields(layer, { field_302 }), quant_convolution_param };
  }
  return unknownFields(layer, { field_301, field_302 });
}

/** Parts of one message; their concatenation merges them. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(0)] = parts;
  if (parts.length < 2) return first;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What is unknown in the layer, with these fields that no one claimed. */
function unknownFields(
  layer: BinaryLayer,
  fields: Partial<Pick<BinaryLayer, "field_301" | "field_302">>,
): Pick<LayerParameter, "$unknown"> {
  const more = encode(binarySchema, "LayerParameter", fields);
  const $unknown = [...(layer.$unknown ?? []), ...(more.length > 0 ? [more] : [])];
  return $unknown.length > 0 ? { $unknown } : {};
}

type Transformation = NonNullable<LayerParameter["transform_param"]>;

/** The transformation with the kit's numbers taken from what is unknown in it. */
function kitTransformation(transform: Transformation, file: string): Transformation {
  const { $unknown, ...known } = transform;
  if ($unknown === undefined) return transform;
  const own = decode(binarySchema, "KitTransformation", joined($unknown), { file });
  return { ...known, ...own };
}

function withKitNumbers(layer: LayerInit): LayerInit {
  const transform = layer.transform_param;
  if (transform === undefined) return layer;
  const { quant_enable, bw_in, bw_out, $unknown = [], ...plain } = transform;
  const own = encode(binarySchema, "KitTransformation", { quant_enable, bw_in, bw_out });
  if (own.length === 0) return layer;
  return { ...layer, transform_param: { ...plain, $unknown: [...$unknown, own] } };
}
