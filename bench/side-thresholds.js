/**
 * Thresholds from the sampled histogram against those from every pixel, per value.
 */
import { calibrate, nodeRuntime, targetNamed } from "../dist/index.js";
import { chooseRange } from "../dist/quantize/observers/choose-range.js";
import { floatGraph, pictures, wantedBy } from "./load.js";
import { network } from "./networks.js";
import { median } from "./numbers.js";

const methods = ["entropy", "percentile", "mse"];

/** `{ name, limit }` -> per method the median and largest relative difference, and the value's name. */
export async function thresholds({ name, limit }) {
  const graph = await floatGraph(name);
  const observe = async (method, everyPixel) =>
    calibrate(
      graph,
      wantedBy("quantize", graph),
      await pictures(limit),
      network(name).preprocess,
      await nodeRuntime(),
      { method, everyPixel },
    );
  const full = await observe("entropy", true);
  const format = { number: targetNamed("int8").activations.unsigned };
  const byMethod = [];
  for (const method of methods) {
    const sampled = await observe(method, false);
    const differences = [...full.values].flatMap(([id, { statistics }]) => {
      const other = sampled.values.get(id)?.statistics;
      if (other === undefined || statistics.extremes.count === 0) return [];
      const [a, b] = [other, statistics].map((one) => chooseRange(method, one, format));
      return [{ id, difference: relativeDifference(a, b) }];
    });
    const worst = differences.reduce((a, b) => (b.difference > a.difference ? b : a));
    byMethod.push({ method, median: median(differences.map((one) => one.difference)), worst });
  }
  return { values: full.values.size, byMethod };
}

/** The larger difference of the two ends, relative to the larger end of the full histogram's range. */
function relativeDifference(sampled, full) {
  const size = Math.max(Math.abs(full.min), Math.abs(full.max));
  if (size === 0) return 0;
  return Math.max(Math.abs(sampled.min - full.min), Math.abs(sampled.max - full.max)) / size;
}
