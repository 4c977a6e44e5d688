/**
 * How pictures become a network's input, as one plain record that every manifest echoes. Geometry and
 * colour are done on uint8 (`geometry.ts`), the numbers in the network's graph (`normalize.ts` defines them).
 */
import { usageError } from "../error.ts";

/** Mean values per pixel, in the network's channel order: `shape` is `[c, h, w]`, values in C order. */
export type MeanImage = {
  readonly file: string;
  readonly shape: readonly [c: number, h: number, w: number];
  readonly values: readonly number[];
};

export type Resize =
  /** The shorter side becomes `size`; the longer floor(size * longer / shorter), as torchvision has it. */
  | { readonly kind: "shorter"; readonly size: number }
  | { readonly kind: "exact"; readonly width: number; readonly height: number };

/**
 * Applied in this order: colour, resize, crop, resizeAfter, channel order, then
 * value = (pixel - mean) * scale / std in float32. `mean` and `std` hold one value for all channels or
 * one per channel, in the network's channel order (`order`). Caffe knows no `std`; torchvision's
 * ((x / 255) - m) / s is mean 255 m, scale 1/255, std s.
 */
export type Preprocess = {
  /** `auto`: what the network's input channels ask for; the others as Caffe's force_color, force_gray. */
  readonly color: "auto" | "color" | "gray";
  readonly resize?: Resize;
  /** Side of the centre square, taken at floor((size - crop) / 2). */
  readonly crop?: number;
  /** Side of the square that the cropped picture is resized to. */
  readonly resizeAfter?: number;
  readonly order: "rgb" | "bgr";
  readonly mean: readonly number[] | MeanImage;
  readonly scale: number;
  readonly std: readonly number[];
};

/** The picture as it is: RGB, no geometry, value = pixel. */
export const defaultPreprocess: Preprocess = {
  color: "auto",
  order: "rgb",
  mean: [0],
  scale: 1,
  std: [1],
};

export function isMeanImage(mean: Preprocess["mean"]): mean is MeanImage {
  return "shape" in mean;
}

/** Largest side that geometry may ask for. */
const maxSide = 16_384;

/** Throws a usage error at the first field that cannot be meant; returns the record. */
export function checkPreprocess(preprocess: Preprocess): Preprocess {
  const { resize, crop, resizeAfter, mean, scale, std } = preprocess;
  if (resize?.kind === "shorter") checkSide("--resize", resize.size);
  if (resize?.kind === "exact") {
    checkSide("--resize", resize.width);
    checkSide("--resize", resize.height);
  }
  if (crop !== undefined) checkSide("--crop", crop);
  if (resizeAfter !== undefined) checkSide("--resize-after", resizeAfter);
  checkNumbers("--mean", isMeanImage(mean) ? [] : mean);
  checkNumbers("--scale", [scale]);
  checkNumbers("--std", std);
  if (scale === 0) throw usageError("--scale must not be 0");
  if (std.some((value) => value <= 0)) {
    throw usageError("--std must be positive", { got: std.join(",") });
  }
  return preprocess;
}

function checkSide(flag: string, side: number): void {
  if (!Number.isInteger(side) || side < 1 || side > maxSide) {
    throw usageError(`${flag} must be a side in pixels`, {
      expected: `1..${maxSide}`,
      got: `${side}`,
    });
  }
}

function checkNumbers(flag: string, values: readonly number[]): void {
  if (!values.every(Number.isFinite)) {
    throw usageError(`${flag} must be finite numbers`, { got: values.join(",") });
  }
}

/**
 * `mean` or `std` spread to one value per channel. One value serves every channel; any other count
 * than the channels' is a usage error that names the flag.
 */
export function perChannel(
  flag: string,
  values: readonly number[],
  channels: number,
): readonly number[] {
  if (values.length === channels) return values;
  const [only] = values;
  if (values.length === 1 && only !== undefined) return new Array<number>(channels).fill(only);
  throw usageError(`${flag} needs one value, or one per input channel`, {
    expected: `1 or ${channels}`,
    got: `${values.length}`,
  });
}

/** The number of picture channels for a network input; throws where they cannot agree. */
export function pictureChannels(color: Preprocess["color"], inputChannels: number): 1 | 3 {
  if (inputChannels !== 1 && inputChannels !== 3) {
    throw usageError("pictures have 1 or 3 channels, the network's input has another number", {
      got: `${inputChannels}`,
    });
  }
  const asked = color === "auto" ? inputChannels : color === "color" ? 3 : 1;
  if (asked !== inputChannels) {
    throw usageError(`colour mode "${color}" does not fit the network's input`, {
      expected: `${inputChannels} channels`,
      got: `${asked}`,
      hint: "Leave the colour mode at auto.",
    });
  }
  return inputChannels;
}
