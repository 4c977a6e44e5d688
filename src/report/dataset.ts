/**
 * Reports on data sets, as plain JSON. `dataset-schema.ts` says the same as JSON Schema.
 */
/** As `ReportWarning`. */
type DatasetWarning = {
  readonly id: string;
  readonly message: string;
  readonly where: string | null;
};

/** How often a label occurs. */
export type LabelCount = {
  /** Null: samples without a label. */
  readonly label: number | null;
  /** The class's name, where the data set knows it. */
  readonly name: string | null;
  readonly count: number;
};

/** How many of the pictures that were looked at have this size. */
export type SizeCount = {
  readonly width: number;
  readonly height: number;
  /** 1 gray, 3 colour. */
  readonly channels: number;
  readonly count: number;
};

export type SampleRow = {
  readonly name: string;
  readonly label: number | null;
  /** Null where the picture cannot be read. */
  readonly width: number | null;
  readonly height: number | null;
  readonly channels: number | null;
};

/** `inlay dataset show`: what is in a data set. */
export type DatasetShowReport = {
  readonly schema: "inlay.dataset-show/1";
  /** As the user gave it. */
  readonly source: string;
  readonly samples: number;
  /** Samples that have a label. */
  readonly labelled: number;
  readonly classes: readonly string[] | null;
  /** By label. */
  readonly labels: readonly LabelCount[];
  /** Pictures that were decoded, evenly spread; sizes, means and deviations are theirs. */
  readonly looked: number;
  /** Most frequent first. */
  readonly sizes: readonly SizeCount[];
  /** Of all their pixels, red, green, blue or gray, 0..255; null where gray and colour are mixed, or none was read. */
  readonly mean: readonly number[] | null;
  readonly std: readonly number[] | null;
  readonly first: readonly SampleRow[];
  readonly unreadable: {
    readonly count: number;
    /** The first ones. */
    readonly samples: readonly { readonly name: string; readonly reason: string }[];
  };
  readonly warnings: readonly DatasetWarning[];
};

/** `inlay dataset lmdb`: what was written. */
export type DatasetLmdbReport = {
  readonly schema: "inlay.dataset-lmdb/1";
  readonly source: string;
  readonly out: string;
  /** Written files. */
  readonly files: readonly string[];
  readonly records: number;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly encoding: "raw" | "encoded";
  /** Records that hold the picture's own file, byte for byte; the other encoded ones are PNG. */
  readonly kept: number;
  /** Seed of the order; null: the source's order. */
  readonly shuffleSeed: number | null;
  readonly labels: readonly LabelCount[];
  /** Bytes of the database. */
  readonly bytes: number;
  /** Means of the mean picture's planes: blue, green, red, or gray. */
  readonly mean: readonly number[];
  readonly warnings: readonly DatasetWarning[];
};
