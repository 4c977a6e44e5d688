import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InlayError } from "../error.ts";
import { bytesOf, joinBytes } from "../tensor/chunks.ts";
import { decode, encode, encodeChunks } from "./binary.ts";
import { caffeBlobSchema } from "./caffe-blob.ts";
import { type MessageInit, valueOr } from "./schema.ts";

const enums = { Color: { RED: 0, GREEN: 1, LIME: 1, FAR: -3 } } as const;
const messages = {
  Leaf: {
    i32: { number: 1, type: "int32" },
    i64: { number: 2, type: "int64" },
    u32: { number: 3, type: "uint32", default: 7 },
    u64: { number: 4, type: "uint64" },
    flag: { number: 5, type: "bool" },
    name: { number: 6, type: "string" },
    raw: { number: 7, type: "bytes" },
    color: { number: 8, type: "enum", enum: "Color" },
    f: { number: 9, type: "float" },
    d: { number: 1000, type: "double" },
  },
  Tree: {
    leaves: { number: 1, type: "message", message: "Leaf", repeated: true },
    child: { number: 2, type: "message", message: "Tree" },
    packed: { number: 3, type: "int32", repeated: true, packed: true },
    plain: { number: 4, type: "uint32", repeated: true },
    floats: { number: 5, type: "float", repeated: true, packed: true, bulk: true },
    longs: { number: 6, type: "int64", repeated: true, packed: true, bulk: true },
    ulongs: { number: 7, type: "uint64", repeated: true, bulk: true },
    doubles: { number: 8, type: "double", repeated: true, bulk: true },
    names: { number: 9, type: "string", repeated: true },
    colors: { number: 10, type: "enum", enum: "Color", repeated: true },
  },
} as const;
const schema = { enums, messages };
const none = { enums: {}, messages: { Leaf: {}, Tree: {} } } as const;
const options = { file: "x.bin" };

const leaf = fc.record(
  {
    i32: fc.integer(),
    i64: fc.maxSafeInteger(),
    u32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    u64: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    flag: fc.boolean(),
    name: fc.string({ unit: "grapheme" }),
    raw: fc.uint8Array(),
    color: fc.constantFrom("RED", "GREEN", "FAR", 17, -5),
    f: fc.float(),
    d: fc.double(),
  },
  { requiredKeys: [] },
);
const { tree } = fc.letrec<{ tree: MessageInit<typeof schema, "Tree"> }>((tie) => ({
  tree: fc.record({
    leaves: fc.array(leaf, { maxLength: 3 }),
    child: fc.option(tie("tree"), { nil: undefined, maxDepth: 4 }),
    packed: fc.array(fc.integer()),
    plain: fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    floats: fc.float32Array(),
    longs: fc.bigInt64Array(),
    ulongs: fc.bigUint64Array(),
    doubles: fc.float64Array(),
    names: fc.array(fc.string({ unit: "grapheme" })),
    colors: fc.array(fc.constantFrom("RED", "GREEN", "FAR", 5)),
  }) as fc.Arbitrary<MessageInit<typeof schema, "Tree">>,
}));

function failure(bytes: Uint8Array, name: "Tree" | "Leaf" = "Tree"): string {
  try {
    decode(schema, name, bytes, options);
  } catch (error) {
    if (error instanceof InlayError) return error.message;
    throw error;
  }
  return "no error";
}

/** Processor time of this process in ms: unlike the clock, it does not count other processes. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

describe("binary protobuf", () => {
  test("decode(encode(m)) is m, and unknown fields survive byte for byte", () => {
    fc.assert(
      fc.property(tree, (message) => {
        const bytes = encode(schema, "Tree", message);
        const back = decode(schema, "Tree", bytes, options);
        expect(back.leaves).toEqual(message.leaves);
        expect(back.packed).toEqual(message.packed);
        expect(back.plain).toEqual(message.plain);
        expect(back.floats).toEqual(message.floats);
        expect(back.longs).toEqual(message.longs);
        expect(back.ulongs).toEqual(message.ulongs);
        expect(back.doubles).toEqual(message.doubles);
        expect(back.names).toEqual(message.names);
        expect(back.colors).toEqual(message.colors);
        expect(encode(schema, "Tree", back)).toEqual(bytes);
        expect(encode(none, "Tree", decode(none, "Tree", bytes, options))).toEqual(bytes);
      }),
    );
  });

  test("any bytes give a message or an InlayError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        failure(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("packed, unpacked and several packed chunks read alike", () => {
    const chunk = (values: number[]): number[] => [
      0x2a,
      4 * values.length,
      ...new Uint8Array(Float32Array.from(values).buffer),
    ];
    const single = (value: number): number[] => [
      0x2d,
      ...new Uint8Array(Float32Array.of(value).buffer),
    ];
    const bytes = Uint8Array.from([
      ...single(1),
      ...chunk([2, 3]),
      ...chunk([]),
      ...single(4),
      ...chunk([5]),
    ]);
    expect(decode(schema, "Tree", bytes, options).floats).toEqual(Float32Array.of(1, 2, 3, 4, 5));
    const ints = Uint8Array.of(0x18, 5, 0x1a, 2, 6, 7, 0x20, 1, 0x22, 2, 2, 3);
    const message = decode(schema, "Tree", ints, options);
    expect(message.packed).toEqual([5, 6, 7]);
    expect(message.plain).toEqual([1, 2, 3]);
  });

  test("a field that comes twice: scalars take the last, messages merge", () => {
    const bytes = Uint8Array.of(0x12, 2, 0x18, 1, 0x12, 2, 0x18, 2);
    expect(decode(schema, "Tree", bytes, options).child?.packed).toEqual([1, 2]);
    expect(decode(schema, "Leaf", Uint8Array.of(8, 1, 8, 2), options).i32).toBe(2);
  });

  test("defaults are read, not stored", () => {
    const empty = decode(schema, "Leaf", new Uint8Array(), options);
    expect(empty.u32).toBeUndefined();
    expect(valueOr(schema, "Leaf", empty, "u32")).toBe(7);
    expect(valueOr(schema, "Leaf", { u32: 0 }, "u32")).toBe(0);
    expect(valueOr(schema, "Leaf", undefined, "u32")).toBe(7);
  });

  test("groups are skipped and kept", () => {
    const bytes = Uint8Array.of(0xa3, 0x1, 0x8, 0x1, 0xa4, 0x1, 0x8, 0x2);
    const message = decode(schema, "Leaf", bytes, options);
    expect(message.i32).toBe(2);
    expect(message.$unknown).toEqual([bytes.subarray(0, 6)]);
  });

  test("damage is named with byte offset and path", () => {
    expect(failure(Uint8Array.of(0x0a, 5, 1))).toContain(
      "x.bin: byte 1: leaves: a field reaches beyond its end",
    );
    expect(failure(Uint8Array.of(0x0a, 2, 0x10, 0x80))).toContain("byte 3: leaves.i64");
    expect(failure(Uint8Array.of(0x07))).toContain("field number 0");
    expect(failure(Uint8Array.of(0x6e))).toContain("wire type 6");
    expect(failure(Uint8Array.of(0x2a, 3, 1, 2, 3))).toContain("inside a number");
  });

  test("nested a million deep: one error, at once", () => {
    const depth = 1_000_000;
    const lengths: number[][] = [];
    let inner = 0;
    for (let level = 0; level < depth; level += 1) {
      const head = [0x12, ...varint(inner)];
      lengths.push(head);
      inner += head.length;
    }
    const bytes = Uint8Array.from(lengths.reverse().flat());
    const start = cpuMs();
    expect(failure(bytes)).toContain("nested too deep");
    expect(cpuMs() - start).toBeLessThan(2000);
    expect(failure(new Uint8Array(1_000_000).fill(0x13))).toContain("nested too deep");
  });

  test("25 million empty messages: one error, soon", () => {
    const bytes = new Uint8Array(50_000_000);
    for (let pos = 0; pos < bytes.length; pos += 2) bytes[pos] = 0x0a;
    const start = cpuMs();
    expect(failure(bytes)).toContain("too many messages");
    expect(cpuMs() - start).toBeLessThan(5000);
  });

  test("large content stays where it is, small is written together, and the bytes are the same", () => {
    const raw = new Uint8Array(2 ** 16).fill(7);
    // Field 100 of 2^16 bytes.
    const unknown = joinBytes([Uint8Array.of(0xa2, 0x6, 0x80, 0x80, 0x4), raw]);
    const large = { raw, floats: new Float32Array(2 ** 14).fill(3), unknown };
    const small = {
      raw: raw.subarray(1),
      floats: large.floats.subarray(1),
      unknown: Uint8Array.of(0xa2, 0x6, 0),
    };
    const messageOf = ({ floats, raw, unknown }: typeof large) => ({
      leaves: [{ i32: 5, raw, d: 1 }, { name: "x" }],
      child: { floats, names: ["y"], $unknown: [unknown] },
    });
    const chunks = encodeChunks(schema, "Tree", messageOf(large));
    const views = [raw, bytesOf(large.floats), unknown];
    expect(chunks.filter((_, at) => at % 2 === 1)).toEqual(views);
    for (const [at, { buffer }] of views.entries()) expect(chunks[2 * at + 1]?.buffer).toBe(buffer);
    const again = decode(schema, "Tree", joinBytes(chunks), options);
    expect(again.leaves).toMatchObject(messageOf(large).leaves);
    expect(again.child).toMatchObject({ floats: large.floats, names: ["y"] });
    expect(encodeChunks(schema, "Tree", messageOf(small))).toHaveLength(1);
    expect(encode(schema, "Tree", messageOf(large))).toEqual(joinBytes(chunks));
  });

  test("a blob of an aligned file is a view of it", () => {
    const bytes = encode(caffeBlobSchema, "BlobProto", { data: Float32Array.of(1, 2) });
    const shifted = new Uint8Array(bytes.length + 2);
    shifted.set(bytes, 2);
    const data = decode(caffeBlobSchema, "BlobProto", shifted.subarray(2), options).data;
    expect(data).toEqual(Float32Array.of(1, 2));
    expect(data.buffer).toBe(shifted.buffer);
  });
});

test("runs of single values, with short and long tags, cut by other fields", () => {
  const wide = {
    enums: {},
    messages: {
      M: {
        few: { number: 1, type: "double", repeated: true, bulk: true },
        many: { number: 3000, type: "float", repeated: true, bulk: true },
        other: { number: 2, type: "int32" },
      },
    },
  } as const;
  fc.assert(
    fc.property(fc.float64Array(), fc.float32Array(), (few, many) => {
      const one = encode(wide, "M", { few, many, other: 3 });
      const message = decode(wide, "M", Uint8Array.from([...one, ...one]), options);
      expect(message.few).toEqual(Float64Array.from([...few, ...few]));
      expect(message.many).toEqual(Float32Array.from([...many, ...many]));
      expect(message.other).toBe(3);
    }),
  );
});

test("an unaligned Buffer gives plain arrays", () => {
  const bytes = encode(caffeBlobSchema, "BlobProto", { data: Float32Array.of(1, 2) });
  for (let shift = 0; shift < 4; shift += 1) {
    const file = Buffer.alloc(bytes.length + shift);
    file.set(bytes, shift);
    const data = decode(caffeBlobSchema, "BlobProto", file.subarray(shift), options).data;
    expect(data).toEqual(Float32Array.of(1, 2));
  }
});

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}
