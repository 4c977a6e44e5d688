import { describe, expect, it } from "vitest";
import { createRandom } from "../tensor/random.ts";
import { type Augmentation, checkAugmentation, place } from "./augmentation.ts";
import { type Image, image } from "./image.ts";

const picture = (width: number, height: number): Image =>
  image(width, height, 1, new Uint8Array(width * height).fill(9));

/** Windows of many draws. */
function windows(source: Image, augment: Augmentation, count = 400) {
  return Array.from(
    { length: count },
    (_, seed) => place(source, augment, createRandom(seed), "p").window,
  );
}

const range = (values: readonly number[]): [number, number] => [
  Math.min(...values),
  Math.max(...values),
];

describe("augmentation", () => {
  it("pads and crops within the padding, every offset reached", () => {
    const found = windows(picture(6, 5), { padAndCrop: { pad: 2 } });
    expect(range(found.map(({ top }) => top))).toEqual([-2, 2]);
    expect(range(found.map(({ left }) => left))).toEqual([-2, 2]);
    expect(new Set(found.map(({ top, left }) => `${top},${left}`)).size).toBe(25);
    expect(found.every(({ width, height }) => width === 6 && height === 5)).toBe(true);
  });

  it("crops anywhere in training and at Caffe's centre in test", () => {
    const found = windows(picture(7, 5), { crop: { size: 4, place: "random" } });
    expect(range(found.map(({ top }) => top))).toEqual([0, 1]);
    expect(range(found.map(({ left }) => left))).toEqual([0, 3]);
    const centre = windows(picture(7, 5), { crop: { size: 4, place: "centre" } }, 3);
    expect(new Set(centre.map(({ top, left }) => `${top},${left}`))).toEqual(new Set(["0,1"]));
  });

  it("flips about half", () => {
    const flipped = windows(picture(2, 2), { flip: true }).filter(({ isMirrored }) => isMirrored);
    expect(flipped.length).toBeGreaterThan(150);
    expect(flipped.length).toBeLessThan(250);
  });

  it("composes the steps: the crop lies within what pad-and-crop gave", () => {
    const found = windows(picture(6, 6), {
      padAndCrop: { pad: 2 },
      crop: { size: 5, place: "random" },
    });
    expect(range(found.map(({ top }) => top))).toEqual([-2, 3]);
  });

  it("resizes a part whose area and shape lie within the limits", () => {
    const seen: number[] = [];
    // Columns count up, so that the first and last tell how wide the part was.
    const ramp = image(
      64,
      64,
      1,
      Uint8Array.from({ length: 4096 }, (_, at) => 3 * (at % 64)),
    );
    for (let seed = 0; seed < 200; seed++) {
      const made = place(
        ramp,
        { resizedCrop: { size: 64, scale: [0.25, 0.5], ratio: [0.5, 2] } },
        createRandom(seed),
        "p",
      );
      expect([made.picture.width, made.picture.height]).toEqual([64, 64]);
      seen.push((made.picture.data[63]! - made.picture.data[0]!) / 3 + 1);
    }
    // sqrt(4096 * 0.25 * 0.5) = 22.6 and sqrt(4096 * 0.5 * 2) = 64.
    const [least, most] = range(seen);
    expect(least).toBeGreaterThanOrEqual(22);
    expect(least).toBeLessThan(28);
    expect(most).toBeGreaterThan(58);
  });

  it("takes the centre where no part of that shape fits", () => {
    const made = place(
      picture(100, 10),
      { resizedCrop: { size: 8, scale: [1, 1], ratio: [1, 1] } },
      createRandom(1),
      "p",
    );
    expect([made.picture.width, made.picture.height]).toEqual([8, 8]);
  });

  it("refuses what cannot be meant", () => {
    const bad: readonly Augmentation[] = [
      { padAndCrop: { pad: -1 } },
      { crop: { size: 0, place: "random" } },
      { crop: { size: 1.5, place: "random" } },
      { colorJitter: { brightness: 2, contrast: 0, saturation: 0 } },
      { colorJitter: { brightness: 0, contrast: Number.NaN, saturation: 0 } },
      { resizedCrop: { size: 8, scale: [0, 1], ratio: [1, 1] } },
      { resizedCrop: { size: 8, scale: [0.5, 0.2], ratio: [1, 1] } },
    ];
    for (const augment of bad) expect(() => checkAugmentation(augment)).toThrow();
    expect(() =>
      place(picture(4, 4), { crop: { size: 5, place: "random" } }, createRandom(1), "small.png"),
    ).toThrow(/small.png.*smaller than the crop/);
  });
});
