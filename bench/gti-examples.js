/**
 * The example networks for the GTI chips with seeded random weights, as files: what the other processes convert.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readCaffe, writeCaffe } from "../dist/index.js";
import { createRandom } from "../dist/tensor/random.js";

const folder = fileURLToPath(new URL("../examples/gti/", import.meta.url));
const extension = ".prototxt";

/** VGG16 as it was published: its first fully connected layer is sixteen times as wide as the example's. */
export const wideVgg = "vgg16-wide-2803";

/** Names of the examples: `vgg16-2803`. */
export async function exampleNames() {
  const files = await readdir(folder);
  return files
    .filter((name) => name.endsWith(extension))
    .map((name) => name.slice(0, -extension.length))
    .sort();
}

export const targetOf = (name) => `gti${name.slice(-4)}`;

/** Rules that an example is known to break, and chips that it needs. */
const special = {
  "detector-448-5801": { waive: ["weight-memory"] },
  "resnet50-2803": { waive: [], chips: 2 },
};
export const chipOf = (name) => special[name] ?? { waive: [] };

/** Files of an example below a folder. */
export const pathsOf = (at, name) => ({
  prototxt: join(at, name, "deploy.prototxt"),
  caffemodel: join(at, name, "net.caffemodel"),
  out: join(at, name, "out"),
  model: join(at, name, "out", "out.model"),
});

/** `{ at, name }` -> writes the prototxt and a caffemodel of random weights. */
export async function writeExample({ at, name }) {
  const text = await prototxtOf(name);
  const file = { name, bytes: new TextEncoder().encode(text) };
  const { caffemodel } = writeCaffe(withRandomWeights(readCaffe({ prototxt: file })));
  const paths = pathsOf(at, name);
  await mkdir(join(at, name), { recursive: true });
  await writeFile(paths.prototxt, text);
  await writeFile(paths.caffemodel, caffemodel);
  return { bytes: caffemodel.length };
}

async function prototxtOf(name) {
  if (name !== wideVgg) return readFile(join(folder, name + extension), "utf8");
  const text = await readFile(join(folder, `vgg16-2803${extension}`), "utf8");
  return text.replace(/(name: "host_fc1"[\s\S]*?num_output: )256/, "$14096");
}

/** Normal numbers are drawn once; layers take them from places of their own. */
const poolSize = 2 ** 20;
const layers = new Set(["quantConv", "conv", "linear"]);

/**
 * Weights of deviation sqrt(2 / inputs of a neuron), which keep the size of activations from layer to layer (sqrt(4 / inputs)
 * where rounding to few levels takes about half of the variance); biases small enough to leave the weights their bits.
 */
function withRandomWeights(graph) {
  const random = createRandom(1);
  const pool = Float32Array.from({ length: poolSize }, () => random.normal());
  const fill = (length, scale) => {
    const first = random.below(poolSize);
    const data = new Float32Array(length);
    for (let at = 0; at < length; at += 1) data[at] = scale * pool[(first + at) % poolSize];
    return data;
  };
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const values = new Map();
  for (const { op, inputs, attrs } of graph.nodes) {
    if (!layers.has(op)) continue;
    const [weight, bias] = inputs.slice(1).map((id) => nodes.get(id)?.attrs.tensor);
    const variance = op === "quantConv" && attrs.precision !== "dynamic" ? 4 : 2;
    const fanIn = weight.data.length / weight.shape[0];
    values.set(inputs[1], fill(weight.data.length, Math.sqrt(variance / fanIn)));
    if (bias !== undefined) values.set(inputs[2], fill(bias.data.length, 0.02));
  }
  return { ...graph, nodes: graph.nodes.map((node) => filled(node, values.get(node.id))) };
}

function filled(node, data) {
  return data === undefined ? node : { ...node, attrs: { tensor: { ...node.attrs.tensor, data } } };
}
