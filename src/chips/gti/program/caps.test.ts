import { describe, expect, it } from "vitest";
import { tieCaps, untiedGroups } from "./caps.ts";

describe("caps", () => {
  const caps = new Map([
    ["a", 3],
    ["b", 5],
    ["c", 4],
  ]);

  it("that shortcuts tie take the largest of their group", () => {
    expect([...tieCaps(caps, [["a", "b", "input"]])]).toEqual([
      ["a", 5],
      ["b", 5],
      ["c", 4],
    ]);
  });

  it("that are not equal in a group are told", () => {
    expect(untiedGroups(caps, [["a", "b"], ["c"]])).toEqual([{ group: ["a", "b"], caps: [3, 5] }]);
    expect(untiedGroups(tieCaps(caps, [["a", "b"]]), [["a", "b"]])).toEqual([]);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("of %s are refused by name", (cap) => {
    expect(() => tieCaps(new Map([["relu1", cap]]), [])).toThrow(/activation "relu1".*positive/);
  });
});
