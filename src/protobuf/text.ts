/** The protobuf text format: `parseText` and `printText`, driven by a schema. */
export { decodeText } from "./decode-text.ts";
export { parseText } from "./parse-text.ts";
export { printText } from "./print-text.ts";
