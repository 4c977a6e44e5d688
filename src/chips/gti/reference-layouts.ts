/**
 * Well-known networks as the vendor's kits lay them on the chips, built from a compact table: what tests of
 * memories, cascades and files run on. No weights, no names of layers.
 */
import type { CoefficientBits } from "../../target/layered-target.ts";
import type { Layout, MajorLayer, Sublayer } from "./layout.ts";

/** `[image size, input channels, output channels, sublayers, coefficient bits, more]`. */
export type Row = readonly [
  size: number,
  input: number,
  output: number,
  sublayers: number,
  bits: CoefficientBits,
  more?: {
    readonly pooling?: "max" | "sample";
    readonly upsampling?: "repeat" | "zeros";
    readonly shortcuts?: readonly number[];
    /** As in the files: 0 is 3x3 within each channel, 1 is 1x1. */
    readonly oneCoef?: readonly number[];
    readonly tenBits?: boolean;
  },
];

/** The layout of a table of rows. */
export function layoutOf(
  rows: readonly Row[],
  activationBitMode: Layout["activationBitMode"] = 0,
): Layout {
  return { majors: rows.map(majorOf), activationBitMode };
}

function majorOf([imageSize, input, output, count, bits, more = {}]: Row): MajorLayer {
  const sublayers: Sublayer[] = [];
  for (let at = 0; at < count; at++) {
    const from = sublayers.at(-1)?.outputChannels ?? input;
    const code = more.oneCoef?.[at];
    const kind = code === undefined ? "full" : code === 1 ? "pointwise" : "depthwise";
    const to = kind === "depthwise" ? from : output;
    sublayers.push({ conv: "", output: "", kind, inputChannels: from, outputChannels: to });
  }
  return {
    imageSize,
    inputChannels: input,
    outputChannels: output,
    coefficientBits: bits,
    sublayers,
    pooling: more.pooling,
    upsampling: more.upsampling,
    shortcutStarts: more.shortcuts ?? [],
    learning: false,
    lastLayerOut: false,
    tenBits: more.tenBits ?? false,
  };
}

const max = { pooling: "max" } as const;

/** VGG16: 13 convolutions; `early` bits in the first three major layers, `late` in the others. */
export function vgg16(early: CoefficientBits, late: CoefficientBits): Layout {
  return layoutOf([
    [224, 3, 64, 2, early, max],
    [112, 64, 128, 2, early, max],
    [56, 128, 256, 3, early, max],
    [28, 256, 512, 3, late, max],
    [14, 512, 512, 3, late, max],
  ]);
}

/** Ten convolutions at full precision. */
export function vggLike(bits: CoefficientBits): Layout {
  return layoutOf([
    [224, 3, 64, 2, bits, max],
    [112, 64, 128, 2, bits, max],
    [56, 128, 256, 2, bits, max],
    [28, 256, 256, 2, bits, max],
    [14, 256, 256, 2, bits, max],
  ]);
}

/** Classification with 14 x 14 x 256 outputs and fully connected layers on the host. */
export const gnetFc: Layout = layoutOf([
  [224, 3, 64, 2, 3, max],
  [112, 64, 128, 2, 3, max],
  [56, 128, 256, 3, 3, max],
  [28, 256, 256, 3, 3, max],
  [14, 256, 256, 3, 3],
  [14, 256, 256, 3, 3],
]);

/** Detection at 448 on the 5801: seven major layers. */
export const gnetDetection: Layout = layoutOf([
  [448, 3, 64, 1, 3, max],
  [224, 64, 64, 1, 3, max],
  [112, 64, 128, 2, 3, max],
  [56, 128, 256, 3, 3, max],
  [28, 256, 256, 3, 3, max],
  [14, 256, 256, 3, 3],
  [14, 256, 256, 3, 8],
]);

export function resnet18(bits: CoefficientBits): Layout {
  const pool = { pooling: "max" } as const;
  return layoutOf([
    [224, 3, 64, 2, bits, pool],
    [112, 64, 64, 2, bits, pool],
    [56, 64, 64, 4, bits, { ...pool, shortcuts: [1, 3] }],
    [28, 64, 128, 4, bits, { ...pool, shortcuts: [3] }],
    [14, 128, 256, 4, bits, { ...pool, shortcuts: [3] }],
    [7, 256, 512, 4, bits, { shortcuts: [3] }],
  ]);
}

/** Ten major layers, for two to four chips: max pooling at first, one sampling at the end. */
export function resnet50(bits: CoefficientBits): Layout {
  return layoutOf([
    [224, 3, 64, 2, bits, max],
    [112, 64, 64, 2, bits, max],
    [56, 64, 64, 6, bits, { ...max, shortcuts: [1, 3, 5] }],
    [28, 64, 128, 8, bits, { ...max, shortcuts: [3, 5, 7] }],
    [14, 128, 256, 4, bits, { shortcuts: [3] }],
    [14, 256, 256, 6, bits, { shortcuts: [1, 3, 5] }],
    [14, 256, 256, 6, bits, { shortcuts: [1, 3, 5] }],
    [14, 256, 512, 1, bits, { pooling: "sample" }],
    [7, 512, 512, 1, bits],
    [7, 512, 512, 4, bits, { shortcuts: [1, 3] }],
  ]);
}

/** As ResNet152 (blocks 3, 8, 36, 3) in pairs of 3x3 convolutions: most of it at 14 x 14. */
export function resnet152(bits: CoefficientBits): Layout {
  const middle: Row = [14, 256, 256, 10, bits, { shortcuts: [1, 3, 5, 7, 9] }];
  return layoutOf([
    [224, 3, 64, 2, bits, max],
    [112, 64, 64, 2, bits, max],
    [56, 64, 64, 6, bits, { ...max, shortcuts: [1, 3, 5] }],
    [28, 64, 128, 12, bits, { ...max, shortcuts: [3, 5, 7, 9, 11] }],
    [14, 128, 256, 2, bits],
    ...Array.from({ length: 7 }, () => middle),
    [14, 256, 512, 1, bits, { pooling: "sample" }],
    [7, 512, 512, 1, bits],
    [7, 512, 512, 4, bits, { shortcuts: [1, 3] }],
  ]);
}

/** MobileNet at 224; every second sublayer is 1x1. */
export function mobilenet224(bits: CoefficientBits): Layout {
  return mobilenetOf(bits, [224, 112, 56, 28, 14, 7], [32, 64]);
}

/** MobileNet at 448: the first two counts of channels differ from chip to chip. */
export function mobilenet448(
  bits: CoefficientBits,
  first: readonly [c0: number, c1: number],
): Layout {
  return mobilenetOf(bits, [448, 224, 112, 56, 28, 14], first);
}

function mobilenetOf(
  bits: CoefficientBits,
  sizes: readonly number[],
  [c0, c1]: readonly [number, number],
): Layout {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0] = sizes;
  const sample = { pooling: "sample" } as const;
  const twice = [1, 0, 1, 0];
  const long = [...twice, ...twice, ...twice];
  return layoutOf([
    [s0, 3, c0, 1, bits, sample],
    [s1, c0, c1, 3, bits, { ...sample, oneCoef: [0, 1, 0] }],
    [s2, c1, 128, 4, bits, { ...sample, oneCoef: twice }],
    [s3, 128, 256, 4, bits, { ...sample, oneCoef: twice }],
    [s4, 256, 512, 12, bits, { ...sample, oneCoef: long }],
    [s5, 512, 1024, 3, bits, { oneCoef: [1, 0, 1] }],
  ]);
}

/** Down to 56 and up again to 448: three planes out. */
export const deconvolutions: Layout = layoutOf([
  [448, 3, 16, 1, 8, max],
  [224, 16, 32, 1, 8, max],
  [112, 32, 64, 1, 8, max],
  [56, 64, 32, 1, 8, { upsampling: "repeat" }],
  [112, 32, 16, 1, 8, { upsampling: "repeat" }],
  [224, 16, 3, 1, 8, { upsampling: "repeat" }],
]);
