/**
 * The pixels that each pooling window sees.
 */
import { poolGeometry } from "../../ir/geometry.ts";
import type { PoolAttrs } from "../../ir/ops.ts";
import type { Pair } from "../../tensor/shape.ts";

export type Window = {
  /** Places in the image plane, row by row. */
  readonly pixels: Int32Array;
  /** Taps inside the padded image: what a divisor that counts padding counts. */
  readonly padded: number;
};

/** The windows of one plane in output order. Taps beyond input and pads (overhang) never count. */
export function windowsOf(image: Pair, attrs: PoolAttrs, node: string): readonly Window[] {
  const { output } = poolGeometry(image, attrs, node);
  const rows = lines(0, image, output, attrs);
  const columns = lines(1, image, output, attrs);
  return rows.flatMap((row) =>
    columns.map((column) => ({
      pixels: Int32Array.from(
        row.inside.flatMap((y) => column.inside.map((x) => y * image[1] + x)),
      ),
      padded: row.padded * column.padded,
    })),
  );
}

/** For each output line the image lines that it sees, and how many taps lie in image or padding. */
function lines(
  axis: 0 | 1,
  image: Pair,
  output: Pair,
  attrs: PoolAttrs,
): readonly { readonly inside: readonly number[]; readonly padded: number }[] {
  const size = image[axis];
  const end = size + attrs.pads[axis === 0 ? 2 : 3];
  return Array.from({ length: output[axis] }, (_, place) => {
    const first = place * attrs.stride[axis] - attrs.pads[axis];
    const taps = Array.from(
      { length: attrs.kernel[axis] },
      (_tap, tap) => first + tap * attrs.dilation[axis],
    );
    return {
      inside: taps.filter((tap) => tap >= 0 && tap < size),
      padded: taps.filter((tap) => tap < end).length,
    };
  });
}

/** The one window of global pooling. */
export function wholePlane([h, w]: Pair): Window {
  return { pixels: Int32Array.from({ length: h * w }, (_, at) => at), padded: h * w };
}
