/** The binary protobuf format: `decode` and `encode`, driven by a schema. */
export { decode } from "./decode.ts";
export { encode, encodeChunks } from "./encode.ts";
