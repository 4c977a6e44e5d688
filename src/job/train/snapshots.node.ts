/**
 * Snapshots of a run as Caffe names them: `<prefix>_iter_<n>.caffemodel` and `.solverstate`, both or none.
 */
import { basename, dirname, join } from "node:path";
import { sortedEntries, statOrNothing } from "../../data/files.node.ts";
import { inputError } from "../../error.ts";
import type { NamedBytes } from "../../formats/caffe/files.ts";
import { encodeNet } from "../../formats/caffe/kit-numbers.ts";
import { caffeSchema, type NetParameter } from "../../formats/caffe/schema/schema.ts";
import {
  type HistoryBlob,
  readSolverState,
  writeSolverState,
} from "../../formats/caffe/solver-state.ts";
import { stateToCaffemodel } from "../../formats/caffe/write-trained.ts";
import type { TrainingNetwork } from "../../ir/training.ts";
import { initialState } from "../../ir/training-state.ts";
import { decode } from "../../protobuf/decode.ts";
import { elementCount } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { learnedParameters } from "../../train/learned-parameters.ts";
import { currentStep } from "../../train/solver/learning-rate.ts";
import type { SolverSettings } from "../../train/solver/settings.ts";
import { historiesOf } from "../../train/solver/updates.ts";
import { historyKey } from "../../train/step.ts";
import type { RunState } from "../../train/trainer.ts";
import type { FileContent } from "../file-content.ts";
import { readFileBounded, writeFolderAtomic } from "../files.node.ts";
import { maxModelBytes, pathFrom } from "./find-file.node.ts";
import type { SolverFile } from "./solver-file.node.ts";

/** What a run's snapshots are made with. */
export type SnapshotMaker = Pick<SolverFile, "settings" | "prefix" | "shownPrefix"> & {
  readonly net: NetParameter;
  /** Every blob of the network, in Caffe's order. */
  readonly blobs: readonly HistoryBlob[];
};

/** The blobs of a network that has been read. */
export function blobsOf(network: TrainingNetwork): readonly HistoryBlob[] {
  return [...initialState(network)].map(([key, { shape }]) => ({ key, shape }));
}

/** Paths as they are opened, model first. */
function snapshotPaths(prefix: string, iteration: number): readonly [string, string] {
  const stem = `${prefix}_iter_${iteration}`;
  return [`${stem}.caffemodel`, `${stem}.solverstate`];
}

/** Writes both files; older snapshots stay. A work error where that fails, with nothing half written. */
export async function writeSnapshot(
  { settings, prefix, shownPrefix, net, blobs }: SnapshotMaker,
  { iteration, values }: RunState,
): Promise<readonly [string, string]> {
  const paths = snapshotPaths(prefix, iteration);
  const [learnedNet] = snapshotPaths(shownPrefix, iteration);
  const state = {
    ...{ iteration, learnedNet, histories: values },
    // Caffe counts the steps when it computes the rate: at the iteration before.
    currentStep: currentStep(settings.schedule, Math.max(0, iteration - 1)),
  };
  const [model, solver] = paths.map((path) => basename(path));
  const files = new Map<string, FileContent>([
    [model ?? "", encodeNet(stateToCaffemodel(net, values))],
    [solver ?? "", writeSolverState(state, blobs, historiesOf(settings))],
  ]);
  await writeFolderAtomic(dirname(prefix), files);
  return paths;
}

/** The solver state of the newest complete snapshot with this prefix. */
export function newestSnapshot(prefix: string): string | undefined {
  const folder = dirname(prefix);
  if (statOrNothing(folder)?.isDirectory() !== true) return undefined;
  const names = new Set(sortedEntries(folder).map(({ name }) => name));
  const stem = `${basename(prefix)}_iter_`;
  const iterations = [...names].flatMap((name) => {
    const [, count] = name.startsWith(stem)
      ? (/^(\d+)\.solverstate$/.exec(name.slice(stem.length)) ?? [])
      : [];
    return count !== undefined && names.has(`${stem}${count}.caffemodel`) ? [Number(count)] : [];
  });
  if (iterations.length === 0) return undefined;
  const newest = iterations.reduce((a, b) => Math.max(a, b));
  return snapshotPaths(prefix, newest)[1];
}

export type StoredSnapshot = {
  readonly solverstate: NamedBytes;
  /** Path of the weights that belong to it. */
  readonly caffemodel: string;
};

/** The solver state's file, and where its weights are: beside it, or else where it says. */
export async function openSnapshot(path: string, folder: string): Promise<StoredSnapshot> {
  const solverstate = { name: path, bytes: await readFileBounded(path, maxModelBytes) };
  const { learned_net: learned } = decode(caffeSchema, "SolverState", solverstate.bytes, {
    file: path,
  });
  if (learned === undefined || learned === "") {
    throw inputError("the solver state names no caffemodel", { where: path });
  }
  // Names with the separators of another system too.
  const name = learned.replace(/^.*[/\\]/, "");
  const places = [join(dirname(path), name), pathFrom(folder, learned)];
  const caffemodel = places.find((place) => statOrNothing(place)?.isFile() === true);
  if (caffemodel !== undefined) return { solverstate, caffemodel };
  throw inputError("the caffemodel of the solver state does not exist", {
    ...{ where: path, got: learned },
    hint: "Put it beside the solver state",
  });
}

/**
 * Where a run begins: the network's values as they were read, and histories from a solver state, or zeros. Throws where
 * the solver state belongs to another network or another type of solver.
 */
export function beginning(
  network: TrainingNetwork,
  settings: SolverSettings,
  solverstate: NamedBytes | undefined,
): RunState {
  const values = new Map<string, Tensor<"float32">>(initialState(network));
  const perBlob = historiesOf(settings);
  const stored = solverstate && readSolverState(solverstate, blobsOf(network), perBlob);
  for (const { key } of learnedParameters(network)) {
    const shape = values.get(key)?.shape ?? [];
    for (let index = 0; index < perBlob; index += 1) {
      const name = historyKey(key, index);
      const zeros = (): Tensor<"float32"> => float32(shape, new Float32Array(elementCount(shape)));
      values.set(name, stored?.histories.get(name) ?? zeros());
    }
  }
  return { iteration: stored?.iteration ?? 0, values };
}
