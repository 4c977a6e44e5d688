/**
 * How a network is divided between chip and host: the type of the answer, and what its parts mean.
 */
import type { Graph } from "../../../ir/graph.ts";
import type { CoefficientBits, RuleName, Violation } from "../../../target/layered-target.ts";
import type { Layout } from "../layout.ts";

export type MapOptions = {
  /**
   * One width for all layers; or a list with one per major layer, as the network JSON has it; or one per
   * convolution of the chip part (projections of shortcuts left out), where a major layer then ends at a change.
   */
  readonly coefficientBits: CoefficientBits | readonly CoefficientBits[];
  /** Rules that may be broken. `activation` cannot be waived: the chip has no other arithmetic. */
  readonly waive: ReadonlySet<RuleName>;
  /** 5 unless given. */
  readonly activationBits?: 5 | 10;
  /** The last layer gives 10 bits; it then stands in a major layer of its own, without pooling. */
  readonly lastTenBits?: boolean;
  /** Pads counts of channels that the chip does not compute with zero kernels. */
  readonly padChannels?: boolean;
};

/** A convolution of the chip part with what belongs to it. All are ids of nodes. */
export type ChipConvolution = {
  readonly conv: string;
  /** What the convolution reads. */
  readonly input: string;
  readonly activation: string;
  /** The sum before the activation, and the value that its shortcut starts from. */
  readonly shortcut:
    | { readonly add: string; readonly start: string; readonly projection: string | undefined }
    | undefined;
  readonly bits: CoefficientBits;
};

export type ChipMapping = {
  /** The float network in chip form. */
  readonly graph: Graph;
  readonly chip: {
    /** The value that enters the chip; none where the chip takes no part of the network. */
    readonly inputs: readonly string[];
    /** The chip's nodes in the graph's order, without constants. */
    readonly nodes: readonly string[];
    /** Values that leave the chip: those of the middle before pooling, the last one last. */
    readonly outputs: readonly string[];
    /** In order. */
    readonly convolutions: readonly ChipConvolution[];
  };
  /** Undefined where waived rules leave layers that no major layer can hold, or nothing is on the chip. */
  readonly layout: Layout | undefined;
  /** Why there is no layout. */
  readonly noLayout: string | undefined;
  /**
   * Rules broken by layers: those that keep a layer on the host, and waived ones of layers on the chip. What the
   * chip says of the layout as a whole (memories, counts of layers) is not among them.
   */
  readonly violations: readonly Violation[];
  /** What runs on the host, in order, and why. */
  readonly host: readonly { readonly node: string; readonly why: string }[];
};
