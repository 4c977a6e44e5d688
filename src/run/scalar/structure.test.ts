import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import type { Op, Ops } from "../../ir/ops.ts";
import { int64, type Tensor, tensor, toNumbers } from "../../tensor/tensor.ts";
import { stridedIndices, strides } from "./indices.ts";
import { runScalar } from "./run-scalar.ts";

function output<K extends Op>(op: K, attrs: Ops[K], fed: readonly Tensor[]): Tensor {
  const { graph, feeds } = smallGraph(op, attrs, fed);
  return runScalar(graph, feeds).get("y")!;
}
/** 0, 1, 2, ... as bytes, so that every result shows where its elements came from. */
function bytes(...shape: number[]): Tensor<"uint8"> {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    "uint8",
    shape,
    Uint8Array.from({ length: count }, (_, at) => at),
  );
}
const dims = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

it("strides in C order give every place once", () => {
  fc.assert(
    fc.property(dims, (shape) => {
      expect([...stridedIndices(shape, strides(shape))]).toEqual(
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => at),
      );
    }),
  );
});

it("slices of a concatenation are its parts", () => {
  fc.assert(
    fc.property(dims, fc.nat(3), fc.integer({ min: 1, max: 3 }), (shape, place, extra) => {
      const axis = place % shape.length;
      const [a, b] = [bytes(...shape), bytes(...shape.with(axis, extra))];
      const joined = output("concat", { axis }, [a, b]);
      const middle = shape[axis]!;
      expect(output("slice", { axis, start: 0, end: middle }, [joined])).toEqual(a);
      expect(output("slice", { axis, start: middle, end: middle + extra }, [joined])).toEqual(b);
    }),
  );
});

it("a transposition and its inverse give the tensor back", () => {
  const shapes = fc
    .tuple(dims, fc.nat())
    .chain(([shape]) =>
      fc.tuple(
        fc.constant(shape),
        fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
      ),
    );
  fc.assert(
    fc.property(shapes, ([shape, perm]) => {
      const x = bytes(...shape);
      const inverse = perm.map((_, axis) => perm.indexOf(axis));
      expect(output("transpose", { perm: inverse }, [output("transpose", { perm }, [x])])).toEqual(
        x,
      );
    }),
  );
});

describe("element types", () => {
  it("64-bit integers pass through", () => {
    const x = int64([2, 2], [1, 2, 3, 2 ** 53]);
    const turned = output("transpose", { perm: [1, 0] }, [x]);
    expect(turned.dtype).toBe("int64");
    expect(toNumbers(turned)).toEqual([1, 3, 2, 2 ** 53]);
    expect(toNumbers(output("concat", { axis: 0 }, [x, x]))).toHaveLength(8);
    expect(output("flatten", { axis: 0, endAxis: -1 }, [x]).shape).toEqual([4]);
  });
  it("integers of different types do not join", () => {
    const signed = tensor("int8", [1], Int8Array.of(1));
    expect(() => output("concat", { axis: 0 }, [bytes(1), signed])).toThrow(/concat "y"/);
  });
});

it("pads keep the element type", () => {
  const y = output("pad", { pads: [0, 1, 1, 0], value: 9 }, [bytes(1, 1, 1, 2)]);
  expect(y.shape).toEqual([1, 1, 2, 3]);
  expect([y.dtype, ...toNumbers(y)]).toEqual(["uint8", 9, 0, 1, 9, 9, 9]);
});

it("pictures become planes", () => {
  const y = output("imageToTensor", {}, [bytes(1, 1, 2, 3)]);
  expect(y.shape).toEqual([1, 3, 1, 2]);
  expect([y.dtype, ...toNumbers(y)]).toEqual(["float32", 0, 3, 1, 4, 2, 5]);
});
