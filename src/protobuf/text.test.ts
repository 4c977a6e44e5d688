import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InlayError } from "../error.ts";
import type { Warning } from "../notice.ts";
import { nearestNames } from "./nearest.ts";
import type { Message } from "./schema.ts";
import { decodeText, parseText, printText } from "./text.ts";

const schema = {
  enums: { Pool: { MAX: 0, AVE: 1, AVERAGE: 1 } },
  messages: {
    Layer: {
      name: { number: 1, type: "string" },
      size: { number: 2, type: "int32", repeated: true },
      count: { number: 3, type: "uint32" },
      rate: { number: 4, type: "float" },
      rates: { number: 5, type: "double", repeated: true },
      on: { number: 6, type: "bool" },
      pool: { number: 7, type: "enum", enum: "Pool" },
      inner: { number: 8, type: "message", message: "Layer" },
      many: { number: 9, type: "message", message: "Layer", repeated: true },
      raw: { number: 10, type: "bytes" },
      data: { number: 11, type: "float", repeated: true, bulk: true },
      conv: { number: 12, type: "message", message: "Conv" },
      big: { number: 13, type: "int64" },
    },
    Conv: {
      kernel_size: { number: 1, type: "uint32" },
      kernel_h: { number: 2, type: "uint32" },
      shift_enable: { number: 3, type: "bool" },
    },
  },
} as const;

type Layer = Message<typeof schema, "Layer">;

function parse(text: string, warnings: Warning[] = []): Layer {
  return parseText(schema, "Layer", text, {
    file: "net.prototxt",
    onWarning: (warning) => warnings.push(warning),
    strict: ["Conv"],
  });
}

function failure(text: string): string {
  try {
    parse(text);
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

describe("protobuf text", () => {
  test("everything that people write", () => {
    const layer = parse(`\uFEFF# comment\r
      name: "a" 'b' # adjacent\r
        "\\303\\251\\n\\x41\\"", size: [1, 0x10, 010]; size: -5
      count: 4294967295 rate: -1.5e-3f rates: inf rates: -inf rates: nan rates: 2
      on: t pool: AVERAGE
      inner { name: 'x' inner < on: 0 > } many: { count: 1 } many [ {count: 2}, <count: 3> ]
      raw: "\\001\\377" data: [1, 2.5] data: 3. big: 9007199254740991 conv: {}`);
    expect(layer.name).toBe('abé\nA"');
    expect(layer.size).toEqual([1, 16, 8, -5]);
    expect(layer.count).toBe(4294967295);
    expect(layer.rate).toBe(Math.fround(-1.5e-3));
    expect(layer.rates).toEqual([Infinity, -Infinity, Number.NaN, 2]);
    expect(layer.on).toBe(true);
    expect(layer.pool).toBe("AVE");
    expect(layer.inner?.inner?.on).toBe(false);
    expect(layer.many.map((one) => one.count)).toEqual([1, 2, 3]);
    expect(layer.raw).toEqual(Uint8Array.of(1, 255));
    expect(layer.data).toEqual(Float32Array.of(1, 2.5, 3));
    expect(layer.big).toBe(9007199254740991);
    expect(layer.conv).toEqual({});
  });

  test("enum by number", () => {
    expect(parse("pool: 1").pool).toBe("AVE");
    expect(parse("pool: 9").pool).toBe(9);
  });

  test("an unknown name warns with its place and the nearest name, and is skipped", () => {
    const warnings: Warning[] = [];
    const text = 'nmae: "x"\nfoo { a: [1] b < c: -2 > [x.y] { } }\n  pool: AVRAGE bar: [{a: 1}, 2]';
    expect(parse(text, warnings).name).toBeUndefined();
    expect(warnings.map(({ where, message }) => `${where}: ${message}`)).toEqual([
      "net.prototxt:1:1: Layer has no field `nmae`; ignored. Did you mean name?",
      "net.prototxt:2:1: Layer has no field `foo`; ignored",
      "net.prototxt:3:9: pool has no value `AVRAGE`; ignored. Did you mean AVERAGE?",
      "net.prototxt:3:16: Layer has no field `bar`; ignored",
    ]);
  });

  test("inside a strict message it is an error", () => {
    expect(failure("conv {\n kernel: 3 }")).toBe(
      "net.prototxt:2:2: Conv has no field `kernel`. Did you mean kernel_size or kernel_h?",
    );
    expect(failure("conv { Shift_enable: true }")).toContain("Did you mean shift_enable?");
  });

  test("errors name line, column, and what was expected", () => {
    expect(failure("name: x")).toContain("net.prototxt:1:7: unexpected text");
    expect(failure("name: x")).toContain('Write "x"');
    expect(failure("count: -1")).toContain("out of range");
    expect(failure("count: 1.5")).toContain("an integer for count");
    expect(failure("count 1")).toContain("`:` after count");
    expect(failure("count: 1\ncount: 2")).toContain("net.prototxt:2:1: count stands twice");
    expect(failure("inner {\n")).toContain("A closing brace is missing");
    expect(failure("inner { }\n}")).toContain("one closing brace too many");
    expect(failure('name: "a\n"')).toContain("no closing quote");
    expect(failure("\0\0")).toContain("binary file");
    expect(failure('name: "a\\qb"')).toContain("unknown escape");
    expect(failure("count: [1]")).toContain("Only repeated fields take a list");
  });

  test.each([
    ["nested messages", () => "inner {".repeat(1_000_000), "nested too deep"],
    ["nested unknown messages", () => "x {".repeat(1_000_000), "nested too deep"],
    ["empty messages", () => "many{}".repeat(2_000_000), "too many objects"],
    ["100 MB of blanks", () => " ".repeat(100_000_000), "too large"],
    ["numbers", () => `data: [1${",1".repeat(20_000_000)}]`, "too many numbers"],
    ["an open string", () => `name: "${"\\n".repeat(20_000_000)}`, "no closing quote"],
    ["escapes", () => `name: "${"\\n".repeat(20_000_000)}"`, "no error"],
    ["a long string", () => `name: "${"x".repeat(60_000_000)}"`, "no error"],
    ["comments", () => "# x\n".repeat(2_000_000), "no error"],
    ["unknown names", () => "foo: 1\n".repeat(500_000), "no error"],
  ])("a bomb of %s is dealt with in time", (_name, makeText, expected) => {
    const text = makeText();
    const start = cpuMs();
    expect(failure(text)).toContain(expected);
    expect(cpuMs() - start).toBeLessThan(5000);
  });

  test("print and parse are inverse", () => {
    const message = fc.record({
      name: fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
      size: fc.array(fc.integer()),
      rate: fc.option(fc.float(), { nil: undefined }),
      rates: fc.array(fc.double()),
      on: fc.option(fc.boolean(), { nil: undefined }),
      pool: fc.constantFrom(undefined, "MAX" as const, "AVE" as const, 7),
      raw: fc.option(fc.uint8Array(), { nil: undefined }),
      data: fc.float32Array(),
      inner: fc.constantFrom(undefined, { on: true }),
    });
    fc.assert(
      fc.property(message, (layer) => {
        const text = printText(schema, "Layer", layer);
        const back = parse(text);
        for (const [key, value] of Object.entries(layer)) {
          if (key !== "inner") expect(back[key as keyof Layer]).toEqual(value);
        }
        expect(back.inner?.on).toBe(layer.inner?.on);
        expect(printText(schema, "Layer", back)).toBe(text);
      }),
    );
  });

  test("any text gives a message or an InlayError", () => {
    const piece = fc.constantFrom(
      "name",
      ":",
      "{",
      "}",
      "<",
      ">",
      "[",
      "]",
      '"',
      "1",
      "-",
      "inner",
      "#",
      "\n",
      "pool",
      "\\",
      "many",
      ",",
      "x",
      "0x",
      ".",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        failure(pieces.join(" "));
        failure(pieces.join(""));
      }),
      { numRuns: 1000 },
    );
  });
});

test("GBK, UTF-16 and byte-order marks", () => {
  expect(decodeText(Uint8Array.of(0xce, 0xd2))).toBe("我");
  expect(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("a");
  expect(decodeText(Uint8Array.of(0xff, 0xfe, 0x61, 0))).toBe("a");
});

test("nearest names", () => {
  expect(nearestNames("Shift_enable", ["shift_enable", "shift"])).toEqual(["shift_enable"]);
  expect(nearestNames("zzz", ["name"])).toEqual([]);
});
