/**
 * Random small float networks with everything that the canonical passes look for, in valid and in
 * untouchable places. From a list of integers, so that fast-check can shrink them.
 */
import type { Graph } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import { createRandom, type Random } from "../src/tensor/random.ts";
import { type Nchw, type Shape, sameShape } from "../src/tensor/shape.ts";
import { float32 } from "../src/tensor/tensor.ts";

/** A network under construction. */
type Draft = {
  readonly nodes: Node[];
  readonly random: Random;
  /** Values of rank 4, with their shapes. */
  readonly images: { readonly id: string; readonly shape: Nchw }[];
};

type Step = (draft: Draft, x: { readonly id: string; readonly shape: Nchw }, id: string) => Node;

const between = (draft: Draft, low: number, high: number): number =>
  low + Math.floor(draft.random.unit() * (high - low + 1));
const chance = (draft: Draft): boolean => between(draft, 0, 1) === 1;

function constant(draft: Draft, shape: Shape, low = -1, high = 1): string {
  const id = `k${draft.nodes.length}`;
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, () => low + draft.random.unit() * (high - low));
  draft.nodes.push({ op: "const", id, inputs: [], attrs: { tensor: float32(shape, values) } });
  return id;
}

/** A constant that says one number per channel, or something that looks like it. */
function operand(draft: Draft, [, c, , w]: Nchw, low = 0.5, high = 2): string {
  const shapes: readonly Shape[] = [[], [1], [1, c, 1, 1], [c, 1, 1], [1, 1, 1, 1], [w]];
  return constant(draft, shapes[between(draft, 0, shapes.length - 1)] ?? [], low, high);
}

function conv(
  draft: Draft,
  { id: x, shape: [, c] }: { id: string; shape: Nchw },
  id: string,
): Node {
  const groups = chance(draft) ? c : 1;
  const out = groups * between(draft, 1, 2);
  const kernel = between(draft, 1, 3);
  const pad = between(draft, 0, 1);
  const inputs = [x, constant(draft, [out, c / groups, kernel, kernel])];
  if (chance(draft)) inputs.push(constant(draft, [out]));
  const stride = between(draft, 1, 2);
  return {
    op: "conv",
    id,
    inputs,
    attrs: { stride: [stride, stride], pads: [pad, 0, pad, pad], dilation: [1, 1], groups },
  };
}

function pool(draft: Draft, { id: x }: { id: string }, id: string): Node {
  const kernel = between(draft, 1, 3);
  const stride = between(draft, 1, 2);
  const pad = kernel > 1 ? between(draft, 0, 1) : 0;
  const attrs = {
    kernel: [kernel, kernel],
    stride: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilation: [1, 1],
    ceil: chance(draft),
  } as const;
  return chance(draft)
    ? { op: "maxPool", id, inputs: [x], attrs }
    : { op: "avgPool", id, inputs: [x], attrs: { ...attrs, countPad: chance(draft) } };
}

/** Two values of one shape come together, the same one twice perhaps. */
function join(draft: Draft, x: { readonly id: string; readonly shape: Nchw }, id: string): Node {
  const same = draft.images.filter((image) => sameShape(image.shape, x.shape));
  const inputs = [x.id, same[between(draft, 0, same.length - 1)]?.id ?? x.id];
  return chance(draft)
    ? { op: "add", id, inputs, attrs: {} }
    : { op: "concat", id, inputs, attrs: { axis: 1 } };
}

/** A pad right in front of a window, after a rectifier perhaps. */
function paddedPool(draft: Draft, { id: x }: { readonly id: string }, id: string): Node {
  if (chance(draft)) {
    draft.nodes.push({ op: "relu", id: `${id}.relu`, inputs: [x], attrs: { slope: 0 } });
  }
  const source = draft.nodes.at(-1)?.id === `${id}.relu` ? `${id}.relu` : x;
  const side = (): number => between(draft, 0, 2);
  draft.nodes.push({
    op: "pad",
    id: `${id}.pad`,
    inputs: [source],
    attrs: { pads: [side(), side(), side(), side()], value: 0 },
  });
  return pool(draft, { id: `${id}.pad` }, id);
}

const steps: readonly Step[] = [
  conv,
  conv,
  conv,
  (draft, { id: x, shape: [, c] }, id) => {
    const groups = chance(draft) ? c : 1;
    const [outPerGroup, kernel] = [between(draft, 1, 2), between(draft, 1, 3)];
    const inputs = [x, constant(draft, [c, outPerGroup, kernel, kernel])];
    if (chance(draft)) inputs.push(constant(draft, [outPerGroup * groups]));
    return {
      op: "deconv",
      id,
      inputs,
      attrs: {
        stride: [1, 2],
        pads: [0, 0, 0, 0],
        dilation: [1, 1],
        groups,
        outputPads: [0, 0],
      },
    };
  },
  (draft, { id: x, shape: [, c] }, id) => {
    const inputs = [x, constant(draft, [c]), constant(draft, [c], 0.1, 2)];
    if (chance(draft)) inputs.push(constant(draft, [c]), constant(draft, [c]));
    return { op: "batchNorm", id, inputs, attrs: { epsilon: 1e-3 } };
  },
  (draft, { id: x, shape: [, c] }, id) => {
    const inputs = [x, constant(draft, [c])];
    if (chance(draft)) inputs.push(constant(draft, [c]));
    return { op: "scale", id, inputs, attrs: { axis: chance(draft) ? 1 : -3 } };
  },
  (draft, { id: x, shape: [, c, h, w] }, id) => ({
    op: "bias",
    id,
    inputs: [x, constant(draft, chance(draft) ? [c] : [c, h, w])],
    attrs: { axis: 1 },
  }),
  (draft, { id: x, shape }, id) => {
    const pair = [x, operand(draft, shape)];
    const inputs = chance(draft) ? pair : pair.toReversed();
    const op = (["sub", "mul"] as const)[between(draft, 0, 1)] ?? "sub";
    return { op, id, inputs, attrs: {} };
  },
  (draft, { id: x, shape }, id) => ({
    op: "div",
    id,
    inputs: [x, operand(draft, shape)],
    attrs: {},
  }),
  (draft, { id: x, shape }, id) => {
    const inputs = [operand(draft, shape), x];
    return { op: "add", id, inputs, attrs: chance(draft) ? {} : { coefficients: [2, -0.5] } };
  },
  (draft, { id: x }, id) => {
    const power = between(draft, 1, 2);
    return { op: "power", id, inputs: [x], attrs: { power, scale: -0.5, shift: 0.25 } };
  },
  (_draft, { id: x }, id) => ({ op: "relu", id, inputs: [x], attrs: { slope: 0 } }),
  (draft, { id: x }, id) => {
    const min = [-Infinity, -0.5, 0, 0.25][between(draft, 0, 3)] ?? 0;
    const max = [-0.25, 0.5, 1, Infinity][between(draft, 0, 3)] ?? 1;
    return { op: "clip", id, inputs: [x], attrs: { min, max: Math.max(min, max) } };
  },
  (draft, { id: x }, id) => {
    const limit = constant(draft, [1], 0, chance(draft) ? 0 : 0.5);
    return { op: "maximum", id, inputs: [limit, x], attrs: {} };
  },
  (draft, { id: x, shape: [, c] }, id) => ({
    op: "prelu",
    id,
    inputs: [x, constant(draft, chance(draft) ? [1] : [c])],
    attrs: {},
  }),
  (draft, { id: x }, id) => ({
    op: "pad",
    id,
    inputs: [x],
    attrs: {
      pads: [between(draft, 0, 1), 1, between(draft, 0, 2), between(draft, -1, 1)],
      value: chance(draft) || chance(draft) ? 0 : 0.5,
    },
  }),
  pool,
  paddedPool,
  paddedPool,
  paddedPool,
  (_draft, { id: x }, id) => ({ op: "dropout", id, inputs: [x], attrs: { ratio: 0.5 } }),
  (_draft, { id: x, shape }, id) => ({ op: "reshape", id, inputs: [x], attrs: { shape } }),
  join,
  (draft, { id: x, shape: [, c] }, id) => {
    const pair = [constant(draft, [c, 1, 1]), constant(draft, [1, 1])];
    draft.nodes.push({ op: "add", id: `${id}.sum`, inputs: pair, attrs: {} });
    return { op: "mul", id, inputs: [x, `${id}.sum`], attrs: {} };
  },
  (draft, { id: x, shape: [, , h, w] }, id) => {
    const attrs = {
      minSizes: [between(draft, 1, 3)],
      maxSizes: [],
      aspectRatios: [],
      flip: false,
      clip: chance(draft),
      variances: [0.1, 0.1, 0.2, 0.2],
      offset: 0.5,
    };
    draft.nodes.push({ op: "priorBox", id: `${id}.boxes`, inputs: [x, "x"], attrs });
    return { op: "reshape", id, inputs: [`${id}.boxes`], attrs: { shape: [1, 8, h, w] } };
  },
];

/** A network of one step per number; steps that do not fit the image that they meet are left out. */
export function randomNet(choices: readonly number[], seed: number): Graph {
  const shape: Nchw = [1, 1 + (seed % 3), 6, 5];
  const draft: Draft = {
    nodes: [{ op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape } }],
    random: createRandom(seed),
    images: [{ id: "x", shape }],
  };
  for (const [at, choice] of choices.entries()) addStep(draft, choice, `n${at}`);
  const last = draft.images.at(-1)?.id ?? "x";
  const inner = draft.images[between(draft, 0, draft.images.length - 1)]?.id ?? "x";
  const { nodes, outputs } = withHead(draft, last);
  const names = chance(draft) ? [...outputs, inner] : outputs;
  return {
    name: "random",
    nodes,
    outputs: [...new Set(names)].map((id) => ({ name: id, id })),
    opsets: {},
  };
}

function addStep(draft: Draft, choice: number, id: string): void {
  const step = steps[choice % steps.length];
  // Mostly a chain, so that there is something to fold.
  const reach = between(draft, 0, 3) === 0 ? draft.images.length : 1;
  const x = draft.images.at(-between(draft, 1, reach));
  if (step === undefined || x === undefined) return;
  const before = draft.nodes.length;
  draft.nodes.push(step(draft, x, id));
  const type = typeOf(draft.nodes, id);
  const [n, c, h, w] = type ?? [];
  if (n === undefined || c === undefined || !h || !w || n * c * h * w > 2000) {
    draft.nodes.length = before;
    return;
  }
  draft.images.push({ id, shape: [n, c, h, w] });
}

function typeOf(nodes: readonly Node[], id: string): Shape | undefined {
  try {
    return inferTypes({ name: "", nodes, outputs: [], opsets: {} }).get(id)?.shape;
  } catch {
    return undefined;
  }
}

/** Half of the networks end in flatten, a fully connected layer and something to fold into it. */
function withHead(
  draft: Draft,
  last: string,
): { readonly nodes: readonly Node[]; readonly outputs: readonly string[] } {
  const [, c = 1, h = 1, w = 1] = draft.images.at(-1)?.shape ?? [];
  if (chance(draft)) return { nodes: draft.nodes, outputs: [last] };
  const flatten = { axis: 1, endAxis: -1 };
  draft.nodes.push({ op: "flatten", id: "flat", inputs: [last], attrs: flatten });
  const centred = constant(draft, [1, c * h * w]);
  draft.nodes.push({ op: "sub", id: "centred", inputs: ["flat", centred], attrs: {} });
  const weight = constant(draft, [2, c * h * w]);
  draft.nodes.push({ op: "linear", id: "fc", inputs: ["centred", weight], attrs: {} });
  const factor = constant(draft, [2]);
  draft.nodes.push({ op: "mul", id: "scaled", inputs: ["fc", factor], attrs: {} });
  return { nodes: draft.nodes, outputs: ["scaled"] };
}
