/**
 * `inlay evaluate MODEL --bit-match PICTURES` as plain data: a chip's levels against those of the reference network, bit
 * by bit. Positions count from 0, places on the chip from 1.
 */

/** One picture: the last values of the chips, or of one picture all layers that are seen. */
export type BitMatchPicture = {
  readonly name: string;
  readonly isEqual: boolean;
  readonly values: number;
  readonly equalValues: number;
};

/** A sublayer of the chips, for one picture. */
export type BitMatchLayer = {
  readonly name: string;
  readonly chip: number;
  /** Null where the network has no major layers. */
  readonly major: number | null;
  readonly sublayer: number | null;
  readonly values: number;
  /** Null where there is no dump to compare. */
  readonly equalValues: number | null;
  /** Which of the model's output modes has a board give the layer's values; null where none does, or no JSON tells. */
  readonly output: "learning" | "last_layer_out" | "last layer" | null;
};

/** A product of the sum behind a value. Inputs are levels, weights integers on the side's own grid. */
export type BitMatchTerm = {
  readonly channel: number;
  readonly row: number;
  readonly column: number;
  readonly expectedInput: number;
  readonly expectedWeight: number;
  readonly gotInput: number;
  readonly gotWeight: number;
};

/** How one side comes to its level: `floor(accumulator * 2^-shift + 0.5)`, limited to 0..top. */
export type BitMatchSum = {
  readonly products: number;
  readonly bias: number;
  /** What a shortcut adds: value times factor. */
  readonly identity: { readonly value: number; readonly factor: number } | null;
  readonly accumulator: number;
  readonly shift: number;
  readonly rounded: number;
  readonly top: number;
  readonly level: number;
};

export type BitMatchCause = {
  /** Stable, for filters: "weights", "shift", "unequal-cap", "overflow". */
  readonly kind: string;
  readonly message: string;
};

/** The first value that differs, in the first layer that does. */
export type BitMatchDifference = {
  readonly layer: string;
  readonly chip: number;
  readonly major: number | null;
  readonly sublayer: number | null;
  readonly channel: number;
  readonly row: number;
  readonly column: number;
  /** The reference's level, the chip's, and what the simulation gives where the chip's is a dump. */
  readonly expected: number;
  readonly got: number;
  readonly simulated: number;
  readonly terms: readonly BitMatchTerm[];
  readonly reference: BitMatchSum;
  readonly model: BitMatchSum;
  readonly causes: readonly BitMatchCause[];
};

export type BitMatchReport = {
  readonly schema: "inlay.bit-match/1";
  readonly model: string;
  readonly target: string;
  readonly images: string;
  /** Files of the reference network. */
  readonly reference: readonly string[];
  /** Folder of dumps in place of the simulation; null where it was simulated. */
  readonly dumps: string | null;
  readonly accumulator: { readonly bits: number; readonly overflow: string } | null;
  readonly isEqual: boolean;
  readonly matches: number;
  readonly pictures: readonly BitMatchPicture[];
  /** In order, for one picture; null for several. */
  readonly layers: readonly BitMatchLayer[] | null;
  readonly difference: BitMatchDifference | null;
  /** What was written: folder, and files in it. */
  readonly out: string | null;
  readonly files: readonly string[];
  /** As `ReportWarning`. */
  readonly warnings: readonly {
    readonly id: string;
    readonly message: string;
    readonly where: string | null;
  }[];
};
