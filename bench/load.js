/**
 * What several sides need of Inlay: a network in canonical form, its pictures, what is observed.
 */
import {
  canonicalize,
  inferTypes,
  loadModel,
  openDataset,
  planQuantization,
  targetNamed,
  wantedValues,
} from "../dist/index.js";
import { network, pictureList } from "./networks.js";

/** The float network as every command computes it. */
export async function floatGraph(name) {
  return canonicalize((await loadModel(network(name).files)).graph);
}

/** The first `limit` calibration pictures. */
export function pictures(limit) {
  return openDataset(pictureList(), { limit, seed: 1 });
}

/**
 * Which values calibration observes: "quantize" takes those that get a grid, "calibrate" every
 * computed value, as the commands of these names do.
 */
export function wantedBy(command, graph) {
  if (command === "quantize") return wantedValues(planQuantization(graph, targetNamed("int8")));
  const types = inferTypes(graph);
  const computed = graph.nodes.filter(
    (node) => node.op !== "const" && types.get(node.id)?.dtype === "float32",
  );
  return new Map(computed.map((node) => [node.id, { range: true, mean: false }]));
}
