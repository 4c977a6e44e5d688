import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Image, image } from "./image.ts";
import { copyWindow, cutWindow, type PictureWindow, wholeWindow } from "./picture-window.ts";

/** Every byte differs from its neighbours and none is 0. */
function picture(width: number, height: number, channels: 1 | 3): Image {
  const bytes = Uint8Array.from({ length: width * height * channels }, (_, at) => 1 + (at % 251));
  return image(width, height, channels, bytes);
}

/** The definition, value by value: target row, column and channel of each. */
function slowly(source: Image, window: PictureWindow, swaps: boolean): number[] {
  const { channels } = source;
  return Array.from({ length: window.width * window.height * channels }, (_, to) => {
    const pixel = Math.floor(to / channels);
    const x = pixel % window.width;
    const row = window.top + Math.floor(pixel / window.width);
    const column = window.left + (window.isMirrored ? window.width - 1 - x : x);
    if (row < 0 || row >= source.height || column < 0 || column >= source.width) return 0;
    const channel = swaps ? channels - 1 - (to % channels) : to % channels;
    return source.data[(row * source.width + column) * channels + channel]!;
  });
}

describe("windows", () => {
  it("copy what the definition says, wherever they lie", () => {
    const side = fc.integer({ min: 1, max: 6 });
    const offset = fc.integer({ min: -8, max: 8 });
    const window = fc.record({
      ...{ top: offset, left: offset, height: side, width: side },
      isMirrored: fc.boolean(),
    });
    fc.assert(
      fc.property(
        ...[side, side, fc.constantFrom<1 | 3>(1, 3), window, fc.boolean()],
        (width, height, channels, part, swaps) => {
          const source = picture(width, height, channels);
          const data = new Uint8Array(5 + part.width * part.height * channels);
          copyWindow(source, part, { data, start: 5, swaps });
          const wanted = slowly(source, part, swaps && channels === 3);
          expect(Array.from(data)).toEqual([0, 0, 0, 0, 0, ...wanted]);
          expect(Array.from(cutWindow(source, part).data)).toEqual(slowly(source, part, false));
        },
      ),
    );
  });

  it("cost nothing where they are the whole picture", () => {
    const source = picture(3, 2, 3);
    expect(cutWindow(source, wholeWindow(source))).toBe(source);
  });
});
