/**
 * Gradients of convolutions in the geometries that have a way of their own: all strides and dilations 1, one pixel.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { ConvAttrs } from "../src/ir/ops.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { findKernels } from "../src/train/find-kernels.ts";
import { gradientModel, gradientName } from "../src/train/gradient-model.ts";
import { plainKernels } from "../src/train/kernels.ts";
import { checkGradients, runModel } from "./gradient-check.ts";
import { normals } from "./small-case.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";
import { expectClose } from "./within.ts";

type Geometry = {
  readonly n: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly size: readonly [h: number, w: number];
  readonly kernel: readonly [h: number, w: number];
  readonly attrs: ConvAttrs;
};

const upTo = (max: number, min = 1): fc.Arbitrary<number> => fc.integer({ min, max });

function convolution(geometry: Geometry, seed: number): SmallGraph {
  const { n, inputs, outputs, size, kernel, attrs } = geometry;
  const weight = normals(seed + 1, [outputs, inputs / attrs.groups, ...kernel]);
  return smallGraph(
    "conv",
    attrs,
    [normals(seed, [n, inputs, ...size])],
    [weight, normals(seed + 2, [outputs])],
  );
}

async function holds(geometries: fc.Arbitrary<Geometry>, runs = 60, sample = 40): Promise<void> {
  const property = fc.asyncProperty(geometries, fc.nat(2 ** 20), (geometry, seed) => {
    const { graph, feeds } = convolution(geometry, seed);
    return checkGradients(graph, feeds, { wanted: ["x0", "c0", "c1"], seed, sample });
  });
  await fc.assert(property, { numRuns: runs });
}

const plain = { stride: [1, 1], dilation: [1, 1], groups: 1 } as const;

describe("gradients of a convolution", () => {
  /** Rows out as rows in, the pads split in every way. */
  const keepingRows = (
    channels: fc.Arbitrary<number>,
    most: number,
    kernels: number,
  ): fc.Arbitrary<Geometry> =>
    fc
      .record({
        n: upTo(2),
        inputs: channels,
        outputs: channels,
        size: fc.tuple(upTo(most), upTo(most)),
      })
      .chain((base) =>
        fc.tuple(upTo(kernels), upTo(kernels, 2)).chain(([kh, kw]) =>
          fc.tuple(upTo(kh - 1, 0), upTo(kw - 1, 0), upTo(kw - 1, 0)).map(
            ([top, left, right]): Geometry => ({
              ...base,
              size: [base.size[0], Math.max(base.size[1], kw - left - right)],
              kernel: [kh, kw],
              attrs: { ...plain, pads: [top, left, kh - 1 - top, right] },
            }),
          ),
        ),
      );

  it("of few channels", () => holds(keepingRows(upTo(4), 6, 5)));

  it("of many channels", () => holds(keepingRows(fc.constantFrom(16, 17), 4, 3), 30, 6));

  it("depthwise, with dilation", async () => {
    const geometries = fc
      .record({
        groups: upTo(3, 2),
        size: fc.tuple(upTo(6, 3), upTo(6, 3)),
        kernel: fc.tuple(upTo(3), upTo(3)),
        dilation: fc.tuple(upTo(2), upTo(2)),
        pads: fc.tuple(upTo(2, 0), upTo(2, 0), upTo(2, 0), upTo(2, 0)),
      })
      .filter(({ size, kernel, dilation, pads }) =>
        [0, 1].every(
          (at) => size[at]! + pads[at]! + pads[at + 2]! > (kernel[at]! - 1) * dilation[at]!,
        ),
      )
      .map(
        ({ groups, size, kernel, dilation, pads }): Geometry => ({
          ...{ n: 2, inputs: groups, outputs: groups, size, kernel },
          attrs: { stride: [1, 1], dilation, groups, pads },
        }),
      );
    await holds(geometries);
  });

  it("of one pixel, by channels and by groups, with and without a stride", async () => {
    const geometries = fc
      .record({
        n: upTo(3),
        groups: upTo(3),
        inner: upTo(3),
        outer: upTo(3),
        size: fc.tuple(upTo(6), upTo(6)),
        stride: fc.tuple(upTo(2), upTo(2)),
      })
      .map(
        ({ n, groups, inner, outer, size, stride }): Geometry => ({
          ...{ n, inputs: groups * inner, outputs: groups * outer, size, kernel: [1, 1] },
          attrs: { stride, dilation: [1, 1], groups, pads: [0, 0, 0, 0] },
        }),
      );
    await holds(geometries);
  });

  it("whose pads are wider than its kernel", async () => {
    const geometries = fc
      .tuple(upTo(3), upTo(3), fc.tuple(upTo(4, 0), upTo(4, 0), upTo(4, 0), upTo(4, 0)))
      .map(
        ([inputs, outputs, pads]): Geometry => ({
          ...{ n: 2, inputs, outputs, size: [3, 4], kernel: [2, 3] },
          attrs: { ...plain, pads },
        }),
      );
    await holds(geometries, 40);
  });
});

describe("the runtime's own layout", () => {
  it("gives what plain convolutions give, forward and backward", async () => {
    const runtime = await nodeRuntime({ threads: 1 });
    const own = await findKernels(runtime);
    const { channelBlock: block } = own;
    if (block === 0) return;
    const geometries = fc
      .record({
        n: upTo(2),
        kernel: fc.tuple(upTo(3), upTo(3)),
        size: fc.tuple(upTo(5, 3), upTo(5, 3)),
        stride: fc.tuple(upTo(2), upTo(2)),
        pads: fc.tuple(upTo(2, 0), upTo(2, 0), upTo(2, 0), upTo(2, 0)),
        channels: fc.constantFrom<readonly [inputs: number, outputs: number, groups: number]>(
          ...([
            [1, 1, 1],
            [2, 1, 1],
            [1, 3, 1],
            [2, 4, 2],
            [2, 2, 2 * block],
            [3 / block, 2, 1],
          ] as const),
        ),
      })
      .map(
        ({ n, kernel, size, stride, pads, channels: [inputs, outputs, groups] }): Geometry => ({
          ...{ n, size, kernel, inputs: inputs * block, outputs: outputs * block },
          attrs: { stride, dilation: [1, 1], groups, pads },
        }),
      );
    const property = fc.asyncProperty(geometries, fc.nat(2 ** 20), async (geometry, seed) => {
      const { graph, feeds } = convolution(geometry, seed);
      const wanted = ["x0", "c0", "c1"];
      const dy = normals(seed + 3, inferTypes(graph).get("y")?.shape ?? []);
      const constants = graph.nodes.flatMap((node): [string, Tensor][] =>
        node.op === "const" ? [[node.id, node.attrs.tensor]] : [],
      );
      const given = new Map<string, Tensor>([...feeds, ...constants, [gradientName("y"), dy]]);
      const [plainly, blocked] = [plainKernels, own].map((kernels) =>
        gradientModel(graph, wanted, [], { kernels }),
      );
      expect(blocked).not.toEqual(plainly);
      const want = await runModel(plainly ?? new Uint8Array(), given);
      const got = await runModel(blocked ?? new Uint8Array(), given);
      for (const [name, value] of want) expectClose(got.get(name), value, 1e-5);
    });
    await fc.assert(property, { numRuns: 60 });
  });
});
