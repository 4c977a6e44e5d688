/**
 * What is measured of the GTI chips, each in a process of its own: a conversion, the ONNX files of a converted model and
 * of the same network in float, and the scalar definition against the engine on every element.
 */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  canonicalize,
  convertJob,
  inferTypes,
  lowerToOnnx,
  nodeRuntime,
  openSession,
  readCaffe,
  runScalar,
} from "../dist/index.js";
import { sweep } from "../dist/ir/graph.js";
import { scalarGraph, simulationGraph } from "../dist/job/chip/simulation-graph.js";
import { readChipModel } from "../dist/job/chip-model.node.js";
import { createRandom } from "../dist/tensor/random.js";
import { chipOf, pathsOf, targetOf } from "./gti-examples.js";

const threads = 2;

/** `{ at, name }` -> seconds, bytes of the model, shifts of the layers. */
export async function gtiConvert({ at, name }) {
  const { prototxt, caffemodel, out, model } = pathsOf(at, name);
  const job = {
    model: [prototxt, caffemodel],
    target: targetOf(name),
    chip: chipOf(name),
    editGain: false,
    likeMdk: false,
    debug: false,
    force: true,
    out,
  };
  const started = performance.now();
  const report = await convertJob(job, { device: "cpu", threads, seed: 0, command: ["inlay"] });
  const seconds = (performance.now() - started) / 1000;
  const { size } = await stat(model);
  const accumulatorBits = Math.max(...report.layers.map((layer) => layer.accumulatorBits));
  return { seconds, bytes: size, accumulatorBits, shifts: report.layers.map(({ shift }) => shift) };
}

/** `{ at, name }` -> paths of ONNX files: the written model's simulation, and the float networks. */
export async function gtiModels({ at, name }) {
  const { prototxt, caffemodel, model } = pathsOf(at, name);
  const kit = readCaffe({
    prototxt: { name: prototxt, bytes: await readFile(prototxt) },
    caffemodel: { name: caffemodel, bytes: await readFile(caffemodel) },
  });
  const graphs = {
    simulation: simulationGraph(await readChipModel(model)),
    float: strided(canonicalize(plainLayers(kit))),
  };
  const paths = {};
  for (const [kind, graph] of Object.entries(graphs)) {
    paths[kind] = join(at, name, `${kind}.onnx`);
    await writeFile(paths[kind], lowerToOnnx(graph, { batch: 1 }));
  }
  return { paths };
}

/** Convolutions with the float weights and ReLU: the network without its chip. */
function plainLayers(graph) {
  const nodes = graph.nodes.map((node) => {
    const { op, id, inputs, attrs } = node;
    if (op === "quantRelu") return { op: "relu", id, inputs: [inputs[0]], attrs: { slope: 0 } };
    if (op !== "quantConv") return node;
    const { stride, pads, dilation, groups } = attrs;
    return { op: "conv", id, inputs, attrs: { stride, pads, dilation, groups } };
  });
  return sweep({ ...graph, nodes });
}

/** A convolution that is only sampled is computed where it is sampled, as in the simulation: the float side pays no more. */
function strided(graph) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const moved = new Map();
  const sampled = new Map();
  for (const { op, id, inputs, attrs } of graph.nodes) {
    if (op !== "maxPool" || attrs.kernel.some((extent) => extent !== 1)) continue;
    const conv = nodes.get(nodes.get(inputs[0])?.inputs[0]);
    if (conv?.op !== "conv") continue;
    sampled.set(conv.id, attrs.stride);
    moved.set(id, inputs[0]);
  }
  const kept = graph.nodes.filter(({ id }) => !moved.has(id));
  const renamed = (id) => moved.get(id) ?? id;
  return {
    ...graph,
    nodes: kept.map((node) => {
      const inputs = node.inputs.map(renamed);
      const stride = sampled.get(node.id);
      return stride === undefined
        ? { ...node, inputs }
        : { ...node, inputs, attrs: { ...node.attrs, stride } };
    }),
    outputs: graph.outputs.map(({ name, id }) => ({ name, id: renamed(id) })),
  };
}

/** `{ at, name }` -> elements of all integer values of one picture, and how many differ between definition and engine. */
export async function gtiEqual({ at, name }) {
  const model = await readChipModel(pathsOf(at, name).model);
  const [definition, lowered] = [scalarGraph(model), simulationGraph(model)];
  const computed = new Set(lowered.nodes.map(({ id }) => id));
  const types = inferTypes(definition);
  const isInteger = ({ op, id }) => op !== "const" && types.get(id).dtype !== "float32";
  const taps = definition.nodes.filter((node) => isInteger(node) && computed.has(node.id));
  const [{ id: input, attrs }] = definition.nodes.filter(({ op }) => op === "input");
  const feeds = new Map([[input, randomPicture(attrs.shape)]]);
  const graph = sweep({ ...lowered, outputs: taps.map(({ id }) => ({ name: id, id })) });
  const session = await openSession(graph, await nodeRuntime({ device: "cpu", threads }));
  const fast = await session.run(feeds);
  await session.release();
  const counts = { values: 0, elements: 0, different: 0, zeros: 0, largest: 0 };
  const started = performance.now();
  const onValue = ({ id }, { data }) => {
    if (fast.has(id)) countDifferences(data, fast.get(id).data, counts);
  };
  runScalar({ ...definition, outputs: graph.outputs }, feeds, { onValue });
  return { ...counts, seconds: (performance.now() - started) / 1000 };
}

function countDifferences(wanted, got, counts) {
  counts.values += 1;
  counts.elements += wanted.length;
  if (wanted.length !== got.length) counts.different += wanted.length;
  for (let at = 0; at < wanted.length; at += 1) {
    if (wanted[at] !== got[at]) counts.different += 1;
    if (wanted[at] === 0) counts.zeros += 1;
    if (wanted[at] > counts.largest) counts.largest = wanted[at];
  }
}

function randomPicture(shape) {
  const random = createRandom(5);
  const length = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length }, () => random.below(256));
  return { dtype: "float32", shape, data };
}
