/**
 * How a network lies on the chip: major layers of sublayers, with names of the graph's nodes but none of its
 * weights. It is what the network JSON says, and what the chip's limits are about.
 */
import type { CoefficientBits } from "../../target/layered-target.ts";

/** 3x3 over all channels, 1x1, or 3x3 within each channel. */
export type SublayerKind = "full" | "pointwise" | "depthwise";

/** One convolution with its activation. */
export type Sublayer = {
  /** Id of the convolution's node: the layer's name. */
  readonly conv: string;
  /** Id of the value that the sublayer gives: after the shortcut's sum and the activation. */
  readonly output: string;
  readonly kind: SublayerKind;
  readonly inputChannels: number;
  readonly outputChannels: number;
};

/** Sublayers of one resolution; pooling or a change of size or bits ends it. */
export type MajorLayer = {
  /** Rows and columns before upsampling. */
  readonly imageSize: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly coefficientBits: CoefficientBits;
  readonly sublayers: readonly Sublayer[];
  readonly pooling: "max" | "sample" | undefined;
  /** Comes first, before the convolutions. */
  readonly upsampling: "repeat" | "zeros" | undefined;
  /** Sublayers (counted from 1) at whose input a shortcut starts; it ends after the next sublayer. */
  readonly shortcutStarts: readonly number[];
  /** Gives the output of all sublayers. */
  readonly learning: boolean;
  /** Gives the output of its last sublayer, before pooling. */
  readonly lastLayerOut: boolean;
  /** Its last sublayer gives 10-bit levels. */
  readonly tenBits: boolean;
};

export type Layout = {
  readonly majors: readonly MajorLayer[];
  /** 1: the last layer gives 10 bits; 2: all do; 0: none. */
  readonly activationBitMode: 0 | 1 | 2;
};

/** Rows and columns that a major layer's convolutions work on. */
export function convolvedSize({ imageSize, upsampling }: MajorLayer): number {
  return upsampling === undefined ? imageSize : 2 * imageSize;
}

/** Rows and columns that a major layer hands on. */
export function outputSize(major: MajorLayer): number {
  const size = convolvedSize(major);
  return major.pooling === undefined ? size : Math.ceil(size / 2);
}
