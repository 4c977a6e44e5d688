/**
 * `inlay run MODEL PICTURES` as plain data: the best classes of each picture, from the exact simulation.
 */

export type PredictedClass = {
  /** The class, counted from 0. */
  readonly index: number;
  /** Of the model's labels; null where it has none. */
  readonly id: string | null;
  readonly name: string | null;
  readonly score: number;
};

export type PredictReport = {
  readonly schema: "inlay.predict/1";
  readonly model: string;
  readonly target: string;
  readonly images: string;
  /** False where rules were waived when the model was made. */
  readonly deployable: boolean;
  readonly waived: readonly string[];
  /** A narrower accumulator than exact; null where sums are exact. */
  readonly accumulator: { readonly bits: number; readonly overflow: string } | null;
  readonly pictures: readonly {
    readonly name: string;
    /** The picture's own class; null where it has none. */
    readonly label: number | null;
    /** Best first, five at most. */
    readonly best: readonly PredictedClass[];
  }[];
  /** As `ReportWarning`. */
  readonly warnings: readonly {
    readonly id: string;
    readonly message: string;
    readonly where: string | null;
  }[];
};
