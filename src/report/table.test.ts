import fc from "fast-check";
import { expect, test } from "vitest";
import { textTable, textWidth } from "./table.ts";

test("aligns, and styles after alignment", () => {
  const columns = [{ title: "layer" }, { title: "n", align: "right" }] as const;
  const rows = [
    ["conv1", "7"],
    ["层一", { text: "1234", role: "bad" }],
  ] as const;
  expect(textTable(columns, rows)).toBe("layer     n\nconv1     7\n层一   1234\n");
  const styled = textTable(columns, rows, (role, text) => (role === "bad" ? `<${text}>` : text));
  expect(styled).toBe("layer     n\nconv1     7\n层一   <1234>\n");
});

test("every line is as wide as the head where the last column is right-aligned", () => {
  const cell = fc.string({ unit: "grapheme-ascii", maxLength: 9 });
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), (rows) => {
      const filled = rows.map(([a, b]) => [a, `${b}|`]);
      const text = textTable([{ title: "a" }, { title: "b|", align: "right" }], filled);
      const widths = text.trimEnd().split("\n").map(textWidth);
      expect(new Set(widths).size).toBe(1);
    }),
  );
});
