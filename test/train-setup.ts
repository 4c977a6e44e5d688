/**
 * A folder with a small network to train: databases of drawn pictures, a mean image, a prototxt, a solver, and the
 * command line in it.
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main } from "../src/cli/main.ts";
import { encodeNet } from "../src/formats/caffe/kit-numbers.ts";
import { caffeBlobMessages } from "../src/protobuf/caffe-blob.ts";
import { encode } from "../src/protobuf/encode.ts";
import { createRandom } from "../src/tensor/random.ts";
import type { Outcome } from "./run-cli.ts";
import { type Picture, writeLmdb } from "./write-lmdb.ts";

export const side = 10;
const classes = 3;

/** Noise with a bright spot, whose place is the class. */
export function drawnPicture(index: number): Picture {
  const label = index % classes;
  const random = createRandom(11, index);
  const data = Uint8Array.from({ length: 3 * side * side }, (_, at) => {
    const [x, y] = [at % side, Math.floor(at / side) % side];
    const isSpot = Math.abs(x - 2 - 2 * label) <= 1 && Math.abs(y - 5) <= 1;
    return random.below(90) + (isSpot ? 120 : 0);
  });
  return { channels: 3, height: side, width: side, data, label };
}

const blobSchema = { enums: {}, messages: caffeBlobMessages } as const;

/** Makes the folder: `train_lmdb` (30 pictures), `test_lmdb` (12), `mean.binaryproto`, `net.prototxt`. */
export function trainFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "inlay-train-"));
  const pictures = (from: number, count: number): readonly Picture[] =>
    Array.from({ length: count }, (_, at) => drawnPicture(from + at));
  writeLmdb(join(folder, "train_lmdb"), pictures(0, 30));
  writeLmdb(join(folder, "test_lmdb"), pictures(100, 12));
  const data = Float32Array.from({ length: 3 * side * side }, (_, at) => 40 + (at % 7));
  const mean = { num: 1, channels: 3, height: side, width: side, data };
  writeFileSync(join(folder, "mean.binaryproto"), encode(blobSchema, "BlobProto", mean));
  writeFileSync(join(folder, "net.prototxt"), netText());
  return folder;
}

type NetParts = {
  readonly transform?: string;
  /** Layers between the pooling and the last one, from blob "pool" to "pool". */
  readonly middle?: string;
  readonly trainSource?: string;
};

/** Convolution, batch norm, pooling, inner product; accuracy in both phases. */
export function netText({
  transform,
  middle = "",
  trainSource = "train_lmdb",
}: NetParts = {}): string {
  const data = (phase: string, source: string, batch: number): string => `layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: ${phase} }
  data_param { source: "${source}" backend: LMDB batch_size: ${batch} }
  transform_param { ${transform ?? "mean_value: 64 scale: 0.015625"} } }\n`;
  return `name: "small"
${data("TRAIN", trainSource, 6)}${data("TEST", "test_lmdb", 4)}
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
${middle}
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: ${classes} weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }
`;
}

/** A solver; `more` comes last, and its keys replace those before. */
export function solverText(more: Readonly<Record<string, string | number>> = {}): string {
  const keys = {
    ...{ net: '"net.prototxt"', test_iter: 3, test_interval: 5, base_lr: 0.05, lr_policy: '"inv"' },
    ...{ gamma: 0.01, power: 0.75, momentum: 0.9, weight_decay: 0.001, display: 1, max_iter: 10 },
    ...{ snapshot_prefix: '"out/small"', random_seed: 5, solver_mode: "CPU" },
    ...more,
  };
  return Object.entries(keys)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join("");
}

export type World = {
  readonly signal?: AbortSignal;
  /** Gets what goes to stdout as it comes. */
  readonly onOut?: (text: string) => void;
};

/** Runs `inlay ...argv` in the folder. */
export async function inlayIn(
  cwd: string,
  argv: readonly string[],
  world: World = {},
): Promise<Outcome> {
  let [out, err] = ["", ""];
  const code = await main(argv, {
    stdout: (text) => {
      out += text;
      world.onOut?.(text);
    },
    stderr: (text) => {
      err += text;
    },
    isTty: { stdout: false, stderr: false },
    columns: undefined,
    env: {},
    cwd,
    signal: world.signal ?? new AbortController().signal,
  });
  return { code, out, err };
}

/** Writes a solver under this name and trains by it. */
export async function trainIn(
  folder: string,
  settings: Readonly<Record<string, string | number>>,
  argv: readonly string[] = [],
  world: World = {},
): Promise<Outcome> {
  writeFileSync(join(folder, "solver.prototxt"), solverText(settings));
  return await inlayIn(folder, ["train", "--solver=solver.prototxt", ...argv], world);
}

/** Both files of a snapshot. */
export function snapshotBytes(folder: string, stem: string): readonly Buffer[] {
  return ["caffemodel", "solverstate"].map((ending) =>
    readFileSync(join(folder, `${stem}.${ending}`)),
  );
}

/** Writes a caffemodel of layers with float blobs. */
export function writeModel(
  path: string,
  layers: readonly {
    readonly name: string;
    readonly blobs: readonly { readonly dim: readonly number[]; readonly data: Float32Array }[];
  }[],
): void {
  const layer = layers.map(({ name, blobs }) => ({
    name,
    blobs: blobs.map(({ dim, data }) => ({ shape: { dim }, data })),
  }));
  writeFileSync(path, Buffer.concat(encodeNet({ layer })));
}
