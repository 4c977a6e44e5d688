import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPixels, image, maxPixels, toColor, toGray } from "./image.ts";

describe("image", () => {
  it("weighs red, green and blue as OpenCV", () => {
    const colors = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 10, 20, 30];
    const source = image(5, 1, 3, Uint8Array.from(colors));
    expect(Array.from(toGray(source).data)).toEqual([76, 150, 29, 255, 18]);
  });

  it("keeps gray values through colour and back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (data) => {
        const gray = image(data.length, 1, 1, data);
        expect(toGray(toColor(gray))).toEqual(gray);
      }),
    );
  });

  it("returns what already has the wanted channels", () => {
    const gray = image(1, 1, 1, Uint8Array.of(7));
    const color = image(1, 1, 3, Uint8Array.of(1, 2, 3));
    expect(toGray(gray)).toBe(gray);
    expect(toColor(color)).toBe(color);
  });

  it("refuses sizes that are no size, bombs, and data that do not fit", () => {
    expect(() => checkPixels(0, 5, "a.png")).toThrow("a.png: the picture has no pixels");
    expect(() => checkPixels(-1, -1, "a.png")).toThrow("no pixels");
    expect(() => checkPixels(maxPixels, 2, "a.png")).toThrow("too large");
    expect(() => image(2, 2, 3, new Uint8Array(11))).toThrow("expected 2x2x3 bytes, got 11");
  });
});
