/**
 * Caffe's BlobProto (weights, mean images) and Datum (a record of its databases): field numbers and
 * types. Apart from the network's schema, so that readers of data need not know network formats.
 */

export const caffeBlobMessages = {
  BlobShape: { dim: { number: 1, type: "int64", repeated: true, packed: true } },
  BlobProto: {
    shape: { number: 7, type: "message", message: "BlobShape" },
    data: { number: 5, type: "float", repeated: true, packed: true, bulk: true },
    diff: { number: 6, type: "float", repeated: true, packed: true, bulk: true },
    double_data: { number: 8, type: "double", repeated: true, packed: true, bulk: true },
    double_diff: { number: 9, type: "double", repeated: true, packed: true, bulk: true },
    // The shape before 2014's end: always four dimensions.
    num: { number: 1, type: "int32", default: 0 },
    channels: { number: 2, type: "int32", default: 0 },
    height: { number: 3, type: "int32", default: 0 },
    width: { number: 4, type: "int32", default: 0 },
  },
  BlobProtoVector: { blobs: { number: 1, type: "message", message: "BlobProto", repeated: true } },
  Datum: {
    channels: { number: 1, type: "int32" },
    height: { number: 2, type: "int32" },
    width: { number: 3, type: "int32" },
    /** Pixels, channel by channel, or an image file where `encoded`. */
    data: { number: 4, type: "bytes" },
    label: { number: 5, type: "int32" },
    float_data: { number: 6, type: "float", repeated: true, bulk: true },
    encoded: { number: 7, type: "bool", default: false },
  },
} as const;

export const caffeBlobSchema: {
  readonly enums: Readonly<Record<never, never>>;
  readonly messages: typeof caffeBlobMessages;
} = { enums: {}, messages: caffeBlobMessages };
