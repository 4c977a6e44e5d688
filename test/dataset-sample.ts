/**
 * Reports on data sets with every field in use, for the tests of schemas and texts.
 */
import type { DatasetLmdbReport, DatasetShowReport } from "../src/report/dataset.ts";

export function sampleDatasetShow(): DatasetShowReport {
  return {
    schema: "inlay.dataset-show/1",
    source: "pictures/<train>",
    samples: 1000,
    labelled: 998,
    classes: ["cat", "dog & wolf"],
    labels: [
      { label: 0, name: "cat", count: 500 },
      { label: 1, name: "dog & wolf", count: 498 },
      { label: null, name: null, count: 2 },
    ],
    looked: 256,
    sizes: [
      { width: 32, height: 24, channels: 3, count: 200 },
      { width: 16, height: 16, channels: 3, count: 55 },
    ],
    mean: [125.31, 122.95, 113.87],
    std: [62.99, 62.09, 66.7],
    first: [
      { name: "cat/1.jpg", label: 0, width: 32, height: 24, channels: 3 },
      { name: "cat/2.jpg", label: null, width: null, height: null, channels: null },
    ],
    unreadable: {
      count: 3,
      samples: [{ name: "cat/2.jpg", reason: "cat/2.jpg: the picture is truncated" }],
    },
    warnings: [{ id: "label-missing", message: "2 lines have no label", where: "list.txt:4" }],
  };
}

export function sampleDatasetLmdb(): DatasetLmdbReport {
  return {
    schema: "inlay.dataset-lmdb/1",
    source: "train.txt",
    out: "train_lmdb",
    files: ["train_lmdb/data.mdb", "train_lmdb/mean.binaryproto"],
    records: 1000,
    width: 32,
    height: 24,
    channels: 3,
    encoding: "encoded",
    kept: 990,
    shuffleSeed: 7,
    labels: [
      { label: 0, name: null, count: 500 },
      { label: 5, name: null, count: 500 },
    ],
    bytes: 4_321_280,
    mean: [113.87, 122.95, 125.31],
    warnings: [],
  };
}
