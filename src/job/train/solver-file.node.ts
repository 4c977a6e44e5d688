/**
 * A solver's file: its settings, and the network files that it names.
 */
import { statOrNothing } from "../../data/files.node.ts";
import {
  type NamedBytes,
  readCaffemodel,
  readPrototxt,
  writeCaffemodel,
  writePrototxt,
} from "../../formats/caffe/files.ts";
import { layersOf } from "../../formats/caffe/read.ts";
import type { OnWarning } from "../../notice.ts";
import type { SolverNets } from "../../train/solver/nets.ts";
import { readSolver, type SolverSettings } from "../../train/solver/settings.ts";
import { readFileBounded } from "../files.node.ts";
import { findFile, maxModelBytes, maxTextBytes, pathFrom } from "./find-file.node.ts";

export type SolverFile = {
  readonly path: string;
  readonly settings: SolverSettings;
  /** The snapshots' prefix as a path that can be opened, and as Caffe would write it into a solver state. */
  readonly prefix: string;
  readonly shownPrefix: string;
};

/** Reads a solver. `seed` takes the place of a `random_seed` that it does not give. */
export async function readSolverFile(
  path: string,
  folder: string,
  seed: number,
  onWarning: OnWarning,
): Promise<SolverFile> {
  const file = { name: path, bytes: await readFileBounded(path, maxTextBytes) };
  const solver = readPrototxt("SolverParameter", file, onWarning);
  const settings = readSolver(solver, path, {
    // The seed is not by chance but the caller's: there is nothing to warn of.
    onWarning: (warning) => warning.id !== "chosen-seed" && onWarning(warning),
    isFolder: (one) => statOrNothing(pathFrom(folder, one))?.isDirectory() === true,
    chooseSeed: () => seed,
  });
  const { snapshotPrefix } = settings;
  // Without a prefix of its own it is the solver's path, which can be opened as it is.
  const prefix =
    solver.snapshot_prefix === undefined ? snapshotPrefix : pathFrom(folder, snapshotPrefix);
  return { path, settings, prefix, shownPrefix: snapshotPrefix };
}

/** The prototxt of a network that the solver names or holds. */
export async function readNetSource(
  source: SolverNets["train"]["source"],
  solver: string,
  folder: string,
): Promise<NamedBytes> {
  if (source.kind === "inline") {
    const text = writePrototxt("NetParameter", source.net);
    return { name: solver, bytes: new TextEncoder().encode(text) };
  }
  const name = findFile(source.path, folder, solver, "net");
  return { name, bytes: await readFileBounded(name, maxTextBytes) };
}

/** Caffemodels as one; of layers that several have, the last one's count. Undefined for no files. */
export async function readWeights(paths: readonly string[]): Promise<NamedBytes | undefined> {
  const files: NamedBytes[] = [];
  for (const name of paths) {
    files.push({ name, bytes: await readFileBounded(name, maxModelBytes) });
  }
  if (files.length <= 1) return files[0];
  const layers = files.flatMap((file) => layersOf(readCaffemodel(file), file.name));
  const last = new Map(
    layers.filter(({ blobs }) => blobs.length > 0).map((layer) => [layer.name, layer]),
  );
  return { name: paths.join(", "), bytes: writeCaffemodel({ layer: [...last.values()] }) };
}
