/**
 * Random ONNX operators, run by ONNX Runtime as they are and through our reader and lowering: what
 * the table takes over must mean the same.
 */
import fc from "fast-check";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { encode } from "../../protobuf/encode.ts";
import { float32, int64, type Tensor } from "../../tensor/tensor.ts";
import { type Attributes, encodeAttributes, float, floats, int, ints, text } from "./attribute.ts";
import { lowerToOnnx } from "./lower.ts";
import { readOnnx } from "./read.ts";
import { onnxSchema } from "./schema.ts";
import { tensorMessage } from "./tensor-message.ts";

/** One node "y" on the input "x", with constants "c1", "c2", ... (undefined ones are left out). */
type Single = {
  readonly opType: string;
  readonly opset: number;
  readonly shape: readonly number[];
  readonly constants?: readonly (Tensor | undefined)[];
  readonly attributes?: Attributes;
};

const tolerance = 2e-5;

function modelOf({ opType, opset, shape, constants = [], attributes = {} }: Single): Uint8Array {
  const dim = shape.map((size) => ({ dim_value: size }));
  const type = { tensor_type: { elem_type: 1, shape: { dim } } };
  const names = constants.map((value, index) => (value === undefined ? "" : `c${index + 1}`));
  return encode(onnxSchema, "ModelProto", {
    ir_version: opset < 11 ? 4 : 8,
    opset_import: [{ domain: "", version: opset }],
    graph: {
      name: "single",
      node: [
        {
          op_type: opType,
          input: ["x", ...names],
          output: ["y"],
          attribute: encodeAttributes(attributes),
        },
      ],
      input: [{ name: "x", type }],
      output: [{ name: "y", type: { tensor_type: { elem_type: 1 } } }],
      initializer: constants.flatMap((value, index) =>
        value === undefined ? [] : [tensorMessage(value, `c${index + 1}`)],
      ),
    },
  });
}

function values(count: number, seed: number): Float32Array {
  let state = seed + 1;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 30 - 1;
  });
}

const filled = (shape: readonly number[], seed: number): Tensor<"float32"> =>
  float32(
    shape,
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  );

async function run(bytes: Uint8Array, x: Tensor<"float32">): Promise<OrtTensor | undefined> {
  const session = await InferenceSession.create(bytes, {
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
  });
  const { y } = await session.run({ x: new OrtTensor("float32", x.data, x.shape) });
  await session.release();
  return y;
}

/** Runs both ways; "refused" where ONNX Runtime takes no such model or gives nothing. */
async function agrees(single: Single): Promise<"table" | "opaque" | "refused"> {
  const bytes = modelOf(single);
  const x = filled(single.shape, 7);
  const direct = await run(bytes, x).catch(() => undefined);
  if (direct === undefined || direct.data.length === 0) return "refused";
  const graph = readOnnx({ name: "single.onnx", bytes });
  const ours = await run(lowerToOnnx(graph), x);
  expect(ours?.dims).toEqual(direct.dims);
  const [got, wanted] = [ours?.data as Float32Array, direct.data as Float32Array];
  for (const [index, value] of wanted.entries()) {
    const other = got[index] ?? 0;
    const same =
      Object.is(other, value) || Math.abs(other - value) <= tolerance * (1 + Math.abs(value));
    if (!same) expect.fail(`element ${index}: directly ${value}, through us ${other}`);
  }
  return graph.nodes.some((node) => node.op === "opaque") ? "opaque" : "table";
}

/** Checks `runs` random nodes, of which at least a half must go in as operators of the table. */
async function check(singles: fc.Arbitrary<Single>, runs = 80, leastInTable = 0.5): Promise<void> {
  const ways = { table: 0, opaque: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(singles, async (single) => {
      ways[await agrees(single)] += 1;
    }),
    { numRuns: runs, seed: 11 },
  );
  const taken = ways.table + ways.opaque;
  expect(ways.table).toBeGreaterThanOrEqual(taken * leastInTable);
  expect(ways.refused).toBeLessThan((taken + ways.refused) * 0.7);
}

const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const pair = (min: number, max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(small(min, max), small(min, max));
const autoPad = fc.constantFrom(
  undefined,
  undefined,
  "NOTSET",
  "SAME_UPPER",
  "SAME_LOWER",
  "VALID",
);
const opsets = (min: number, max = 22): fc.Arbitrary<number> =>
  fc.constantFrom(
    ...[7, 8, 9, 10, 11, 12, 13, 15, 18, 19, 21, 22].filter((v) => v >= min && v <= max),
  );

const window = fc.record({
  h: small(4, 9),
  w: small(4, 9),
  kernel: pair(1, 4),
  strides: pair(1, 3),
  pads: fc.tuple(small(0, 2), small(0, 2), small(0, 2), small(0, 2)),
  dilations: fc.constantFrom<[number, number]>([1, 1], [1, 1], [2, 1], [2, 2]),
  auto: autoPad,
  flag: fc.boolean(),
  second: fc.boolean(),
});

/** A window larger than the image is an error here; ONNX Runtime lets some pass. */
const fits = (drawn: WindowCase): boolean =>
  ([0, 1] as const).every((axis) => {
    const size = axis === 0 ? drawn.h : drawn.w;
    const explicit = drawn.auto === undefined || drawn.auto === "NOTSET";
    const pads = explicit ? drawn.pads[axis] + drawn.pads[axis === 0 ? 2 : 3] : 0;
    return (drawn.kernel[axis] - 1) * drawn.dilations[axis] < size + pads;
  });

/**
 * Where SAME asks for fewer pixels than there are by two or more, ONNX Runtime refuses poolings or lets them begin at the
 * second pixel; its convolutions begin at the first, as TensorFlow's poolings do, whose rule SAME is. So do ours.
 */
const beginsAtFirst = (drawn: WindowCase): boolean =>
  !drawn.auto?.startsWith("SAME") ||
  ([0, 1] as const).every((axis) => {
    const size = axis === 0 ? drawn.h : drawn.w;
    const last = (Math.ceil(size / drawn.strides[axis]) - 1) * drawn.strides[axis];
    return last + drawn.kernel[axis] >= size - 1;
  });

const pooled = window.filter(fits).filter(beginsAtFirst);

type WindowCase = typeof window extends fc.Arbitrary<infer T> ? T : never;

const windowAttributes = (drawn: WindowCase, dilated = true): Attributes => {
  const auto = drawn.auto;
  const automatic = auto !== undefined && auto !== "NOTSET";
  return {
    kernel_shape: ints(drawn.kernel),
    strides: ints(drawn.strides),
    pads: automatic ? undefined : ints(drawn.pads),
    auto_pad: auto === undefined ? undefined : text(auto),
    dilations: dilated ? ints(drawn.dilations) : undefined,
  };
};

describe("the table's operators mean what ONNX Runtime means", () => {
  it("Conv", () =>
    check(
      fc.tuple(window, opsets(7)).map(([drawn, opset]) => {
        const [groups, inputs] = drawn.flag ? [2, 4] : [1, 3];
        const weight = filled([4, inputs / groups, ...drawn.kernel], 3);
        return {
          opType: "Conv",
          opset,
          shape: [2, inputs, drawn.h, drawn.w],
          constants: drawn.second ? [weight, filled([4], 5)] : [weight],
          attributes: { ...windowAttributes(drawn), group: int(groups) },
        };
      }),
    ));

  it("ConvTranspose", () =>
    check(
      fc.tuple(window, opsets(11), pair(0, 1)).map(([drawn, opset, more]) => ({
        opType: "ConvTranspose",
        opset,
        shape: [1, 4, drawn.h, drawn.w],
        constants: [filled([4, 3, ...drawn.kernel], 3)],
        attributes: {
          ...windowAttributes(drawn),
          group: int(drawn.flag ? 2 : 1),
          output_padding: drawn.second ? ints(more) : undefined,
        },
      })),
      120,
      0.4,
    ));

  it("ConvTranspose with an output shape", () =>
    check(
      fc.tuple(window, opsets(11), pair(0, 2)).map(([drawn, opset, cut]) => {
        const size = (axis: 0 | 1): number => {
          const from = axis === 0 ? drawn.h : drawn.w;
          return drawn.strides[axis] * (from - 1) + drawn.kernel[axis] - cut[axis];
        };
        return {
          opType: "ConvTranspose",
          opset,
          shape: [1, 2, drawn.h, drawn.w],
          constants: [filled([2, 3, ...drawn.kernel], 3)],
          attributes: {
            kernel_shape: ints(drawn.kernel),
            strides: ints(drawn.strides),
            output_shape: ints([size(0), size(1)]),
            auto_pad: drawn.flag ? text("SAME_UPPER") : undefined,
          },
        };
      }),
    ));

  it("MaxPool", () =>
    check(
      fc.tuple(pooled, opsets(10)).map(([drawn, opset]) => ({
        opType: "MaxPool",
        opset,
        shape: [1, 2, drawn.h, drawn.w],
        attributes: { ...windowAttributes(drawn), ceil_mode: int(drawn.flag ? 1 : 0) },
      })),
      150,
    ));

  it("AveragePool", () =>
    check(
      fc.tuple(pooled, opsets(10)).map(([drawn, opset]) => ({
        opType: "AveragePool",
        opset,
        shape: [1, 2, drawn.h, drawn.w],
        attributes: {
          ...windowAttributes(drawn, opset >= 19),
          ceil_mode: int(drawn.flag ? 1 : 0),
          count_include_pad: int(drawn.second ? 1 : 0),
        },
      })),
      250,
    ));

  it("poolings with SAME begin at the first pixel", async () => {
    const window = { kernel_shape: ints([1, 1]), strides: ints([3, 3]) };
    const single = (opType: string, auto: string): Uint8Array =>
      modelOf({
        opType,
        opset: 19,
        shape: [1, 1, 1, 6],
        attributes: { ...window, auto_pad: text(auto) },
      });
    const x = float32([1, 1, 1, 6], [0, 1, 2, 3, 4, 5]);
    for (const opType of ["MaxPool", "AveragePool"]) {
      for (const auto of ["SAME_UPPER", "SAME_LOWER"]) {
        const graph = readOnnx({ name: "single.onnx", bytes: single(opType, auto) });
        const y = await run(lowerToOnnx(graph), x);
        expect(y?.dims).toEqual([1, 1, 1, 2]);
        expect(y?.data).toEqual(Float32Array.of(0, 3));
      }
    }
  });

  it("Gemm", () =>
    check(
      fc
        .tuple(small(1, 4), small(1, 5), small(1, 5), fc.boolean(), small(0, 4), opsets(11))
        .map(([n, k, m, turned, bias, opset]) => {
          const weight = filled(turned ? [m, k] : [k, m], 3);
          const shapes = [undefined, [m], [1, m], [n, m], [1]];
          const shape = shapes[bias];
          return {
            opType: "Gemm",
            opset,
            shape: [n, k],
            constants: shape === undefined ? [weight] : [weight, filled(shape, 5)],
            attributes: { transB: int(turned ? 1 : 0) },
          };
        }),
    ));

  it("Slice", () =>
    check(
      fc.tuple(pair(-6, 3), pair(-2, 7), opsets(7)).map(([starts, ends, opset]) => {
        const lists = { starts, ends, axes: [1, -1] };
        const old = opset < 10;
        return {
          opType: "Slice",
          opset,
          shape: [2, 5, 1, 6],
          constants: old ? [] : Object.values(lists).map((list) => int64([2], list)),
          attributes: old ? { starts: ints(starts), ends: ints(ends), axes: ints([1, 3]) } : {},
        };
      }),
      100,
      0.1,
    ));

  it("Resize", () =>
    check(
      fc
        .record({
          opset: opsets(11),
          mode: fc.constantFrom("nearest", "linear", "cubic"),
          rounding: fc.constantFrom("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
          coordinates: fc.constantFrom(
            "half_pixel",
            "asymmetric",
            "align_corners",
            "pytorch_half_pixel",
          ),
          scale: fc.constantFrom(1, 2, 3, 0.5, 1.5, 0.6),
          size: fc.option(pair(1, 9)),
        })
        .map(({ opset, mode, rounding, coordinates, scale, size }) => {
          const roi = opset < 13 ? float32([0], []) : undefined;
          const scales = float32([4], [1, 1, scale, 2]);
          const none = opset < 13 ? float32([0], []) : undefined;
          return {
            opType: "Resize",
            opset,
            shape: [1, 2, 4, 5],
            constants: size === null ? [roi, scales] : [roi, none, int64([4], [1, 2, ...size])],
            attributes: {
              mode: text(mode),
              nearest_mode: text(rounding),
              coordinate_transformation_mode: text(coordinates),
            },
          };
        }),
      250,
      0.1,
    ));

  it("Upsample and Resize of old", () =>
    check(
      fc
        .tuple(fc.constantFrom(7, 9, 10), pair(1, 3), fc.constantFrom("nearest", "linear"))
        .map(([opset, factors, mode]) => ({
          opType: opset === 10 ? "Resize" : "Upsample",
          opset,
          shape: [1, 2, 3, 4],
          constants: opset < 9 ? [] : [float32([4], [1, 1, ...factors])],
          attributes: {
            mode: text(mode),
            scales: opset < 9 ? floats([1, 1, ...factors]) : undefined,
          },
        })),
      40,
      0.3,
    ));

  it("Pad", () =>
    check(
      fc
        .tuple(fc.array(small(-1, 3), { minLength: 4, maxLength: 4 }), opsets(7), fc.boolean())
        .map(([sides, opset, filling]) => {
          const all = [0, 0, ...sides.slice(0, 2), 0, 0, ...sides.slice(2)];
          const [old, value] = [opset < 11, filling ? 0.5 : 0];
          const fill = filling ? [float32([], [value])] : [];
          return {
            opType: "Pad",
            opset,
            shape: [1, 2, 3, 4],
            constants: old ? [] : [int64([8], all), ...fill],
            attributes: old ? { pads: ints(all), value: float(value) } : {},
          };
        }),
      60,
      0.2,
    ));

  it("Softmax", () =>
    check(
      fc.tuple(small(0, 3), opsets(7), fc.boolean()).map(([axis, opset, flat]) => ({
        opType: "Softmax",
        opset,
        shape: flat ? [2, 3, 1, 1] : [2, 3, 2, 4],
        attributes: { axis: int(axis) },
      })),
      60,
      0.4,
    ));

  it("Reshape, Squeeze, Unsqueeze, Flatten, Transpose, Split of one, ReduceMean", () =>
    check(
      fc.constantFrom<Single>(
        ...[1, 2].flatMap((n): Single[] => [
          { opType: "Flatten", opset: 13, shape: [n, 3, 2, 2], attributes: { axis: int(-2) } },
          { opType: "Flatten", opset: 9, shape: [n, 3, 2, 2], attributes: { axis: int(0) } },
          { opType: "Flatten", opset: 9, shape: [n, 3, 2, 2], attributes: { axis: int(4) } },
          { opType: "Reshape", opset: 13, shape: [n, 3, 2, 2], constants: [int64([2], [n, -1])] },
          {
            opType: "Reshape",
            opset: 13,
            shape: [n, 3, 2, 2],
            constants: [int64([3], [-1, 2, 3])],
          },
          { opType: "Squeeze", opset: 11, shape: [n, 3, 1, 1], attributes: { axes: ints([2, 3]) } },
          { opType: "Squeeze", opset: 13, shape: [n, 3, 1, 1], constants: [int64([1], [-1])] },
          { opType: "Unsqueeze", opset: 13, shape: [n, 3], constants: [int64([2], [0, -1])] },
          { opType: "Transpose", opset: 13, shape: [n, 3, 4] },
          {
            opType: "ReduceMean",
            opset: 13,
            shape: [n, 3, 2, 2],
            attributes: { axes: ints([2, 3]), keepdims: int(0) },
          },
          {
            opType: "ReduceMean",
            opset: 18,
            shape: [n, 3, 2, 2],
            constants: [int64([2], [-1, -2])],
          },
        ]),
      ),
      60,
      0.9,
    ));
});
