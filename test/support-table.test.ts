/** docs/support.md says what the code does. `vitest run test/support-table.test.ts -u` writes it. */
import { describe, expect, it } from "vitest";
import { caffeExamples, onnxExamples } from "./support-examples.ts";
import { caffeTypes, onnxTypes, supportTable, withoutExample } from "./support-table.ts";

describe("the support table", () => {
  it("has an example of all that the readers know, and of nothing else", () => {
    expect(Object.keys(caffeExamples).toSorted()).toEqual(caffeTypes.toSorted());
    expect(Object.keys(onnxExamples).toSorted()).toEqual(onnxTypes.toSorted());
    const empty = [...Object.entries(caffeExamples), ...Object.entries(onnxExamples)]
      .filter(([, variants]) => Object.keys(variants).length === 0)
      .map(([type]) => type);
    expect(empty.toSorted()).toEqual(Object.keys(withoutExample).toSorted());
  });

  it("in docs/support.md is what the code does", async () => {
    await expect(supportTable()).toMatchFileSnapshot("../docs/support.md");
  });
});
