import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseClasses, parseList } from "./list.ts";
import { decodeText } from "./text.ts";

const entries = (text: string): (readonly [string, number | undefined])[] =>
  parseList(text, "list.txt").map(({ file, label }) => [file, label] as const);

describe("parseList", () => {
  it("reads names and labels as users write them", () => {
    const text = [
      "\ufeffa.jpg 3",
      "",
      "# a comment",
      "  my cat 2.jpg\t12  ",
      '"quoted name.png" 0',
      "dir\\b.jpg 7",
      "c.jpg,5",
      "d.jpg, 6",
      "alone with spaces.jpg",
    ].join("\r\n");
    expect(entries(decodeText(new TextEncoder().encode(text), "list.txt"))).toEqual([
      ["a.jpg", 3],
      ["my cat 2.jpg", 12],
      ["quoted name.png", 0],
      ["dir\\b.jpg", 7],
      ["c.jpg", 5],
      ["d.jpg", 6],
      ["alone with spaces.jpg", undefined],
    ]);
  });

  it("keeps line numbers, and refuses negative labels and empty lists", () => {
    expect(parseList("\n\na.jpg 1", "l").map(({ line }) => line)).toEqual([3]);
    expect(() => parseList("a.jpg 1\nb.jpg -1", "l")).toThrow("l:2: a label must not be negative");
    expect(() => parseList("\n# nothing\n", "l")).toThrow("names no picture");
    expect(() => parseList(`a.jpg 1\n${"x".repeat(70_000)} 2`, "l")).toThrow(
      "l:2: a line is too long",
    );
  });

  it("reads back any names with any labels", () => {
    const name = fc.stringMatching(/^[^\s#",\\][^\r\n",\\]{0,20}[^\s",\\]\.png$/);
    const entry = fc.tuple(name, fc.nat({ max: 9999 }));
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1 }),
        fc.constantFrom("\n", "\r\n"),
        (list, ending) => {
          const text = list.map(([file, label]) => `${file} ${label}`).join(ending);
          expect(entries(text)).toEqual(list);
        },
      ),
    );
  });
});

describe("decodeText", () => {
  it("takes GBK, UTF-16 and UTF-8, with and without a mark", () => {
    // "图像.jpg 1" in GBK.
    const gbk = Uint8Array.of(0xcd, 0xbc, 0xcf, 0xf1, 0x2e, 0x6a, 0x70, 0x67, 0x20, 0x31);
    expect(decodeText(gbk, "l")).toBe("图像.jpg 1");
    expect(decodeText(new TextEncoder().encode("图像.jpg 1"), "l")).toBe("图像.jpg 1");
    expect(decodeText(Uint8Array.of(0xff, 0xfe, 0x61, 0, 0x2e, 0), "l")).toBe("a.");
    expect(decodeText(Uint8Array.of(0xfe, 0xff, 0, 0x61, 0, 0x2e), "l")).toBe("a.");
  });

  it("refuses bytes that are no text", () => {
    expect(() => decodeText(Uint8Array.of(0, 1, 2, 3), "net.caffemodel")).toThrow(
      "net.caffemodel: not a text file",
    );
    expect(() => decodeText(Uint8Array.of(0x89, 0x50, 0xff, 0xff), "x")).toThrow("not a text file");
  });
});

describe("parseClasses", () => {
  it("keeps the rest of a synset line as the name", () => {
    expect(parseClasses("n01440764 tench, Tinca tinca\r\nn01443537 goldfish\r\n\r\n", "l")).toEqual(
      [
        { id: "n01440764", name: "tench, Tinca tinca" },
        { id: "n01443537", name: "goldfish" },
      ],
    );
    expect(parseClasses("cat\n\nguinea pig\nn01440764", "l")).toEqual([
      { id: undefined, name: "cat" },
      { id: undefined, name: "class 1" },
      { id: undefined, name: "guinea pig" },
      { id: "n01440764", name: "n01440764" },
    ]);
    expect(() => parseClasses(" \n", "l")).toThrow("names no class");
  });
});
