/**
 * Iterations of VGG-small: 2 x 32, 2 x 64, 2 x 128 convolutions 3x3, each with batch norm, scale and activation, 2x2 maxima
 * behind each pair, 10 fully connected outputs; pictures of 3x32x32. Forward, backward and update with momentum.
 */
import { nodeRuntime } from "../dist/engine/runtime.node.js";
import { initialState } from "../dist/ir/training-state.js";
import { createRandom } from "../dist/tensor/random.js";
import { float32 } from "../dist/tensor/tensor.js";
import { trainable } from "../dist/train/trainable.js";
import { openTrainer, startRun } from "../dist/train/trainer.js";
import { median } from "./numbers.js";

const size = 32;
const classes = 10;
const widths = [32, 32, 64, 64, 128, 128];
const cap = 2.5;
const warmUp = 5;

const settings = {
  rule: "SGD",
  schedule: { policy: "fixed", baseLr: 0.01, base: 0.01 },
  ...{ momentum: 0.9, momentum2: 0.999, rmsDecay: 0.99, delta: 1e-8 },
  ...{ weightDecay: 1e-4, regularization: "L2", iterSize: 1, clipGradients: undefined },
};

/** `{ precision ("float" or what a quantConv has), batch, steps, threads }` -> milliseconds of an iteration. */
export async function training({ precision, batch, steps, threads }) {
  const network = trainable(vggSmall(precision, batch), { statisticsFraction: 0.999 });
  const trainer = await openTrainer(network, settings, await nodeRuntime({ threads }), 1);
  const random = createRandom(2);
  const feeds = new Map([
    ["data", filled([batch, 3, size, size], () => random.unit())],
    ["label", filled([batch], () => Math.floor(random.unit() * classes))],
  ]);
  let state = startRun(network, settings, initialState(network));
  const times = [];
  const losses = [];
  for (let step = 0; step < warmUp + steps; step += 1) {
    const started = performance.now();
    const done = await trainer.iterate(state, async () => feeds);
    if (step >= warmUp) times.push(performance.now() - started);
    state = done.state;
    losses.push(done.total);
  }
  await trainer.release();
  return { median: median(times), min: Math.min(...times), first: losses[0], last: losses.at(-1) };
}

function filled(shape, value) {
  return float32(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, value));
}

function vggSmall(precision, batch) {
  const nodes = [];
  const random = createRandom(1);
  const add = (op, id, inputs, attrs) => {
    nodes.push({ op, id, inputs, attrs });
    return id;
  };
  const constant = (id, shape, value) => add("const", id, [], { tensor: filled(shape, value) });
  const window = { stride: [1, 1], pads: [1, 1, 1, 1], dilation: [1, 1] };
  const pool = { kernel: [2, 2], stride: [2, 2], pads: [0, 0, 0, 0], dilation: [1, 1], ceil: true };
  let x = add("input", "data", [], { dtype: "float32", shape: [batch, 3, size, size] });
  let inputs = 3;
  for (const [at, width] of widths.entries()) {
    const deviation = Math.sqrt(2 / (9 * inputs));
    const weight = constant(`w${at}`, [width, inputs, 3, 3], () => deviation * random.normal());
    x =
      precision === "float"
        ? add("conv", `conv${at}`, [x, weight], { ...window, groups: 1 })
        : add("quantConv", `conv${at}`, [x, weight], {
            ...{ ...window, groups: 1, precision },
            ...{ parameterBits: 12, shiftEnabled: true },
          });
    const statistics = [
      constant(`mean${at}`, [width], () => 0),
      constant(`variance${at}`, [width], () => 1),
    ];
    x = add("batchNorm", `norm${at}`, [x, ...statistics], { epsilon: 1e-5 });
    const factors = [
      constant(`gamma${at}`, [width], () => 1),
      constant(`beta${at}`, [width], () => 0),
    ];
    x = add("scale", `scale${at}`, [x, ...factors], { axis: 1 });
    x =
      precision === "float"
        ? add("relu", `relu${at}`, [x], { slope: 0 })
        : add("quantRelu", `relu${at}`, [x, constant(`cap${at}`, [1], () => cap)], {
            ...{ slope: 0, bits: 5, quantized: true },
          });
    if (at % 2 === 1) x = add("maxPool", `pool${at}`, [x], pool);
    inputs = width;
  }
  x = add("flatten", "flat", [x], { axis: 1, endAxis: -1 });
  const features = inputs * (size / 8) ** 2;
  const weight = constant("fc/w", [classes, features], () => random.normal() / Math.sqrt(features));
  x = add("linear", "fc", [x, weight, constant("fc/b", [classes], () => 0)], {});
  return { name: "vgg-small", nodes, outputs: [{ name: x, id: x }], opsets: {} };
}
