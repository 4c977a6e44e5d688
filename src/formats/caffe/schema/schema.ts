/**
 * The whole Caffe schema, put together from its parts, and the names of its message types.
 */
import { caffeBlobMessages } from "../../../protobuf/caffe-blob.ts";
import {
  type DefaultKeys,
  type Message,
  type MessageInit,
  type MessageName,
  type One,
  valueOr,
} from "../../../protobuf/schema.ts";
import { caffeDataMessages } from "./data-messages.ts";
import { caffeEnums } from "./enums.ts";
import { caffeLayerMessages } from "./layer-messages.ts";
import { caffeLegacyMessages } from "./legacy-messages.ts";
import { caffeNetMessages } from "./net-messages.ts";
import { caffeSolverMessages } from "./solver-messages.ts";
import { caffeSsdMessages } from "./ssd-messages.ts";

type Messages = typeof caffeBlobMessages &
  typeof caffeDataMessages &
  typeof caffeLayerMessages &
  typeof caffeLegacyMessages &
  typeof caffeNetMessages &
  typeof caffeSolverMessages &
  typeof caffeSsdMessages;

export type CaffeSchema = { readonly enums: typeof caffeEnums; readonly messages: Messages };

export const caffeSchema: CaffeSchema = {
  enums: caffeEnums,
  messages: {
    ...caffeBlobMessages,
    ...caffeDataMessages,
    ...caffeLayerMessages,
    ...caffeLegacyMessages,
    ...caffeNetMessages,
    ...caffeSolverMessages,
    ...caffeSsdMessages,
  },
};

export type NetParameter = Message<CaffeSchema, "NetParameter">;
export type LayerParameter = Message<CaffeSchema, "LayerParameter">;
export type LayerInit = MessageInit<CaffeSchema, "LayerParameter">;
export type V1LayerParameter = Message<CaffeSchema, "V1LayerParameter">;
export type V0LayerParameter = Message<CaffeSchema, "V0LayerParameter">;
export type BlobProto = Message<CaffeSchema, "BlobProto">;

/** Messages in which a misspelt key changes what the network computes: an error, not a warning. */
export const strictMessages: readonly (keyof Messages)[] = [
  "ConvolutionParameter",
  "QuantConvolutionParameter",
  "QuantReLUParameter",
];

type MessageOf<N extends MessageName<CaffeSchema>> = CaffeSchema["messages"][N];

/** A parameter's value, or Caffe's default where it (or its whole message) is absent. */
export function setting<
  N extends MessageName<CaffeSchema>,
  K extends DefaultKeys<MessageOf<N>> & string,
>(
  name: N,
  message: { readonly [P in K]?: One<CaffeSchema, MessageOf<N>[P]> | undefined } | undefined,
  key: K,
): One<CaffeSchema, MessageOf<N>[K]> {
  return valueOr(caffeSchema, name, message, key);
}
