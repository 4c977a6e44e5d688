/**
 * Sizes of values as a full model writes them. A flat value has its elements as channels of one pixel.
 */
import type { Shape } from "../../../tensor/shape.ts";
import type { JsonObject } from "../json-text.ts";

export type MapSize = {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
};

/** Of `[n, c, h, w]` or `[n, k]`, with ones behind; undefined for other shapes. */
export function sizeOfShape(shape: Shape): MapSize | undefined {
  const [, channels, height = 1, width = 1, ...rest] = shape;
  if (channels === undefined || rest.some((dim) => dim !== 1)) return undefined;
  return shape.length === 3 && height !== 1 ? undefined : { channels, height, width };
}

export function elementsOf({ channels, height, width }: MapSize): number {
  return channels * height * width;
}

export function sameSize(a: MapSize, b: MapSize): boolean {
  return a.channels === b.channels && a.height === b.height && a.width === b.width;
}

export function isFlat({ height, width }: MapSize): boolean {
  return height === 1 && width === 1;
}

/** `512x7x7`; `1000` where flat. */
export function formatSize(size: MapSize): string {
  return isFlat(size) ? `${size.channels}` : `${size.channels}x${size.height}x${size.width}`;
}

/** The keys of a full-model layer. */
export function sizeKeys({ channels, height, width }: MapSize): JsonObject {
  return { "output channels": channels, "output height": height, "output width": width };
}
