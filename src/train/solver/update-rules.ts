/**
 * Caffe's update rules, element by element and in its order of operations. Each is written once, over an arithmetic:
 * float32 numbers are the definition (`updateBlob`), names of ONNX nodes are the step that runs (updates.ts).
 */
import { learningRate } from "./learning-rate.ts";
import type { UpdateRule, UpdateSettings } from "./settings.ts";

/** Numbers of an iteration that come in from outside, so that the step's model stays the same. */
type StepScalar = "solver/rate" | "solver/correction";

/** What rules compute with. `number` is a constant, `scalar` a number of the iteration. */
export type Arithmetic<V> = {
  readonly number: (value: number) => V;
  readonly scalar: (name: StepScalar) => V;
  readonly add: (a: V, b: V) => V;
  readonly sub: (a: V, b: V) => V;
  readonly mul: (a: V, b: V) => V;
  readonly div: (a: V, b: V) => V;
  readonly sqrt: (a: V) => V;
  readonly sign: (a: V) => V;
};

export type Multipliers = { readonly lrMult: number; readonly decayMult: number };
export type Moved<V> = { readonly value: V; readonly histories: readonly V[] };
type Step<V> = { readonly step: V; readonly histories: readonly V[] };

/** From the regularized gradient to what is subtracted. `rate` is the blob's own. */
type Rule = <V>(
  on: Arithmetic<V>,
  settings: UpdateSettings,
  given: { readonly gradient: V; readonly histories: readonly V[]; readonly rate: V },
) => Step<V>;

const float = Math.fround;

/** `b * y + a * x`, rounded after each operation: axpby of BLAS in Caffe's spelling. */
function blend<V>(on: Arithmetic<V>, a: V, x: V, b: number, y: V): V {
  // History is finite, so nothing of it is left where it does not count.
  return b === 0 ? on.mul(a, x) : on.add(on.mul(on.number(b), y), on.mul(a, x));
}

/** History `momentum * history + rate * gradient` is the step. */
const sgd: Rule = (on, { momentum }, { gradient, histories: [history = gradient], rate }) => {
  const step = blend(on, rate, gradient, momentum, history);
  return { step, histories: [step] };
};

/** A step of SGD, looked ahead: `(1 + momentum) * new - momentum * old`. */
const nesterov: Rule = (on, { momentum }, { gradient, histories: [history = gradient], rate }) => {
  const next = blend(on, rate, gradient, momentum, history);
  const ahead = on.number(float(1 + momentum));
  return { step: blend(on, ahead, next, -momentum, history), histories: [next] };
};

const adaGrad: Rule = (on, { delta }, { gradient, histories: [history = gradient], rate }) => {
  const next = on.add(on.mul(gradient, gradient), history);
  const root = on.add(on.sqrt(next), on.number(delta));
  return { step: on.mul(rate, on.div(gradient, root)), histories: [next] };
};

const rmsProp: Rule = (on, settings, { gradient, histories: [history = gradient], rate }) => {
  const { delta, rmsDecay } = settings;
  const next = blendSquare(on, rmsDecay, gradient, history);
  const root = on.add(on.sqrt(next), on.number(delta));
  return { step: on.mul(rate, on.div(gradient, root)), histories: [next] };
};

/** Two histories: of squared gradients, and of squared steps before the rate. */
const adaDelta: Rule = (on, { momentum, delta }, { gradient, histories, rate }) => {
  const [squares = gradient, steps = gradient] = histories;
  const next = blendSquare(on, momentum, gradient, squares);
  const guard = on.number(delta);
  const ratio = on.sqrt(on.div(on.add(guard, steps), on.add(guard, next)));
  const move = on.mul(gradient, ratio);
  return {
    step: on.mul(rate, move),
    histories: [next, blendSquare(on, momentum, move, steps)],
  };
};

/** Two histories: means of gradients and of their squares. */
const adam: Rule = (on, { momentum, momentum2, delta }, { gradient, histories, rate }) => {
  const [means = gradient, squares = gradient] = histories;
  const mean = blend(on, on.number(float(1 - momentum)), gradient, momentum, means);
  const square = blendSquare(on, momentum2, gradient, squares);
  const root = on.add(on.sqrt(square), on.number(delta));
  const corrected = on.mul(rate, on.scalar("solver/correction"));
  return { step: on.mul(corrected, on.div(mean, root)), histories: [mean, square] };
};

/** `kept * history + (1 - kept) * x^2`. */
function blendSquare<V>(on: Arithmetic<V>, kept: number, x: V, history: V): V {
  return blend(on, on.number(float(1 - kept)), on.mul(x, x), kept, history);
}

const rules: Readonly<Record<UpdateRule, { readonly rule: Rule; readonly histories: number }>> = {
  SGD: { rule: sgd, histories: 1 },
  Nesterov: { rule: nesterov, histories: 1 },
  AdaGrad: { rule: adaGrad, histories: 1 },
  RMSProp: { rule: rmsProp, histories: 1 },
  AdaDelta: { rule: adaDelta, histories: 2 },
  Adam: { rule: adam, histories: 2 },
};

/** How many histories each blob has; they begin as zeros. */
export function historiesOf({ rule }: Pick<UpdateSettings, "rule">): number {
  return rules[rule].histories;
}

/**
 * One update: the mean over the passes, weight decay, the rule, and the step back. `gradient` is the sum over the
 * passes, already clipped; `rate` the iteration's rate times lrMult.
 */
export function move<V>(
  on: Arithmetic<V>,
  settings: UpdateSettings,
  given: Moved<V> & { readonly gradient: V; readonly rate: V; readonly decayMult: number },
): Moved<V> {
  const { value, rate } = given;
  const gradient = regularized(on, settings, given);
  const rule = rules[settings.rule].rule;
  const { step, histories } = rule(on, settings, { gradient, histories: given.histories, rate });
  return { value: on.sub(value, step), histories };
}

function regularized<V>(
  on: Arithmetic<V>,
  { iterSize, weightDecay, regularization }: UpdateSettings,
  given: { readonly value: V; readonly gradient: V; readonly decayMult: number },
): V {
  const { value, gradient, decayMult } = given;
  const mean = iterSize === 1 ? gradient : on.mul(on.number(float(1 / iterSize)), gradient);
  const decay = float(float(weightDecay) * float(decayMult));
  if (decay === 0) return mean;
  const direction = regularization === "L1" ? on.sign(value) : value;
  return on.add(on.mul(on.number(decay), direction), mean);
}

/** The numbers of an iteration by name: the rate, and Adam's correction of its histories' start at zero. */
export function stepScalars(
  settings: UpdateSettings,
  iteration: number,
): ReadonlyMap<string, number> {
  const rate = learningRate(settings.schedule, iteration);
  const scalars = new Map<string, number>([["solver/rate" satisfies StepScalar, rate]]);
  if (settings.rule === "Adam") {
    const [first, second] = [settings.momentum, settings.momentum2];
    const done = iteration + 1;
    scalars.set("solver/correction", float(Math.sqrt(1 - second ** done) / (1 - first ** done)));
  }
  return scalars;
}

/** Numbers, rounded to float32 after each operation. */
function float32Arithmetic(scalars: ReadonlyMap<string, number>): Arithmetic<number> {
  return {
    number: float,
    scalar: (name) => scalars.get(name) ?? Number.NaN,
    add: (a, b) => float(a + b),
    sub: (a, b) => float(a - b),
    mul: (a, b) => float(a * b),
    div: (a, b) => float(a / b),
    sqrt: (a) => float(Math.sqrt(a)),
    sign: Math.sign,
  };
}

/**
 * The definition: a blob and its histories after one iteration, from the summed gradient. `scale` is what clipping
 * multiplies all gradients by (`clipScale`). Nothing is changed in place.
 */
export function updateBlob(
  settings: UpdateSettings,
  iteration: number,
  blob: Moved<Float32Array> & Multipliers & { readonly gradient: Float32Array },
  scale: number = 1,
): Moved<Float32Array> {
  const on = float32Arithmetic(stepScalars(settings, iteration));
  const rate = on.mul(on.scalar("solver/rate"), float(blob.lrMult));
  const value = blob.value.slice();
  const histories = blob.histories.map((history) => history.slice());
  for (const [at, before] of blob.value.entries()) {
    const moved = move(on, settings, {
      value: before,
      gradient: on.mul(blob.gradient[at] ?? Number.NaN, scale),
      histories: blob.histories.map((history) => history[at] ?? Number.NaN),
      rate,
      decayMult: blob.decayMult,
    });
    value[at] = moved.value;
    for (const [index, history] of histories.entries()) {
      history[at] = moved.histories[index] ?? Number.NaN;
    }
  }
  return { value, histories };
}

/** What clipping multiplies all gradients by: `limit / norm` where their common L2 norm is above the limit, else 1. */
export function clipScale(
  { clipGradients: limit }: UpdateSettings,
  gradients: readonly Float32Array[],
): number {
  if (limit === undefined) return 1;
  let sum = 0;
  for (const gradient of gradients) for (const value of gradient) sum += value * value;
  const norm = float(Math.sqrt(sum));
  return norm > limit ? float(limit / norm) : 1;
}
