/**
 * A target that computes convolutions in major layers: runs of convolutions (sublayers) of one resolution
 * with few-bit weights and a shift each. The type of the data; a chip's numbers are in its own folder.
 * Shared code asks these fields and never the target's name.
 */
import type { Precision } from "../fixed/precision.ts";

/** Bits of a weight on the chip, as the network JSON's `coef_bits` names them. */
export type CoefficientBits = 1 | 2 | 3 | 5 | 8 | 12;

/** One way that the chip stores weights. */
export type WeightMode = {
  readonly bits: CoefficientBits;
  readonly precision: Precision;
  /** Bits of a bias, sign included. */
  readonly biasBits: number;
  /** Kernels of this mode that take the memory of one at full precision. */
  readonly kernelsPerSlot: 1 | 2 | 4;
};

/** A limit, and whether it was printed by the vendor or follows from something else. */
export type Limit = { readonly value: number; readonly certain: boolean };

/** A layer that a rule forbids stays on the host, or can be studied with the rule waived. */
export type RuleName =
  | "kernel"
  | "stride"
  | "padding"
  | "dilation"
  | "groups"
  | "depthwise"
  | "activation"
  | "pooling"
  | "mixed-pooling"
  | "upsampling"
  | "shortcut"
  | "cap"
  | "image-size"
  | "input-channels"
  | "channels"
  | "coefficient-bits"
  | "activation-bits"
  | "major-layers"
  | "sublayers"
  | "weight-memory"
  | "activation-memory"
  | "output-mode"
  | "cascade";

/** One rule broken at one place. `message` fields are phrases without a final stop. */
export type Violation = {
  readonly rule: RuleName;
  /** Id of the node, or `major layer 3`. */
  readonly node: string;
  /** What the chip allows. */
  readonly limit: string;
  readonly found: string;
  /** What to do about it. */
  readonly hint: string;
  /** True where the user asked to go on nevertheless. */
  readonly waived: boolean;
};

export type LayeredTarget = {
  readonly form: "layered";
  /** As `--target` names it. */
  readonly name: string;
  readonly description: string;
  /** The number in the vendor's files. */
  readonly chipType: number;
  /** Bits of a stored magnitude (`bw_params`), sign included. */
  readonly parameterBits: number;
  readonly weightModes: readonly WeightMode[];
  /** Largest shift that the converter chooses, and that the register holds. */
  readonly shiftMax: number;
  readonly shiftRegisterMax: number;
  /** Picture bits outside and inside. */
  readonly inputBits: { readonly from: number; readonly to: number };
  /** Widths of activations; the first is the usual one. */
  readonly activationBits: readonly number[];
  readonly inputChannels: readonly number[];
  /** Smaller counts take the memory of these. */
  readonly minChannels: { readonly input: number; readonly output: number };
  /** Channel counts are powers of two up to this. */
  readonly maxChannels: number;
  readonly imageSizes: readonly number[];
  readonly majorLayers: Limit;
  readonly sublayers: Limit;
  /** Slots of one 3x3 kernel at full precision. */
  readonly weightSlots: Limit;
  /** 1x1 kernels that share one slot. */
  readonly pointwisePerSlot: number;
  /** Largest sum of a sublayer's input and output (after pooling), in activations. */
  readonly activationVolume: Limit | undefined;
  readonly pointwise: boolean;
  readonly depthwise: boolean;
  readonly shortcuts: boolean;
  readonly poolings: readonly ("max" | "sample")[];
  readonly upsampling: boolean;
  /** Width of the signed accumulator that is assumed. */
  readonly accumulatorBits: number;
};
