/**
 * Integer graph -> float graph that computes the same integers, bit for bit, on a float engine. An
 * integer value q is held as `q - zero`, so that zero padding is right and ReLU outputs start at 0.
 *
 * Rounding adds and subtracts 1.5 * 2^23: float32 addition itself rounds half to even there. The
 * clamp stands before it (its bounds are integers, so the result is the same) because ONNX Runtime
 * fuses it into the multiplication. The multiplication is a 1x1 depthwise convolution: a product
 * rounded once, in the convolution's own memory layout.
 */

import { inputError, workError } from "../error.ts";
import { poolGeometry } from "../ir/geometry.ts";
import { constantOf, describe, type Graph, nodeMap } from "../ir/graph.ts";
import { gridOf } from "../ir/grid.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { ConvAttrs, IntOutput, Node, PoolAttrs, Requantize } from "../ir/ops.ts";
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { Emitter } from "./emitter.ts";
import { exactLimit, exactPlanes, type Interval, layerBound, type Plane } from "./exact-planes.ts";
import { type IntegerRanges, integerRanges, movesIntegers } from "./integer-ranges.ts";
import { asFloat, lowerToLevels } from "./lower-levels.ts";
import { lowerShiftConv } from "./lower-shifted.ts";

const unitWindow: ConvAttrs = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

/** Zero points of the integer values, by id: what a reader adds to get q back. */
export type Zeros = ReadonlyMap<string, number>;

export type LoweredIntegers = { readonly graph: Graph; readonly zeros: Zeros };

/** Every integer layer in float32, bit-equal to its scalar definition. Ids of all nodes stay. */
export function lowerIntegers(graph: Graph): LoweredIntegers {
  const emitter = new Emitter(nodeMap(graph).keys());
  const lowering = new Lowering(graph, emitter);
  for (const node of graph.nodes) lowering.lower(node);
  return { graph: { ...graph, nodes: emitter.nodes }, zeros: lowering.zeros };
}

class Lowering {
  readonly zeros: Map<string, number> = new Map<string, number>();
  readonly #ranges: IntegerRanges;
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #types: Types;
  readonly #emit: Emitter;
  /** Integers that come in as such: their copies in float32. */
  readonly #copies: Map<string, string> = new Map<string, string>();

  constructor(graph: Graph, emitter: Emitter) {
    this.#nodes = nodeMap(graph);
    this.#types = inferTypes(graph);
    this.#ranges = integerRanges(graph, this.#types);
    this.#emit = emitter;
  }

  lower(node: Node): void {
    switch (node.op) {
      case "intConv":
        this.#layer(node, node.attrs.output, { ...node.attrs });
        break;
      case "intLinear":
        this.#layer(node, node.attrs.output, undefined);
        break;
      case "intAvgPool":
        this.#average(node);
        break;
      case "intAdd":
        this.#sum(node);
        break;
      case "requantize":
        this.#requantize(node);
        break;
      case "quantize":
        this.#quantize(node);
        break;
      case "dequantize":
        this.#dequantize(node);
        break;
      case "shiftConv":
        lowerShiftConv(node, {
          emit: this.#emit,
          nodes: this.#nodes,
          ranges: this.#ranges,
          held: (id) => this.#held(id),
        });
        this.zeros.set(node.id, 0);
        break;
      case "toLevels":
        lowerToLevels(node, this.#held(node.inputs[0] ?? ""), this.#emit);
        this.zeros.set(node.id, 0);
        break;
      case "reduceBits":
        this.#emit.add(node);
        if (this.#types.get(node.id)?.dtype === "float32") this.zeros.set(node.id, 0);
        break;
      default:
        this.#other(node);
        break;
    }
  }

  #tensor(node: Node, input: number): Tensor {
    const source = this.#nodes.get(node.inputs[input] ?? "");
    if (source?.op !== "const") throw new Error(`${describe(node)}: input ${input} is no constant`);
    return source.attrs.tensor;
  }

  #integer(id: string, output: Requantize): void {
    this.zeros.set(id, output.yZero);
  }

  /** The id under which a value is held as float32: its own, or that of a copy. */
  #held(id: string): string {
    const dtype = this.#types.get(id)?.dtype ?? "float32";
    if (this.zeros.has(id) || dtype === "float32") return id;
    const known = this.#copies.get(id) ?? asFloat(id, dtype, this.#emit);
    this.#copies.set(id, known);
    return known;
  }

  #range(node: Node): Interval {
    return this.#ranges.get(node.inputs[0] ?? "") ?? { lo: -255, hi: 255 };
  }

  /** Planes summed exactly, then the multiplier, then rounding or the real value itself. */
  #layer(node: Node, output: IntOutput, window: ConvAttrs | undefined): void {
    const [weight, bias, multiplier] = [1, 2, 3].map((at) => this.#tensor(node, at));
    if (weight === undefined || bias === undefined || multiplier === undefined) return;
    const integers = { weight: asNumbers(weight), bias: bias.data as Int32Array };
    const planes = exactPlanes(integers, this.#range(node), describe(node));
    const sums = planes.map((plane) => this.#plane(node, plane, weight, window));
    const acc = this.#recombine(node, sums, planes);
    const scaled = output.kind === "real" ? node.id : this.#emit.fresh(`${node.id}.scaled`);
    this.#multiply(acc, asNumbers(multiplier), scaled, window !== undefined);
    if (output.kind === "real") return;
    this.#emit.roundAndClamp(scaled, node.id, output);
    this.#integer(node.id, output);
  }

  #plane(node: Node, plane: Plane, weight: Tensor, window: ConvAttrs | undefined): string {
    const weights = this.#emit.constant(`${node.id}.w`, float32(weight.shape, plane.weight));
    const bias = this.#emit.constant(`${node.id}.b`, float32([plane.bias.length], plane.bias));
    const id = this.#emit.fresh(`${node.id}.acc`);
    const inputs = [node.inputs[0] ?? "", weights, bias];
    if (window === undefined) return this.#emit.add({ op: "linear", id, inputs, attrs: {} });
    const { stride, pads, dilation, groups } = window;
    return this.#emit.add({ op: "conv", id, inputs, attrs: { stride, pads, dilation, groups } });
  }

  /**
   * `fround(sum(factor * plane))` with one rounding: each plane, from the lowest, hands its carry to
   * the next one (exact integers), so that what stays below the top plane is small and only the last
   * difference can round.
   */
  #recombine(node: Node, sums: readonly string[], planes: readonly Plane[]): string {
    let [top = ""] = sums;
    let rest: string | undefined;
    for (const [at, higher] of sums.entries()) {
      if (at === 0) continue;
      const factor = planes[at - 1]?.factor ?? 1;
      const base = (planes[at]?.factor ?? 1) / factor;
      const carried = this.#carry(node, top, base);
      rest = rest === undefined ? carried.rest : this.#shiftedSum(node, carried.rest, factor, rest);
      top = this.#sumOf(node, higher, carried.carry);
    }
    return rest === undefined ? top : this.#shiftedSum(node, top, planes.at(-1)?.factor ?? 1, rest);
  }

  /** `x = base * carry + rest`, exactly. */
  #carry(node: Node, x: string, base: number): { readonly carry: string; readonly rest: string } {
    const divided = this.#emit.scalarMul(x, 1 / base, this.#emit.fresh(`${node.id}.divided`));
    const carry = this.#emit.fresh(`${node.id}.carry`);
    const wide = { yZero: 0, qMin: -exactHalf, qMax: exactHalf };
    this.#emit.roundAndClamp(divided, carry, wide);
    const back = this.#emit.scalarMul(carry, base, this.#emit.fresh(`${node.id}.back`));
    const rest = this.#emit.fresh(`${node.id}.rest`);
    this.#emit.add({ op: "sub", id: rest, inputs: [x, back], attrs: {} });
    return { carry, rest };
  }

  #sumOf(node: Node, a: string, b: string): string {
    const id = this.#emit.fresh(`${node.id}.sum`);
    return this.#emit.add({ op: "add", id, inputs: [a, b], attrs: {} });
  }

  /**
   * `fround(base * high + low)`. It is written as a difference: ONNX Runtime fuses a sum into the
   * convolution before it, which then rounds twice.
   */
  #shiftedSum(node: Node, high: string, base: number, low: string): string {
    const shifted = this.#emit.scalarMul(high, base, this.#emit.fresh(`${node.id}.shifted`));
    const negated = this.#emit.scalarMul(low, -1, this.#emit.fresh(`${node.id}.negated`));
    const id = this.#emit.fresh(`${node.id}.sum`);
    return this.#emit.add({ op: "sub", id, inputs: [shifted, negated], attrs: {} });
  }

  #multiply(acc: string, multiplier: Float32Array, id: string, image: boolean): void {
    const channels = multiplier.length;
    if (!image) {
      const factor = this.#emit.constant(`${id}.m`, float32([channels], multiplier));
      this.#emit.add({ op: "mul", id, inputs: [acc, factor], attrs: {} });
      return;
    }
    const weight = this.#emit.constant(`${id}.m`, float32([channels, 1, 1, 1], multiplier));
    const attrs = { ...unitWindow, groups: channels };
    this.#emit.add({ op: "conv", id, inputs: [acc, weight], attrs });
  }

  /** The window's sum is a depthwise convolution with ones; the divisor is in the multiplier. */
  #average(node: Extract<Node, { op: "intAvgPool" }>): void {
    const [, channels, height, width] = asNchw(
      this.#types.get(node.inputs[0] ?? "")?.shape ?? [],
      describe(node),
    );
    const { window, multiplier, output } = node.attrs;
    const kernel = window === "global" ? ([height, width] as const) : window.kernel;
    const ones = new Float32Array(channels * kernel[0] * kernel[1]).fill(1);
    const weight = this.#emit.constant(`${node.id}.ones`, float32([channels, 1, ...kernel], ones));
    const pixels = kernel[0] * kernel[1];
    if (
      layerBound({ weight: new Float32Array(pixels).fill(1), bias: [0] }, this.#range(node)) >=
      exactLimit
    ) {
      throw inputError("the pooling window is too large for exact simulation", {
        node: describe(node),
        got: `${pixels} pixels`,
      });
    }
    const acc = this.#emit.fresh(`${node.id}.acc`);
    const sliding = window === "global" ? unitWindow : paddedWindow([height, width], window);
    const attrs = { ...sliding, groups: channels };
    this.#emit.add({ op: "conv", id: acc, inputs: [node.inputs[0] ?? "", weight], attrs });
    const counts = window === "global" ? undefined : pixelCounts([height, width], window);
    const factors =
      counts === undefined
        ? float32([], [multiplier / (height * width)])
        : float32(
            [1, 1, ...counts.size],
            // A window without pixels sums to 0, whatever it is divided by.
            counts.counts.map((count) => multiplier / Math.max(count, 1)),
          );
    const factor = this.#emit.constant(`${node.id}.m`, factors);
    const scaled = this.#emit.fresh(`${node.id}.scaled`);
    this.#emit.add({ op: "mul", id: scaled, inputs: [acc, factor], attrs: {} });
    this.#emit.roundAndClamp(scaled, node.id, output);
    this.#integer(node.id, output);
  }

  #sum(node: Extract<Node, { op: "intAdd" }>): void {
    const [a = "", b = ""] = node.inputs;
    const [ma, mb] = node.attrs.multipliers;
    const left = this.#emit.scalarMul(a, ma, this.#emit.fresh(`${node.id}.a`));
    const right = this.#emit.scalarMul(b, mb, this.#emit.fresh(`${node.id}.b`));
    this.#emit.roundAndClamp(this.#sumOf(node, left, right), node.id, node.attrs.output);
    this.#integer(node.id, node.attrs.output);
  }

  #requantize(node: Extract<Node, { op: "requantize" }>): void {
    const { multiplier, output } = node.attrs;
    const scaled = this.#emit.fresh(`${node.id}.scaled`);
    this.#emit.scalarMul(node.inputs[0] ?? "", multiplier, scaled);
    this.#emit.roundAndClamp(scaled, node.id, output);
    this.#integer(node.id, output);
  }

  #quantize(node: Extract<Node, { op: "quantize" }>): void {
    const grid = gridOf(this.#tensor(node, 1), this.#tensor(node, 2));
    if (grid === undefined) {
      this.#emit.add(node);
      return;
    }
    const scale = this.#emit.constant(`${node.id}.step`, float32([], [grid.scale]));
    const steps = this.#emit.fresh(`${node.id}.steps`);
    this.#emit.add({ op: "div", id: steps, inputs: [node.inputs[0] ?? "", scale], attrs: {} });
    const output = { yZero: grid.zero, qMin: grid.lo, qMax: grid.hi };
    this.#emit.roundAndClamp(steps, node.id, output);
    this.#integer(node.id, output);
  }

  #dequantize(node: Extract<Node, { op: "dequantize" }>): void {
    const [id = "", scale, zeroPoint] = node.inputs;
    const zero = this.zeros.get(id);
    if (zero === undefined) {
      this.#emit.add(node);
      return;
    }
    const [step, from] = [scale, zeroPoint].map(
      (at) => constantOf(this.#nodes.get(at ?? ""))?.data,
    );
    if (step?.length !== 1 || (from !== undefined && from.length !== 1)) {
      throw workError("integers are dequantized with one scale alone", {
        node: describe(node),
        got: `${step?.length ?? "computed"} scales`,
      });
    }
    const raised = this.#raised(node, id, zero - Number(from?.[0] ?? 0));
    this.#emit.scalarMul(raised, Number(step[0]), node.id);
  }

  /** `x + by`; integers. */
  #raised(node: Node, x: string, by: number): string {
    if (by === 0) return x;
    const id = this.#emit.fresh(`${node.id}.raised`);
    const constant = this.#emit.constant(`${id}.by`, float32([], [by]));
    return this.#emit.add({ op: "add", id, inputs: [x, constant], attrs: {} });
  }

  /** Float operators, and those that only move integers, which stay as they are. */
  #other(node: Node): void {
    const held = node.op === "zeroInsert" || node.inputs.some((id) => this.zeros.has(id));
    if (!held || !movesIntegers(node)) {
      this.#emit.add(node);
      return;
    }
    this.#emit.add({ ...node, inputs: node.inputs.map((id) => this.#held(id)) });
    const zero = this.zeros.get(node.inputs[0] ?? "") ?? 0;
    if (this.#ranges.has(node.id)) this.zeros.set(node.id, zero);
  }
}

/** Carries stay below 2^22, where the rounder is valid. */
const exactHalf = 2 ** 22 - 1;

function asNumbers(value: Tensor): Float32Array {
  return value.dtype === "float32" ? value.data : Float32Array.from(value.data, Number);
}

/** The pooling window as a convolution window: the overhang becomes padding. */
function paddedWindow(image: readonly [number, number], window: PoolAttrs): ConvAttrs {
  const { overhang } = poolGeometry(image, window);
  const [top, left, bottom, right] = window.pads;
  return {
    stride: window.stride,
    dilation: window.dilation,
    pads: [top, left, bottom + overhang[0], right + overhang[1]],
    groups: 1,
  };
}

type PixelCounts = { readonly size: readonly [h: number, w: number]; readonly counts: number[] };

/** How many pixels of the image each window sees. */
function pixelCounts(image: readonly [number, number], window: PoolAttrs): PixelCounts {
  const { output } = poolGeometry(image, window);
  const along = (axis: 0 | 1): number[] =>
    Array.from({ length: output[axis] }, (_, at) => {
      const start = at * window.stride[axis] - window.pads[axis];
      const taps = Array.from(
        { length: window.kernel[axis] },
        (_unused, k) => start + k * window.dilation[axis],
      );
      return taps.filter((pixel) => pixel >= 0 && pixel < image[axis]).length;
    });
  const [rows, columns] = [along(0), along(1)];
  return { size: output, counts: rows.flatMap((row) => columns.map((column) => row * column)) };
}
