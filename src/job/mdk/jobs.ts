/**
 * What the MDK's commands take: plain data.
 */
import type { caffeEnums } from "../../formats/caffe/schema/enums.ts";
import type { InputFlags } from "./input-unit.ts";

type TrainFiles = {
  /** The training prototxt, with its data layer, and its weights. */
  readonly prototxt: string;
  readonly caffemodel: string;
  /** Folder that outputs and relative sources start from; "" is the process's own. */
  readonly folder: string;
  /** Whose data layer gives the pictures. */
  readonly phase: keyof typeof caffeEnums.Phase;
  /** The kit's exact behaviour. */
  readonly likeMdk: boolean;
  /** Write over existing files. */
  readonly force: boolean;
};

export type CalibrateQuantReluJob = TrainFiles & {
  /** Batches of the data layer's size: 20 by default, 10 like the kit's script. */
  readonly numBatches?: number | undefined;
  /** 0..1; 0.999 by default. */
  readonly percentile?: number | undefined;
};

export type RefineNetworkJob = TrainFiles &
  InputFlags & {
    /** 5 or 10; by default what the QuantReLU layers have. */
    readonly actBits?: number | undefined;
    /** The last activation in steps of 1/32; by default where the last QuantReLU alone has 10 bits. */
    readonly lastLayer10bit?: boolean | undefined;
  };
