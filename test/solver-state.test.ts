/** Solver states that Caffe wrote: read, written back, compared. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readSolverState, writeSolverState } from "../src/formats/caffe/solver-state.ts";
import { bytesOf, joinBytes } from "../src/tensor/chunks.ts";
import { vectorsFolder } from "./vectors.ts";

const dataFolder = process.env["INLAY_DATA"];

describe.skipIf(vectorsFolder === undefined)("the reference's solver state (INLAY_VECTORS)", () => {
  it("is read, and written byte for byte", () => {
    const name = "tiny_solver_iter_3.solverstate";
    const bytes = new Uint8Array(readFileSync(join(vectorsFolder ?? "", "files", name)));
    const blobs = [
      { key: "fc/0", shape: [1, 2] },
      { key: "fc/1", shape: [1] },
    ];
    const state = readSolverState({ name, bytes }, blobs, 1);
    expect(state).toMatchObject({
      iteration: 3,
      learnedNet: "tiny_solver_iter_3.caffemodel",
      currentStep: 1,
    });
    const written = joinBytes(writeSolverState(state, blobs, 1));
    // Behind it the fork has fields of its own, which are of no use here.
    expect(written).toEqual(bytes.subarray(0, written.length));
    expect(bytes.length - written.length).toBe(16);
  });
});

describe.skipIf(dataFolder === undefined)("LeNet's solver state (INLAY_DATA)", () => {
  const name = "lenet_iter_10000.solverstate";
  const blobs = [
    { key: "conv1/0", shape: [20, 1, 5, 5] },
    { key: "conv1/1", shape: [20] },
    { key: "conv2/0", shape: [50, 20, 5, 5] },
    { key: "conv2/1", shape: [50] },
    { key: "ip1/0", shape: [500, 800] },
    { key: "ip1/1", shape: [500] },
    { key: "ip2/0", shape: [10, 500] },
    { key: "ip2/1", shape: [10] },
  ];

  it("of four dimensions each is read, and the same after it was written", () => {
    const path = join(dataFolder ?? "", "models", "lenet", name);
    const bytes = new Uint8Array(readFileSync(path));
    const state = readSolverState({ name, bytes }, blobs, 1);
    expect(state).toMatchObject({
      iteration: 10_000,
      learnedNet: "examples/mnist/lenet_iter_10000.caffemodel",
    });
    const again = joinBytes(writeSolverState(state, blobs, 1));
    const reread = readSolverState({ name, bytes: again }, blobs, 1);
    expect([reread.iteration, reread.currentStep]).toEqual([state.iteration, state.currentStep]);
    for (const [key, { shape, data }] of state.histories) {
      const other = reread.histories.get(key);
      expect(other?.shape).toEqual(shape);
      const same = other !== undefined && Buffer.compare(bytesOf(other.data), bytesOf(data)) === 0;
      expect(same, key).toBe(true);
      expect(data.some((value) => value !== 0)).toBe(true);
    }
  });
});
