/**
 * Writes the ONNX files that the other processes run.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  calibrate,
  defaultQuantizeOptions,
  lowerToOnnx,
  nodeRuntime,
  planQuantization,
  quantizeGraph,
  simulationOf,
  targetNamed,
  wantedValues,
} from "../dist/index.js";
import { channelMeans } from "../dist/quantize/calibrate.js";
import { withPictureInput } from "../dist/run/prepare.js";
import { takesAnyBatch } from "../dist/run/session.js";
import { floatGraph, pictures } from "./load.js";
import { network } from "./networks.js";

/** Pictures that the simulated network is calibrated on: its speed does not depend on them. */
const calibrationPictures = 8;

/** `{ name, folder, kinds }` -> paths by kind: "float", "picture" (starts at bytes), "simulation". */
export async function writeModels({ name, folder, kinds }) {
  const graph = await floatGraph(name);
  const make = {
    float: () => graph,
    picture: () => withPictureInput(graph, network(name).preprocess),
    simulation: () => simulated(name, graph),
  };
  const batch = takesAnyBatch(graph) ? "symbolic" : 1;
  const paths = {};
  for (const kind of kinds) {
    paths[kind] = join(folder, `${name.replaceAll(" ", "-")}.${kind}.onnx`);
    await writeFile(paths[kind], lowerToOnnx(await make[kind](), { batch }));
  }
  return { paths };
}

/** The integers that an int8 chip computes, in exact float32. */
async function simulated(name, graph) {
  const target = targetNamed("int8");
  const plan = planQuantization(graph, target);
  const { preprocess } = network(name);
  const some = await pictures(calibrationPictures);
  const method = { method: "minmax" };
  const seen = await calibrate(
    graph,
    wantedValues(plan),
    some,
    preprocess,
    await nodeRuntime(),
    method,
  );
  const statistics = new Map(
    [...seen.values].map(([id, observed]) => {
      const { min, max } = observed.statistics.extremes;
      return [id, { lo: min, hi: max, means: channelMeans(observed, seen.samples) }];
    }),
  );
  const quantized = quantizeGraph(graph, plan, target, statistics, defaultQuantizeOptions);
  return simulationOf(quantized.graph).lowered;
}
