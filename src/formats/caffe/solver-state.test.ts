import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode } from "../../protobuf/encode.ts";
import { joinBytes } from "../../tensor/chunks.ts";
import { float32 } from "../../tensor/tensor.ts";
import { caffeSchema } from "./schema/schema.ts";
import { readSolverState, type SolverState, writeSolverState } from "./solver-state.ts";

const blobs = [
  { key: "conv/0", shape: [2, 1, 1, 2] },
  { key: "conv/1", shape: [2] },
];

const written = (state: SolverState, perBlob: number): Uint8Array =>
  joinBytes(writeSolverState(state, blobs, perBlob));

const read = (bytes: Uint8Array, perBlob: number): SolverState =>
  readSolverState({ name: "a.solverstate", bytes }, blobs, perBlob);

const state: SolverState = {
  iteration: 7,
  learnedNet: "a_iter_7.caffemodel",
  currentStep: 2,
  histories: new Map([
    ["conv/0#0", float32([2, 1, 1, 2], [1, 2, 3, 4])],
    ["conv/1#0", float32([2], [5, 6])],
    ["conv/0#1", float32([2, 1, 1, 2], [7, 8, 9, 10])],
    ["conv/1#1", float32([2], [11, 12])],
  ]),
};

describe("writeSolverState", () => {
  it("is read back as it was", () => {
    expect(read(written(state, 2), 2)).toEqual(state);
  });

  it("has all first histories before the second ones, and zeros for what has none", () => {
    const histories = new Map([...state.histories].filter(([key]) => key !== "conv/1#0"));
    const bytes = written({ ...state, histories }, 2);
    const order = [1, 2, 3, 4, 0, 0, 7, 8, 9, 10, 11, 12].map((value) => float32([1], [value]));
    const flat = [...read(bytes, 2).histories.values()].flatMap(({ data }) => [...data]);
    expect(flat).toEqual(order.flatMap(({ data }) => [...data]));
  });

  it("refuses a history of another size", () => {
    const histories = new Map([["conv/1#0", float32([3], [1, 2, 3])]]);
    expect(() => written({ ...state, histories }, 1)).toThrow("conv/1#0");
  });
});

describe("readSolverState", () => {
  it("says how many histories it wants", () => {
    expect(() => read(written(state, 2), 1)).toThrow(
      "a.solverstate: the solver state has another number of histories: expected 2 (1 for each of 2 blobs), got 4",
    );
  });

  it("names the blob whose history has another shape", () => {
    const other = [{ key: "conv/0", shape: [2, 1, 2, 1, 3] }, blobs[1] ?? { key: "", shape: [] }];
    const bytes = joinBytes(writeSolverState({ ...state, histories: new Map() }, other, 1));
    expect(() => read(bytes, 1)).toThrow(
      'history 0 (blob "conv/0"): a history has another shape than its blob: expected 2x1x1x2, got 2x1x2x1x3',
    );
  });

  it("takes shapes of four dimensions", () => {
    const bytes = encode(caffeSchema, "SolverState", {
      iter: 3,
      history: [
        { num: 2, channels: 1, height: 1, width: 2, data: Float32Array.of(1, 2, 3, 4) },
        { num: 1, channels: 1, height: 1, width: 2, data: Float32Array.of(5, 6) },
      ],
    });
    expect(read(bytes, 1).histories.get("conv/1#0")).toEqual(float32([2], [5, 6]));
  });

  it.each([
    ["nothing", new Uint8Array(0), "the file is empty"],
    ["an iteration below 0", encode(caffeSchema, "SolverState", { iter: -1 }), "below 0"],
    [
      "fewer values than the shape says",
      encode(caffeSchema, "SolverState", {
        history: [{ shape: { dim: [2 ** 30] }, data: Float32Array.of(1) }, {}],
      }),
      'history 0 (blob "conv/0")',
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => read(bytes, 1)).toThrow(message);
  });

  it("gives one clear error for every damaged file", () => {
    const whole = written(state, 2);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const damaged = whole.slice();
        damaged[at] = byte;
        for (const bytes of [damaged, whole.subarray(0, at)]) {
          try {
            read(bytes, 2);
          } catch (error) {
            expect(error).toHaveProperty("fields.kind", "input");
          }
        }
      }),
    );
  });
});
