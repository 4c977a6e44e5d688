/**
 * Labelled pictures for the demo, drawn from a seed: ten shapes and patterns with varying place, size,
 * tilt, colours and noise. No file is needed, and the same seed gives the same bytes everywhere.
 */
import type { Image } from "../data/image.ts";
import { createRandom, type Random } from "../tensor/random.ts";

/** Rows and columns of a picture, as CIFAR's. */
export const demoSide = 32;

/** True where the figure covers the point; the figure fills about -1..1 on both axes, y down. */
type Figure = (x: number, y: number) => boolean;

const isInside = (x: number, y: number): boolean => Math.max(Math.abs(x), Math.abs(y)) < 0.95;
const isEven = (value: number): boolean => Math.floor(value) % 2 === 0;

const figures: Readonly<Record<string, Figure>> = {
  disk: (x, y) => x * x + y * y < 1,
  ring: (x, y) => x * x + y * y < 1 && x * x + y * y > 0.36,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.85,
  triangle: (x, y) => y < 0.8 && y > 2 * Math.abs(x) - 1,
  plus: (x, y) => isInside(x, y) && Math.min(Math.abs(x), Math.abs(y)) < 0.28,
  saltire: (x, y) => isInside(x, y) && Math.abs(Math.abs(x) - Math.abs(y)) < 0.36,
  "horizontal stripes": (x, y) => isInside(x, y) && isEven(2.5 * y + 10),
  "vertical stripes": (x, y) => isInside(x, y) && isEven(2.5 * x + 10),
  checkers: (x, y) => isInside(x, y) && isEven(2 * x + 10) === isEven(2 * y + 10),
  hourglass: (x, y) => Math.abs(y) < 0.9 && Math.abs(x) < Math.abs(y),
};

/** Class names by label. */
export const demoClasses: readonly string[] = Object.keys(figures);

type Color = readonly [red: number, green: number, blue: number];

/**
 * Picture `index` of the stream that `seed` gives: its label is `index` modulo ten. `noise` is the
 * standard deviation of the noise on each value, in steps of 0..255.
 */
export function drawDemoImage(
  seed: number,
  index: number,
  noise: number,
): { readonly image: Image; readonly label: number } {
  const label = index % demoClasses.length;
  const random = createRandom(seed, index);
  const covers = placed(figures[demoClasses[label] ?? ""] ?? isInside, random);
  const [front, back] = colors(random);
  const data = new Uint8Array(demoSide * demoSide * 3);
  for (let pixel = 0; pixel < demoSide * demoSide; pixel += 1) {
    const color = covers(pixel % demoSide, Math.floor(pixel / demoSide)) ? front : back;
    for (const [channel, value] of color.entries()) {
      const noisy = Math.round(value + noise * random.normal());
      data[pixel * 3 + channel] = Math.min(255, Math.max(0, noisy));
    }
  }
  return { image: { width: demoSide, height: demoSide, channels: 3, data }, label };
}

/** The figure somewhere in the picture, 18 to 28 pixels wide, up to 4 off the centre, tilted by up to 11 degrees. */
function placed(figure: Figure, random: Random): Figure {
  const radius = 9 + 5 * random.unit();
  const room = Math.min(4, demoSide / 2 - radius);
  const [left, top] = [1, 1].map(() => demoSide / 2 + room * (2 * random.unit() - 1));
  const tilt = 0.2 * (2 * random.unit() - 1);
  const [cos, sin] = [Math.cos(tilt) / radius, Math.sin(tilt) / radius];
  return (x, y) => {
    const [dx, dy] = [x + 0.5 - (left ?? 0), y + 0.5 - (top ?? 0)];
    return figure(dx * cos + dy * sin, dy * cos - dx * sin);
  };
}

/** Two colours, the figure's brighter than the ground's by at least 60 of 255. */
function colors(random: Random): readonly [front: Color, back: Color] {
  for (;;) {
    const [front, back] = [color(random), color(random)];
    if (brightness(front) - brightness(back) >= 60) return [front, back];
  }
}

function color(random: Random): Color {
  return [random.below(256), random.below(256), random.below(256)];
}

function brightness([red, green, blue]: Color): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/** `count` pictures from `first` on as a CIFAR-10 binary file: label, red, green and blue plane each. */
export function demoFile(seed: number, first: number, count: number, noise: number): Uint8Array {
  const area = demoSide * demoSide;
  const bytes = new Uint8Array(count * (1 + 3 * area));
  for (let at = 0; at < count; at += 1) {
    const { image, label } = drawDemoImage(seed, first + at, noise);
    const start = at * (1 + 3 * area);
    bytes[start] = label;
    for (const [index, value] of image.data.entries()) {
      bytes[start + 1 + (index % 3) * area + Math.floor(index / 3)] = value;
    }
  }
  return bytes;
}
