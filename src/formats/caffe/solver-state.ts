/**
 * Caffe's .solverstate: where a run stands, and what its update rule remembers of each blob. Not the blobs themselves:
 * these are in the caffemodel that it names.
 */
import { inputError, workError } from "../../error.ts";
import { decode } from "../../protobuf/decode.ts";
import { encodeChunks } from "../../protobuf/encode.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import type { NamedBytes } from "./files.ts";
import { caffeSchema } from "./schema/schema.ts";
import { blobTensor } from "./weights.ts";

export type SolverState = {
  /** Iterations done. */
  readonly iteration: number;
  /** The caffemodel with the blobs of this moment, as the file names it. */
  readonly learnedNet: string | undefined;
  /** How often the rate of `step` and `multistep` had fallen. */
  readonly currentStep: number;
  /** History `index` of blob `key` as `key#index`. Missing ones are written as zeros. */
  readonly histories: ReadonlyMap<string, Tensor<"float32">>;
};

/** A blob that has histories: every blob of the network, frozen ones and the sums of batch norms included. */
export type HistoryBlob = { readonly key: string; readonly shape: Shape };

/**
 * A solver state for these blobs, in Caffe's order (by layer, then index), with `perBlob` histories each. Histories are
 * views of the bytes where they can be. Throws an input error, naming file and blob, where it belongs to another network
 * or solver.
 */
export function readSolverState(
  file: NamedBytes,
  blobs: readonly HistoryBlob[],
  perBlob: number,
): SolverState {
  if (file.bytes.length === 0) throw inputError("the file is empty", { where: file.name });
  const state = decode(caffeSchema, "SolverState", file.bytes, { file: file.name });
  const { iter = 0, learned_net: learnedNet, current_step: currentStep = 0, history } = state;
  if (iter < 0) {
    throw inputError("the iteration is below 0", { where: file.name, got: `${iter}` });
  }
  if (history.length !== blobs.length * perBlob) {
    throw inputError("the solver state has another number of histories", {
      where: file.name,
      expected: `${blobs.length * perBlob} (${perBlob} for each of ${blobs.length} blobs)`,
      got: `${history.length}`,
      hint: "Network and type of the solver must be those that wrote it",
    });
  }
  const histories = new Map<string, Tensor<"float32">>();
  for (const { key, shape, name } of historyOrder(blobs, perBlob)) {
    const blob = history[histories.size];
    if (blob === undefined) break;
    const node = `history ${histories.size} (blob "${key}")`;
    const found = blobTensor(blob, `${file.name}: ${node}`);
    // States of 2014 have four dimensions always.
    if (formatShape(squeeze(found.shape)) !== formatShape(squeeze(shape))) {
      throw inputError("a history has another shape than its blob", {
        where: file.name,
        node,
        expected: formatShape(shape),
        got: formatShape(found.shape),
        hint: "The state was written by a solver of another network",
      });
    }
    histories.set(name, float32(shape, found.data));
  }
  return { iteration: iter, learnedNet, currentStep, histories };
}

/** The file's bytes, as pieces. Throws a work error where a history does not have its blob's size. */
export function writeSolverState(
  state: SolverState,
  blobs: readonly HistoryBlob[],
  perBlob: number,
): Chunks {
  const history = historyOrder(blobs, perBlob).map(({ name, shape }) => {
    const count = elementCount(shape);
    const data = state.histories.get(name)?.data ?? new Float32Array(count);
    if (data.length === count) return { shape: { dim: shape }, data };
    throw workError("a history does not fit its blob", {
      node: name,
      expected: `${formatShape(shape)} = ${count}`,
      got: `${data.length}`,
    });
  });
  return encodeChunks(caffeSchema, "SolverState", {
    iter: state.iteration,
    learned_net: state.learnedNet,
    history,
    current_step: state.currentStep,
  });
}

/** Caffe's order: the first histories of all blobs, then the second ones. */
function historyOrder(
  blobs: readonly HistoryBlob[],
  perBlob: number,
): readonly (HistoryBlob & { readonly name: string })[] {
  return Array.from({ length: perBlob }, (_, index) =>
    blobs.map((blob) => ({ ...blob, name: `${blob.key}#${index}` })),
  ).flat();
}

function squeeze(shape: Shape): Shape {
  return shape.filter((dim) => dim !== 1);
}
