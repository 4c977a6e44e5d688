import { describe, expect, it } from "vitest";
import { layeredTargetNamed, qdqTargetNamed, targetNamed, targets } from "./registry.ts";

describe("targets", () => {
  it("have one name each, and are found by it", () => {
    expect(new Set(targets.map(({ name }) => name)).size).toBe(targets.length);
    for (const target of targets) {
      expect(targetNamed(target.name)).toBe(target);
      const own = target.form === "qdq" ? qdqTargetNamed : layeredTargetNamed;
      const other = target.form === "qdq" ? layeredTargetNamed : qdqTargetNamed;
      expect(own(target.name)).toBe(target);
      expect(() => other(target.name)).toThrow(`got "${target.name}"`);
    }
  });

  it("of the other form name the command that takes them", () => {
    expect(() => qdqTargetNamed("gti2803")).toThrow(
      /quantized ONNX operators: expected int8, got "gti2803"\. inlay check/,
    );
    expect(() => layeredTargetNamed("int8")).toThrow(
      /major layers: expected gti2801, gti2803, gti5801, got "int8"\. .*inlay quantize/,
    );
    for (const find of [targetNamed, qdqTargetNamed, layeredTargetNamed]) {
      expect(() => find("gti2802")).toThrow(
        /no such target: expected int8, gti2801, gti2803, gti5801, got "gti2802"/,
      );
    }
  });
});
