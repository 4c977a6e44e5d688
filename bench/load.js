/**
 * What several sides need of Inlay: a network in canonical form, its pictures, what is observed.
 */
import {
  canonicalize,
  loadModel,
  openDataset,
  planQuantization,
  targetNamed,
  wantedValues,
} from "../dist/index.js";
import { allActivations } from "../dist/quantize/all-activations.js";
import { network, pictureList } from "./networks.js";

/** The float network as every command computes it. */
export async function floatGraph(name) {
  return canonicalize((await loadModel(network(name).files)).graph);
}

/** The first `limit` calibration pictures. */
export function pictures(limit) {
  return openDataset(pictureList(), { limit, seed: 1 });
}

/** Which values calibration observes, as the commands "quantize" and "calibrate" do. */
export function wantedBy(command, graph) {
  if (command === "quantize") return wantedValues(planQuantization(graph, targetNamed("int8")));
  return allActivations(graph);
}
