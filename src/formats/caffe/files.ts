/**
 * Caffe's two files as messages: prototxt text and caffemodel bytes, read and written. Nothing is
 * upgraded or interpreted here; what is read is written back the same, the GTI kit's fields under the kit's numbers.
 */
import { inputError } from "../../error.ts";
import type { OnWarning } from "../../notice.ts";
import type { Message, MessageInit } from "../../protobuf/schema.ts";
import { decodeText, parseText, printText } from "../../protobuf/text.ts";
import { joinBytes } from "../../tensor/chunks.ts";
import { decodeNet, encodeNet } from "./kit-numbers.ts";
import {
  type CaffeSchema,
  caffeSchema,
  type NetParameter,
  strictMessages,
} from "./schema/schema.ts";

/** A file's content and the name that errors and warnings show. */
export type NamedBytes = { readonly name: string; readonly bytes: Uint8Array };

/** Messages that Caffe's tools keep in text files. */
type TextMessage = "NetParameter" | "SolverParameter" | "LabelMap";

/**
 * A prototxt as message `name`. Unknown names warn, or are errors inside convolution and
 * quantization parameters. Throws an input error with line and column.
 */
export function readPrototxt<N extends TextMessage>(
  name: N,
  file: NamedBytes,
  onWarning: OnWarning,
): Message<CaffeSchema, N> {
  return parseText(caffeSchema, name, decodeText(file.bytes), {
    file: file.name,
    onWarning,
    strict: strictMessages,
  });
}

/** A message as prototxt. */
export function writePrototxt<N extends TextMessage>(
  name: N,
  message: MessageInit<CaffeSchema, N>,
): string {
  return printText(caffeSchema, name, message);
}

/** Messages and strings of a caffemodel: a layer has about ten. */
const limits = { objects: 400_000 };

/** A caffemodel. Weights are views of the bytes. Throws an input error with the byte offset. */
export function readCaffemodel(file: NamedBytes): NetParameter {
  if (file.bytes.length === 0) throw inputError("the file is empty", { where: file.name });
  return decodeNet(file.bytes, { file: file.name, limits });
}

/** A message as caffemodel. */
export function writeCaffemodel(net: MessageInit<CaffeSchema, "NetParameter">): Uint8Array {
  return joinBytes(encodeNet(net));
}
