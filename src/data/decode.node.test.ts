import { deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { decodePicture } from "./decode.node.ts";

/** A PNG from its raw, filter-free rows. */
function png(
  width: number,
  height: number,
  bits: number,
  colorType: number,
  rows: readonly number[][],
): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, colorType, 0, 0, 0], 8);
  const raw = Buffer.concat(rows.map((row) => Buffer.from([0, ...row])));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}

const noise = Buffer.from(
  Uint8Array.from({ length: 16 * 12 * 3 }, (_, index) => (index * 37) % 256),
);
const raw = (): Sharp => sharp(noise, { raw: { width: 16, height: 12, channels: 3 } });

describe("decodePicture", () => {
  let jpeg: Buffer;
  beforeAll(async () => {
    jpeg = await raw().jpeg({ quality: 95 }).toBuffer();
  });

  it("reads lossless colour pictures exactly", async () => {
    for (const bytes of [
      await raw().png().toBuffer(),
      await raw().webp({ lossless: true }).toBuffer(),
    ]) {
      const picture = await decodePicture(bytes, "x");
      expect([picture.width, picture.height, picture.channels]).toEqual([16, 12, 3]);
      expect(Buffer.from(picture.data).equals(noise)).toBe(true);
    }
  });

  it("gives gray pictures one channel: PNG, JPEG, and of 1 bit", async () => {
    expect(await decodePicture(png(3, 1, 8, 0, [[0, 7, 255]]), "x")).toMatchObject({
      channels: 1,
      data: Uint8Array.of(0, 7, 255),
    });
    expect(
      (await decodePicture(await raw().toColourspace("b-w").jpeg().toBuffer(), "x")).channels,
    ).toBe(1);
    expect((await decodePicture(png(3, 1, 1, 0, [[0b101_00000]]), "x")).data).toEqual(
      Uint8Array.of(255, 0, 255),
    );
  });

  it("drops alpha without blending", async () => {
    const colorAlpha = png(2, 1, 8, 6, [[1, 2, 3, 0, 4, 5, 6, 128]]);
    expect(await decodePicture(colorAlpha, "x")).toMatchObject({
      channels: 3,
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
    const grayAlpha = png(2, 1, 8, 4, [[9, 0, 8, 255]]);
    expect(await decodePicture(grayAlpha, "x")).toMatchObject({
      channels: 1,
      data: Uint8Array.of(9, 8),
    });
  });

  it("keeps the high byte of 16-bit samples", async () => {
    const color = png(1, 1, 16, 2, [[0x12, 0xff, 0x80, 0x7f, 0xff, 0xfe]]);
    expect((await decodePicture(color, "x")).data).toEqual(Uint8Array.of(0x12, 0x80, 0xff));
    const gray = png(2, 1, 16, 0, [[0x12, 0xff, 0x80, 0x7f]]);
    expect((await decodePicture(gray, "x")).data).toEqual(Uint8Array.of(0x12, 0x80));
  });

  it("turns CMYK into RGB by the plain formula: less light for more ink", async () => {
    const background = { r: 192, g: 52, b: 86 };
    const flat = sharp({ create: { width: 8, height: 8, channels: 3, background } });
    const bytes = await flat.toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    const inks = await sharp(bytes)
      .pipelineColourspace("cmyk")
      .toColourspace("cmyk")
      .raw()
      .toBuffer();
    const { data, ...size } = await decodePicture(bytes, "x");
    expect(size).toEqual({ width: 8, height: 8, channels: 3 });
    const light = 255 - inks[3]!;
    const expected = [0, 1, 2].map((c) => light - ((inks[c]! * light) >> 8));
    expect(Array.from(data.subarray(0, 3))).toEqual(expected);
    expect(data[0]).toBeGreaterThan(2 * data[1]!);
  });

  it("leaves EXIF orientation and colour profiles alone", async () => {
    const turned = await raw().withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toBuffer();
    const plain = await decodePicture(jpeg, "x");
    expect(await decodePicture(turned, "x")).toEqual(plain);
    const profiled = await raw().withIccProfile("p3", { attach: true }).png().toBuffer();
    const { data } = await sharp(profiled, { ignoreIcc: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(Buffer.from((await decodePicture(profiled, "x")).data).equals(data)).toBe(true);
  });

  it("names truncated and foreign pictures", async () => {
    await expect(decodePicture(jpeg.subarray(0, jpeg.length - 40), "cut.jpg")).rejects.toThrow(
      "cut.jpg: the picture is truncated: expected jpeg of 16x12",
    );
    await expect(decodePicture(Buffer.from("GIF89a......"), "a.jpg")).rejects.toThrow("got GIF");
    await expect(decodePicture(Buffer.from("<svg></svg>"), "a.jpg")).rejects.toThrow(
      "got text or SVG",
    );
    await expect(decodePicture(new Uint8Array(0), "a.jpg")).rejects.toThrow("got an empty file");
  });

  it("refuses a bomb before decoding it", async () => {
    const bomb = png(60_000, 60_000, 8, 2, []);
    await expect(decodePicture(bomb, "bomb.png")).rejects.toThrow(
      "bomb.png: the picture is too large",
    );
  });

  it("decodes many at once, in any order", async () => {
    const plain = await decodePicture(jpeg, "x");
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, index) => decodePicture(jpeg, `${index}`)),
    );
    for (const picture of all) expect(picture).toEqual(plain);
  });

  it("meets damage with a picture or an InlayError", async () => {
    const sources = [jpeg, await raw().png().toBuffer(), await raw().webp().toBuffer()];
    const flip = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    const damage = fc.tuple(
      fc.constantFrom(...sources),
      fc.array(flip, { maxLength: 3 }),
      fc.nat(),
    );
    await fc.assert(
      fc.asyncProperty(damage, async ([source, flips, cut]) => {
        const bytes = Uint8Array.from(source);
        for (const [at, value] of flips) bytes[at % bytes.length] = value;
        const kept = cut % 2 === 0 ? bytes : bytes.subarray(0, cut % bytes.length);
        try {
          const picture = await decodePicture(kept, "x");
          expect(picture.data.length).toBe(picture.width * picture.height * picture.channels);
        } catch (error) {
          expect(error).toBeInstanceOf(InlayError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
