/**
 * `inlay check` as plain data: what a chip of major layers takes of a network, and every rule that the network breaks.
 * Slots are of the weight memory, one for a 3x3 kernel at full precision; volumes are counts of activations.
 */

/** A limit, and whether the vendor printed it or it was inferred. */
export type CheckLimit = { readonly value: number; readonly certain: boolean };

export type CheckViolation = {
  /** As `--waive` takes it. */
  readonly rule: string;
  /** The layer, or `major layer 3`, or what stands for the whole. */
  readonly node: string;
  readonly limit: string;
  readonly found: string;
  /** What to do. */
  readonly hint: string;
  /** True where the user wants to go on nevertheless. */
  readonly waived: boolean;
};

/** One convolution on the chip. */
export type CheckSublayer = {
  readonly name: string;
  /** The value that it gives: behind the shortcut's sum and the activation. */
  readonly output: string;
  readonly kind: "full" | "pointwise" | "depthwise";
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Kernels that share one slot. */
  readonly kernelsPerSlot: number;
  readonly slots: number;
  /** Slots of this and all before it. */
  readonly cumulativeSlots: number;
  /** Activations in and out, as the chip holds them. */
  readonly volume: number;
};

export type CheckMajorLayer = {
  /** Rows and columns, before upsampling. */
  readonly imageSize: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly coefficientBits: number;
  readonly pooling: "max" | "sample" | null;
  readonly upsampling: "repeat" | "zeros" | null;
  /** Sublayers (from 1) at whose input a shortcut starts. */
  readonly shortcutStarts: readonly number[];
  /** What leaves the chip before the pooling, besides the last map; null where nothing does. */
  readonly gives: "all sublayers" | "the last sublayer" | null;
  readonly tenBits: boolean;
  readonly slots: number;
  readonly largestVolume: number;
  readonly sublayers: readonly CheckSublayer[];
};

export type CheckChip = {
  /** Names of the first and the last convolution. */
  readonly first: string;
  readonly last: string;
  readonly majorLayers: number;
  readonly sublayers: number;
  readonly slots: number;
};

/** One disagreement of the network JSON and the network. */
export type CheckDifference = {
  /** Counted from 1; null for a key of the whole model. */
  readonly major: number | null;
  readonly key: string;
  readonly json: string;
  readonly network: string;
};

export type CheckReport = {
  readonly schema: "inlay.check/1";
  readonly model: string;
  readonly source: readonly string[];
  readonly target: string;
  /**
   * `fits`: no rule is broken. `not deployable`: waived ones are, no others. `does not fit`: others are, the network
   * JSON contradicts the network, or no layer runs on the chip.
   */
  readonly verdict: "fits" | "not deployable" | "does not fit";
  readonly options: {
    /** Where the bits of the weights come from. */
    readonly bitsFrom: "command" | "network JSON" | "default";
    /** The bits, and why these. */
    readonly bitsNote: string;
    readonly activationBits: number;
    readonly lastTenBits: boolean;
    /** Chips in a row. */
    readonly chips: number;
    readonly waived: readonly string[];
  };
  /** Convolutions on the chip, and of the whole network. */
  readonly convolutions: { readonly chip: number; readonly all: number };
  readonly violations: readonly CheckViolation[];
  /** Layers that run on the host, in order. */
  readonly host: readonly { readonly name: string; readonly op: string; readonly why: string }[];
  /** Names of the values that enter and leave the chip. */
  readonly chipInputs: readonly string[];
  readonly chipOutputs: readonly string[];
  /** Empty where there is no layout; `noLayout` says why. */
  readonly majorLayers: readonly CheckMajorLayer[];
  readonly noLayout: string | null;
  readonly memory: {
    readonly slots: number;
    /** Slots must stay below it. */
    readonly slotLimit: CheckLimit;
    readonly largestVolume: number;
    /** Volumes may reach it; null where it is not known. */
    readonly volumeLimit: CheckLimit | null;
  } | null;
  /** The plan over several chips, where it is asked for or one chip is too small. */
  readonly cascade: readonly CheckChip[] | null;
  /** Why there is no plan for what was asked. */
  readonly noCascade: string | null;
  readonly network: {
    readonly file: string;
    /** Null where there is no layout to compare with. */
    readonly differences: readonly CheckDifference[] | null;
  } | null;
  /** As `ReportWarning`. */
  readonly warnings: readonly {
    readonly id: string;
    readonly message: string;
    readonly where: string | null;
  }[];
};
