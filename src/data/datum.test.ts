import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { caffeBlobSchema } from "../protobuf/caffe-blob.ts";
import { encode } from "../protobuf/encode.ts";
import { sourceOf } from "./byte-source.ts";
import { datumLabel, datumPicture } from "./datum.ts";
import { type Image, image } from "./image.ts";

const decoded = image(1, 1, 3, Uint8Array.of(1, 2, 3));
const fakeDecode = async (): Promise<Image> => decoded;

function datum(fields: Parameters<typeof encode<typeof caffeBlobSchema, "Datum">>[2]): Uint8Array {
  return encode(caffeBlobSchema, "Datum", fields);
}

const label = (bytes: Uint8Array): Promise<number | undefined> =>
  datumLabel(sourceOf(bytes, "db"), { offset: 0, length: bytes.length }, "db: 0");
const picture = (bytes: Uint8Array): Promise<Image> => datumPicture(bytes, "db: 0", fakeDecode);

describe("datum", () => {
  it("turns blue, green, red planes into red, green, blue pixels", async () => {
    const bytes = datum({
      channels: 3,
      height: 1,
      width: 2,
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
      label: 7,
    });
    expect(await picture(bytes)).toEqual(image(2, 1, 3, Uint8Array.of(5, 3, 1, 6, 4, 2)));
    expect(await label(bytes)).toBe(7);
  });

  it("reads gray, float and encoded records", async () => {
    const gray = datum({ channels: 1, height: 2, width: 1, data: Uint8Array.of(8, 9) });
    expect(await picture(gray)).toEqual(image(1, 2, 1, Uint8Array.of(8, 9)));
    expect(await label(gray)).toBeUndefined();
    const floats = datum({
      channels: 1,
      height: 1,
      width: 2,
      float_data: Float32Array.of(0, 255),
      label: 3,
    });
    expect(await picture(floats)).toEqual(image(2, 1, 1, Uint8Array.of(0, 255)));
    expect(await label(floats)).toBe(3);
    expect(await picture(datum({ encoded: true, data: Uint8Array.of(1) }))).toBe(decoded);
  });

  it("refuses records that are no pictures", async () => {
    const size = { channels: 1, height: 1, width: 2 };
    await expect(picture(datum({ ...size, data: Uint8Array.of(1) }))).rejects.toThrow(
      "db: 0: the record's data do not fit its size: expected 1x1x2 = 2 values, got 1",
    );
    await expect(picture(datum({ ...size, channels: 2, data: Uint8Array.of(1) }))).rejects.toThrow(
      "got 2",
    );
    await expect(picture(datum({ ...size, float_data: Float32Array.of(0.5, 1) }))).rejects.toThrow(
      "got 0.5",
    );
    await expect(picture(datum({ ...size, float_data: Float32Array.of(1, 256) }))).rejects.toThrow(
      "got 256",
    );
    await expect(picture(datum({ channels: 3, height: 1e6, width: 1e6 }))).rejects.toThrow(
      "too large",
    );
    await expect(picture(new Uint8Array(0))).rejects.toThrow("no pixels");
    await expect(label(datum({ label: -1 }))).rejects.toThrow("a label of 0 or more, got -1");
  });

  it("finds the label behind any data", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 5000 }),
        fc.nat({ max: 2 ** 31 - 1 }),
        async (length, wanted) => {
          const bytes = datum({
            channels: 3,
            data: new Uint8Array(length).fill(0x28),
            label: wanted,
            encoded: true,
          });
          expect(await label(bytes)).toBe(wanted);
        },
      ),
    );
  });

  it("meets damage with a result or an InlayError", async () => {
    const whole = datum({
      channels: 3,
      height: 1,
      width: 2,
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
      label: 7,
    });
    const flip = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(flip, { maxLength: 4 }),
        fc.nat({ max: whole.length }),
        async (flips, cut) => {
          const bytes = whole.slice();
          for (const [at, value] of flips) bytes[at] = value;
          for (const read of [label, picture]) {
            try {
              await read(bytes.subarray(0, cut));
            } catch (error) {
              expect(error).toBeInstanceOf(InlayError);
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
