import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { datumFile, datumPicture } from "./datum.ts";
import { encodedDatum, isCaffePicture, rawDatum } from "./datum-write.ts";
import { decodePicture } from "./decode.node.ts";
import { image } from "./image.ts";
import { encodePng } from "./png.node.ts";

const never = (): Promise<never> => Promise.reject(new Error("not encoded"));
const pictures = fc
  .record({
    width: fc.integer({ min: 1, max: 9 }),
    height: fc.integer({ min: 1, max: 9 }),
    channels: fc.constantFrom<1 | 3>(1, 3),
    seed: fc.nat(),
  })
  .map(({ width, height, channels, seed }) => {
    const bytes = Array.from(
      { length: width * height * channels },
      (_, at) => (seed + at * at) % 256,
    );
    return image(width, height, channels, Uint8Array.from(bytes));
  });

describe("datums", () => {
  it("hold the pixels and the label that they were made of", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, fc.nat(), async (picture, label) => {
        const bytes = rawDatum(picture, label);
        expect(await datumPicture(bytes, "r", never)).toEqual(picture);
        expect(datumFile(bytes, "r")).toBeUndefined();
      }),
    );
  });

  it("are convert_imageset's bytes: planes blue, green, red, and every field", () => {
    const picture = image(2, 1, 3, Uint8Array.of(1, 2, 3, 4, 5, 6));
    const fields = [8, 3, 16, 1, 24, 2, 34, 6, 3, 6, 2, 5, 1, 4, 40, 7, 56, 0];
    expect(Array.from(rawDatum(picture, 7))).toEqual(fields);
  });

  it("hold a file as it is", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, async (picture) => {
        const file = encodePng(picture);
        const bytes = encodedDatum(file, 3);
        expect(datumFile(bytes, "r")).toEqual(file);
        expect(await datumPicture(bytes, "r", decodePicture)).toEqual(picture);
      }),
      { numRuns: 30 },
    );
  });

  it("know which files Caffe decodes to the same picture", () => {
    const color = encodePng(image(1, 1, 3, Uint8Array.of(1, 2, 3)));
    expect(isCaffePicture(color, 3, "c.png")).toBe(true);
    expect(isCaffePicture(color, 1, "c.png")).toBe(false);
    const deep = color.slice();
    deep[24] = 16;
    expect(isCaffePicture(deep, 3, "d.png")).toBe(false);
    const alpha = color.slice();
    alpha[25] = 6;
    expect(isCaffePicture(alpha, 3, "a.png")).toBe(false);
    expect(() => isCaffePicture(Uint8Array.of(1, 2), 3, "x")).toThrow("not a picture");
  });
});
