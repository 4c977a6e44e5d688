/**
 * Pooling as a full model knows it. A POOLING operation has a mode and the size of its output, and no window: the
 * windows are the tiles into which the output divides the input. Any other pooling has no such form.
 */
import { poolGeometry } from "../../../ir/geometry.ts";
import type { PoolAttrs } from "../../../ir/ops.ts";
import type { Pair } from "../../../tensor/shape.ts";
import type { MapSize } from "./map-size.ts";

/** Rows and columns of a tile: 14x14 -> 7x7 has [2, 2]. Undefined where the input does not divide. */
export function tileOf(input: MapSize, output: MapSize): Pair | undefined {
  const tile: Pair = [input.height / output.height, input.width / output.width];
  return tile.every((side) => Number.isInteger(side) && side >= 1) ? tile : undefined;
}

/** What a window takes of its tile: all of it, or the top left pixel. */
export type TileShare = "whole" | "corner";

export type TiledPool = { readonly output: MapSize; readonly share: TileShare };

/** The pooling in tiles; undefined where its windows overlap, leave gaps, or reach beyond the map. */
export function tiledPool(input: MapSize, attrs: PoolAttrs | "global"): TiledPool | undefined {
  if (attrs === "global") return { output: { ...input, height: 1, width: 1 }, share: "whole" };
  if (attrs.pads.some((pad) => pad !== 0)) return undefined;
  const [height, width] = poolGeometry([input.height, input.width], attrs).output;
  const output = { ...input, height, width };
  const tile = tileOf(input, output);
  if (tile === undefined || !isTiling(tile, [height, width], attrs)) return undefined;
  const { kernel } = attrs;
  if (kernel[0] === tile[0] && kernel[1] === tile[1]) return { output, share: "whole" };
  return kernel[0] === 1 && kernel[1] === 1 ? { output, share: "corner" } : undefined;
}

/** Windows start where tiles do, and have no holes. */
function isTiling(tile: Pair, output: Pair, { kernel, stride, dilation }: PoolAttrs): boolean {
  return ([0, 1] as const).every(
    (axis) =>
      (output[axis] === 1 || stride[axis] === tile[axis]) &&
      (kernel[axis] === 1 || dilation[axis] === 1),
  );
}

/** A pooling of tiles: whole ones, or single pixels at the start of each. */
export function tileAttrs(tile: Pair, share: TileShare): PoolAttrs {
  const kernel: Pair = share === "whole" ? tile : [1, 1];
  return { kernel, stride: tile, pads: [0, 0, 0, 0], dilation: [1, 1], ceil: false };
}
