/**
 * How a network is quantized: the choices of the int8 target, as plain data.
 */

export type QuantizeOptions = {
  readonly weights: {
    /** One scale per output channel, or one for the whole tensor. */
    readonly unit: "channel" | "tensor";
    readonly powerOfTwo: boolean;
  };
  readonly activations: {
    readonly signed: boolean;
    /** Zero point in the middle (or at 0) instead of wherever the range asks for it. */
    readonly symmetric: boolean;
    readonly powerOfTwo: boolean;
  };
  /** Takes the mean error that rounded weights cause out of each bias. */
  readonly biasCorrection: boolean;
};

export const defaultQuantizeOptions: QuantizeOptions = {
  weights: { unit: "channel", powerOfTwo: false },
  activations: { signed: false, symmetric: false, powerOfTwo: false },
  biasCorrection: true,
};
