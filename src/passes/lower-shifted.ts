/**
 * shiftConv as float operators, equal to its scalar definition in every bit.
 *
 * Weights and bias are multiplied by 2^-shift, which only moves the binary point, so that the convolution gives
 * `acc * 2^-shift` exactly while no sum passes float32's 24 bits. Its bias is raised by half a step of the
 * accumulator's grid: then no tie can occur, and rounding half to even (add and take away 1.5 * 2^23) is the chip's
 * rounding half up. The clamp stands before it, where ONNX Runtime fuses it into the convolution.
 *
 * Wider sums come in parts that are each exact (exact-parts.ts), and are joined in one of two ways.
 *
 * - Two parts, a clamped result: their difference `a - (-b)`, rounded once to v = fround(acc + 1/2). Rounding is
 *   monotonic. For a threshold t = (k + 1/2) * 2^shift, an integer below 2^23, both t and t +- 1/2 are float32 numbers, so
 *   acc >= t gives v >= t + 1/2, and acc <= t - 1 gives v <= t - 1/2: v lies on the same side of every threshold as
 *   acc, and on none of them. (It is a difference because ONNX Runtime would fuse a sum into the second convolution, which
 *   then rounds at each of its steps.)
 * - Else each part is split on a coarse grid into a whole number and a rest of at most 1/2. Both kinds add up
 *   exactly. What is left to do is the case above, with the two sums as the two parts; or, where thresholds are
 *   too large for it, the coarse grid is the levels' own, and the sum of the rests is rounded by itself.
 */
import { inputError, workError } from "../error.ts";
import { describe } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { float32 } from "../tensor/tensor.ts";
import type { Emitter } from "./emitter.ts";
import { exactParts, type Part } from "./exact-parts.ts";
import { exactLimit, type Interval } from "./exact-planes.ts";
import type { IntegerRanges } from "./integer-ranges.ts";
import {
  mayWrap,
  outputLimit,
  type ShiftLayer,
  shiftLayer,
  sumBounds,
  withZero,
} from "./shift-layer.ts";

/** Below this, halves are exact too. */
const halfLimit = exactLimit / 2;
/** Adding and taking away 1.5 * 2^23 rounds up to here. */
const roundable = 2 ** 22 - 1;

export type ShiftScope = {
  readonly emit: Emitter;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly ranges: IntegerRanges;
  /** The id under which a value's integers are held as float32. */
  readonly held: (id: string) => string;
};

/** Emits what takes the node's place, the last of it under the node's id. */
export function lowerShiftConv(node: Node<"shiftConv">, scope: ShiftScope): void {
  new ShiftLowering(node, scope).lower();
}

class ShiftLowering {
  readonly #node: Node<"shiftConv">;
  readonly #emit: Emitter;
  readonly #layer: ShiftLayer;
  readonly #x: string;
  readonly #identity: string | undefined;
  readonly #identityRange: Interval;
  readonly #xRange: Interval;
  /** The clamp of the result. */
  readonly #limit: Interval;
  readonly #isLevels: boolean;
  readonly #slices: Map<string, string> = new Map<string, string>();

  constructor(node: Node<"shiftConv">, scope: ShiftScope) {
    const [x = "", , , identity] = node.inputs;
    this.#node = node;
    this.#emit = scope.emit;
    this.#layer = shiftLayer(node, scope.nodes);
    this.#xRange = withZero(this.#rangeOf(x, scope.ranges));
    this.#identityRange =
      identity === undefined ? { lo: 0, hi: 0 } : this.#rangeOf(identity, scope.ranges);
    this.#x = scope.held(x);
    this.#identity = identity && scope.held(identity);
    this.#isLevels = node.attrs.output.kind === "levels";
    this.#limit = this.#isLevels
      ? outputLimit(node, this.#layer.shift)
      : (scope.ranges.get(node.id) ?? outputLimit(node, 0));
  }

  lower(): void {
    this.#checkAccumulator();
    const wrapped = this.#wrappedBits();
    if (wrapped !== undefined) {
      this.#wrap(wrapped);
      return;
    }
    const terms = this.#terms();
    if (terms.count === 1) this.#finish(terms.emit(0, this.#shift, 1));
    else if (terms.count === 2 && this.#farThreshold() < halfLimit) {
      const first = terms.emit(0, this.#shift, 1);
      this.#finish(this.#difference(first, terms.emit(1, this.#shift, -1)));
    } else this.#joinMany(terms);
  }

  /** Places by which the result is shifted: none for an accumulator. */
  get #shift(): number {
    return this.#isLevels ? this.#layer.shift : 0;
  }

  get #rounds(): boolean {
    return this.#shift > 0;
  }

  #rangeOf(id: string, ranges: IntegerRanges): Interval {
    const range = ranges.get(id);
    if (range === undefined) {
      throw workError("the range of the integers that come in is not known", {
        node: describe(this.#node),
        got: `"${id}"`,
        hint: "Let reduceBits or toLevels give them",
      });
    }
    const { lo, hi } = range;
    if (Math.max(-lo, hi) > exactLimit) throw this.#tooWide(`inputs of ${lo}..${hi}`);
    return range;
  }

  #checkAccumulator(): void {
    const { accumulator, identityShift } = this.#node.attrs;
    const asSum = accumulator !== undefined || !this.#isLevels;
    if (asSum && this.#identity !== undefined && identityShift < 0) {
      throw inputError("what is added lies on a finer grid than the accumulator", {
        node: describe(this.#node),
        expected: "an identity shift of 0 or more",
        got: `${identityShift}`,
      });
    }
    const { lo, hi } = this.#limit;
    if (!this.#isLevels && Math.max(-lo, hi) > exactLimit) {
      throw this.#tooWide(`sums of ${lo}..${hi}, given as they are`);
    }
  }

  #tooWide(got: string): Error {
    return workError("only the scalar definition can compute this layer", {
      node: describe(this.#node),
      expected: "sums that float32 operators give exactly",
      got,
      hint: "Run it with runScalar, or let the accumulator be wider or the sums smaller",
    });
  }

  /** Where a threshold between two levels lies at most, on the accumulator's grid. */
  #farThreshold(): number {
    if (!this.#rounds) return 0;
    return (Math.max(-this.#limit.lo, this.#limit.hi) + 0.5) * 2 ** this.#shift;
  }

  /** Clamped, rounded where there is something to round, under the node's id. */
  #finish(value: string): void {
    const { lo, hi } = this.#limit;
    const output = { yZero: 0, qMin: lo, qMax: hi };
    if (this.#rounds) this.#emit.roundAndClamp(value, this.#node.id, output);
    else this.#clamp(value);
  }

  #clamp(value: string): void {
    const attrs = { min: this.#limit.lo, max: this.#limit.hi };
    this.#emit.add({ op: "clip", id: this.#node.id, inputs: [value], attrs });
  }

  /** The parts of the sum, and what is added where it is too large for the first of them. */
  #terms(): Terms {
    const { shape, weight, bias, identityFactor } = this.#layer;
    const { lo, hi } = this.#identityRange;
    const identity = Math.max(-lo, hi) * identityFactor;
    const limit = this.#rounds ? halfLimit : exactLimit;
    const apart = identity > limit / 4;
    const half = this.#rounds ? 0.5 : 0;
    const parts = exactParts(
      { shape, weight, bias, grouped: this.#node.attrs.groups > 1 },
      { x: this.#xRange, added: (apart ? 0 : identity) + half, limit },
    );
    const [first] = parts ?? [];
    if (parts === undefined || first === undefined) {
      throw this.#tooWide(
        `inputs of ${this.#xRange.lo}..${this.#xRange.hi}, weights that no split narrows`,
      );
    }
    const raised = [{ ...first, bias: first.bias.map((value) => value + half) }, ...parts.slice(1)];
    const largest = [
      ...parts.map((part) => part.factor * part.bound),
      ...(apart ? [identity] : []),
    ];
    return {
      count: largest.length,
      largest,
      emit: (at, places, sign) => {
        const part = raised[at];
        if (part === undefined) return this.#scaledIdentity(sign * 2 ** -places);
        const sum = this.#part(part, sign * part.factor * 2 ** -places);
        const joined = at === 0 && !apart && this.#identity !== undefined;
        return joined ? this.#sum([sum, this.#scaledIdentity(sign * 2 ** -places)]) : sum;
      },
    };
  }

  #part(part: Omit<Part, "bound">, scale: number): string {
    const { id, attrs } = this.#node;
    const [out, channels, ...kernel] = this.#layer.shape;
    const shape = [out, part.to - part.from, ...kernel];
    const weight = this.#emit.constant(`${id}.w`, float32(shape, scaled(part.weight, scale)));
    const bias = this.#emit.constant(`${id}.b`, float32([out], scaled(part.bias, scale)));
    const whole = part.to - part.from === channels;
    const x = whole ? this.#x : this.#slice(part.from, part.to);
    const { stride, pads, dilation, groups } = attrs;
    return this.#emit.add({
      op: "conv",
      id: this.#emit.fresh(`${id}.acc`),
      inputs: [x, weight, bias],
      attrs: { stride, pads, dilation, groups },
    });
  }

  #slice(start: number, end: number): string {
    const known = this.#slices.get(`${start}:${end}`);
    if (known !== undefined) return known;
    const id = this.#emit.fresh(`${this.#node.id}.x`);
    this.#emit.add({ op: "slice", id, inputs: [this.#x], attrs: { axis: 1, start, end } });
    this.#slices.set(`${start}:${end}`, id);
    return id;
  }

  #scaledIdentity(scale: number): string {
    const factor = this.#layer.identityFactor * scale;
    const identity = this.#identity ?? "";
    if (factor === 1) return identity;
    return this.#emit.scalarMul(identity, factor, this.#emit.fresh(`${this.#node.id}.added`));
  }

  #sum(inputs: readonly string[]): string {
    const id = this.#emit.fresh(`${this.#node.id}.sum`);
    return this.#emit.add({ op: "add", id, inputs, attrs: {} });
  }

  #difference(a: string, b: string): string {
    const id = this.#emit.fresh(`${this.#node.id}.difference`);
    return this.#emit.add({ op: "sub", id, inputs: [a, b], attrs: {} });
  }

  /** `round_half_even(x)` for `|x| < 2^22`. */
  #round(x: string): string {
    const id = this.#emit.fresh(`${this.#node.id}.whole`);
    this.#emit.roundAndClamp(x, id, { yZero: 0, qMin: -roundable, qMax: roundable });
    return id;
  }

  /** Whole numbers and rests of all terms, summed apart. */
  #joinMany(terms: Terms): void {
    const near = this.#farThreshold() < halfLimit;
    const places = near ? coarsePlaces(terms) : this.#shift;
    this.#checkSplit(terms, places);
    const values = Array.from({ length: terms.count }, (_, at) => terms.emit(at, places, 1));
    const whole = values.map((value) => this.#round(value));
    // Negated, as a difference takes them.
    const rests = values.map((value, at) => this.#difference(whole[at] ?? "", value));
    const [high, low] = [this.#sum(whole), this.#sum(rests)];
    if (near) {
      const joined = this.#difference(high, low);
      const scaled = this.#emit.fresh(`${this.#node.id}.scaled`);
      this.#finish(this.#emit.scalarMul(joined, 2 ** (places - this.#shift), scaled));
    } else {
      // The rests' sum lies on no tie, so that its negative rounds to the negative.
      this.#clamp(this.#difference(high, this.#round(low)));
    }
  }

  /** Each whole number must be roundable, and both sums exact. */
  #checkSplit({ count, largest }: Terms, places: number): void {
    const sizes = largest.map((size) => size * 2 ** -places);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const exact = total < exactLimit && count <= 2 ** (24 - places);
    if (exact && sizes.every((size) => size <= roundable)) return;
    throw this.#tooWide(`${count} parts, a shift of ${this.#shift}`);
  }

  /** The width to which the total wraps; undefined where every total fits. */
  #wrappedBits(): number | undefined {
    const { min, max } = sumBounds(this.#layer, this.#xRange, this.#identityRange);
    return mayWrap(this.#node, min, max) ? this.#node.attrs.accumulator?.bits : undefined;
  }

  /** `acc - 2^bits * floor(acc * 2^-bits + 1/2)`, every step exact below 2^23; then as without. */
  #wrap(bits: number): void {
    const { id } = this.#node;
    const { partialMin, partialMax } = sumBounds(this.#layer, this.#xRange, this.#identityRange);
    const bound = Math.max(-partialMin, partialMax);
    if (bound >= halfLimit) throw this.#tooWide(`sums of up to ${bound}, which wrap`);
    const { weight, bias } = this.#layer;
    const [, to] = this.#layer.shape;
    const sum = this.#part({ factor: 1, from: 0, to, weight, bias }, 1);
    const total = this.#identity === undefined ? sum : this.#sum([sum, this.#scaledIdentity(1)]);
    const turns = this.#round(this.#halfUp(total, bits));
    const back = this.#emit.scalarMul(turns, 2 ** bits, this.#emit.fresh(`${id}.back`));
    const left = this.#difference(total, back);
    this.#finish(this.#rounds ? this.#halfUp(left, this.#shift) : this.#moved(left, this.#shift));
  }

  #moved(x: string, places: number): string {
    if (places === 0) return x;
    return this.#emit.scalarMul(x, 2 ** -places, this.#emit.fresh(`${this.#node.id}.moved`));
  }

  /** `x * 2^-places`, raised by half a step of x: rounding it to the even is rounding half up. */
  #halfUp(x: string, places: number): string {
    const id = this.#emit.fresh(`${this.#node.id}.raised`);
    const half = this.#emit.constant(`${id}.half`, float32([], [2 ** (-places - 1)]));
    return this.#emit.add({
      op: "add",
      id,
      inputs: [this.#moved(x, places), half],
      attrs: {},
    });
  }
}

/** The values times a power of two, as float32. A plain loop: layers have millions of weights. */
function scaled(values: Float64Array, scale: number): Float32Array {
  const floats = new Float32Array(values.length);
  for (let at = 0; at < floats.length; at += 1) floats[at] = (values[at] ?? 0) * scale;
  return floats;
}

/** A grid of `2^places` on which wide sums are split, where the levels' own is not needed. */
function coarsePlaces({ largest }: Terms): number {
  const total = largest.reduce((sum, size) => sum + size, 0);
  return Math.max(12, Math.ceil(Math.log2(total / roundable)));
}

/** Summands of a layer's total. */
type Terms = {
  readonly count: number;
  /** Largest magnitude of each, on the accumulator's grid. */
  readonly largest: readonly number[];
  /** Term `at`, times `sign * 2^-places`; gives its id. */
  readonly emit: (at: number, places: number, sign: 1 | -1) => string;
};
