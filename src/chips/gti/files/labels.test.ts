import { describe, expect, it } from "vitest";
import type { Warning } from "../../../notice.ts";
import { defaultLabels, labelsText, parseLabels } from "./labels.ts";

const file = (text: string) => ({ name: "labels.txt", bytes: new TextEncoder().encode(text) });

describe("labels", () => {
  it("are an id and the rest of the line", () => {
    const text = "n01440764 tench, Tinca tinca\nn01443537\tgoldfish\n";
    expect(parseLabels(file(text), 2)).toEqual([
      { id: "n01440764", name: "tench, Tinca tinca" },
      { id: "n01443537", name: "goldfish" },
    ]);
  });

  it("may have a byte-order mark, CRLF, spaces around, and no last line end", () => {
    expect(parseLabels(file("\ufeff0  cat \r\n1 Käfer und mehr"), 2)).toEqual(
      defaultLabels(["cat", "Käfer und mehr"]),
    );
  });

  it("come back as they were written", () => {
    const labels = defaultLabels(["a", "b c", "ö,"]);
    expect(labelsText(labels)).toBe("0 a\n1 b c\n2 ö,\n");
    expect(parseLabels(file(labelsText(labels)), 3)).toEqual(labels);
    expect(() => labelsText([{ id: "a b", name: "c" }])).toThrow("label");
    expect(() => labelsText([{ id: "a", name: "b\nc" }])).toThrow("label");
    expect(() => labelsText([{ id: "a", name: "" }])).toThrow("label");
  });

  it("warn where numbers are out of order, and keep the lines' order", () => {
    const warnings: Warning[] = [];
    const labels = parseLabels(file("1 b\n0 a\n"), 2, (warning) => warnings.push(warning));
    expect(labels.map(({ name }) => name)).toEqual(["b", "a"]);
    expect(warnings.map(({ id, where }) => [id, where])).toEqual([["label-order", "labels.txt:1"]]);
    parseLabels(file("0 a\n1 b\n"), 2, (warning) => warnings.push(warning));
    expect(warnings).toHaveLength(1);
  });

  it("refuse wrong counts, duplicates and lines without a name", () => {
    expect(() => parseLabels(file("0 a\n1 b\n"), 3)).toThrow("expected 3 lines, got 2");
    expect(() => parseLabels(file(""), 2)).toThrow("an empty file");
    expect(() => parseLabels(file("7 a\n7 b\n"), 2)).toThrow(
      'labels.txt:2: a label\'s id is used twice: got "7", as in line 1',
    );
    for (const line of ["7", "7 ", "", " ", "7 a\u0000", `7 ${"a".repeat(5000)}`])
      expect(() => parseLabels(file(`0 a\n${line}\n`), 2)).toThrow("labels.txt:2: not a label");
    expect(() => parseLabels({ name: "l", bytes: Uint8Array.of(0x30, 0x20, 0xff) }, 1)).toThrow(
      "UTF-8",
    );
    expect(() => parseLabels({ name: "l", bytes: new Uint8Array(2 ** 24 + 1) }, 1)).toThrow("long");
  });
});
