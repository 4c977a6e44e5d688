/**
 * What the engine's kernels can do, as far as a training step is written otherwise for it.
 */

export type Kernels = {
  /**
   * How many channels the layout for convolutions keeps together: that depends on the processor. 0 where it has none, or
   * none is to be used.
   */
  readonly channelBlock: number;
  /**
   * `BatchNormalization` gives the batch's own statistics, `MaxPool` its places, `Split` as many parts as wanted. WebGPU
   * refuses all three, and some of its transposed convolutions are wrong.
   */
  readonly manyOutputs: boolean;
};

/** The CPU's, without a layout of the processor's own. */
export const plainKernels: Kernels = { channelBlock: 0, manyOutputs: true };

/** What every engine has. */
export const commonKernels: Kernels = { channelBlock: 0, manyOutputs: false };
