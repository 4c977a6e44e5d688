/**
 * `inlay convert` as plain data: what was written for a chip of major layers, and each of its layers.
 */
import type { BitMatchReport } from "./bit-match.ts";

/** One convolution on the chip. Maxima are of the rounded values, in the chip's units. */
export type ConvertLayer = {
  readonly name: string;
  /** Counted from 1; major layer and sublayer are null where the network has no major layers. */
  readonly chip: number;
  readonly major: number | null;
  readonly sublayer: number | null;
  readonly coefficientBits: number;
  readonly shift: number;
  readonly maxWeight: number;
  readonly maxBias: number;
  /** Real value of the activation's largest level; the chip's own cap where it is not known. */
  readonly cap: number;
  /** How often each of its channels stands side by side, for finer levels together; 1 for most. */
  readonly copies: number;
  /** Signed bits that hold every total of the accumulator; null where they are not known. */
  readonly accumulatorBits: number | null;
};

/** `count` of the labelled pictures; percent, and its 95 % interval. As `Accuracy`. */
export type Share = {
  readonly count: number;
  readonly percent: number;
  readonly interval: readonly [lo: number, hi: number];
};

/** Top-1 of the float network, and of the simulation of what was written. */
export type ChipAccuracy = {
  readonly images: string;
  readonly samples: number;
  readonly float: Share;
  readonly simulated: Share;
  /** Pictures whose best class differs. */
  readonly changedImages: number;
};

export type ConvertReport = {
  readonly schema: "inlay.convert/1";
  readonly model: string;
  readonly source: readonly string[];
  readonly target: string;
  /** Folder that was written. */
  readonly out: string;
  /** Names of the files in it, with `/`. */
  readonly files: readonly string[];
  /** The file for the device or the simulator. */
  readonly modelFile: string;
  /** Whose chip image it holds: Inlay's own, which only the simulator reads, or the vendor library's. */
  readonly image: "inlay" | "vendor";
  /** False where waived rules are broken. */
  readonly deployable: boolean;
  readonly waived: readonly string[];
  readonly chips: number;
  readonly layers: readonly ConvertLayer[];
  readonly editGain: boolean;
  /** What the host multiplies the chip's last value by to get the network's own numbers. */
  readonly scaleFactor: number;
  /** Operations of the model behind the chips. */
  readonly hostOperations: readonly string[];
  /** Why the host part is an operation of Inlay's own; null where the vendor's can say it. */
  readonly ownOperation: string | null;
  /** Count of labels; null where there are none. */
  readonly labels: number | null;
  readonly accumulator: {
    /** Bits that were asked about. */
    readonly bits: number;
    /** Bits that hold every total of every layer; null where they are not known. */
    readonly needed: number | null;
  };
  /** Of a float network: the pictures that the caps were learned from. Null for one that came refined. */
  readonly calibration: {
    readonly method: string;
    readonly images: string;
    readonly samples: number;
  } | null;
  /** Null where there were no labelled pictures. */
  readonly accuracy: ChipAccuracy | null;
  /** What was written, bit by bit against the network; null where it was not asked for. */
  readonly bitMatch: BitMatchReport | null;
  /** As `ReportWarning`. */
  readonly warnings: readonly {
    readonly id: string;
    readonly message: string;
    readonly where: string | null;
  }[];
};
