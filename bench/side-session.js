/**
 * One ONNX file run again and again on one fixed random input: no pictures, no preprocessing.
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { median } from "./numbers.js";

const warmUpSeconds = 0.5;
const measuredSeconds = 1.5;
const fewestRuns = 20;

/** `{ model, inputRange, threads? }` -> median seconds of a run. */
export async function session({ model, inputRange, threads }) {
  const options = threads === undefined ? {} : { intraOpNumThreads: threads };
  const loaded = await InferenceSession.create(model, { logSeverityLevel: 3, ...options });
  const feeds = { [loaded.inputNames[0]]: randomInput(loaded.inputMetadata[0].shape, inputRange) };
  await timeRuns(loaded, feeds, warmUpSeconds, 1);
  const times = await timeRuns(loaded, feeds, measuredSeconds, fewestRuns);
  return { seconds: median(times), runs: times.length };
}

async function timeRuns(loaded, feeds, seconds, fewest) {
  const times = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end || times.length < fewest) {
    const started = performance.now();
    await loaded.run(feeds);
    times.push((performance.now() - started) / 1000);
  }
  return times;
}

/** Evenly distributed in the range, the same in every process. Free dimensions (the batch) are 1. */
function randomInput(shape, [low, high]) {
  const dims = shape.map((extent) => (typeof extent === "number" && extent > 0 ? extent : 1));
  let state = 12345;
  const values = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + (high - low) * (state / 2 ** 32);
  });
  return new Tensor("float32", values, dims);
}
