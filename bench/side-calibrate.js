/**
 * Calibration as the commands run it, with a clock around its loop over the pictures: from the
 * moment the session is loaded until it is released.
 */
import { calibrate, nodeRuntime } from "../dist/index.js";
import { floatGraph, pictures, wantedBy } from "./load.js";
import { network } from "./networks.js";

/** `{ name, method, command, limit, everyPixel? }` -> seconds of the loop. */
export async function calibration({ name, method, command, limit, everyPixel }) {
  const graph = await floatGraph(name);
  const clock = { loaded: 0, released: 0 };
  const result = await calibrate(
    graph,
    wantedBy(command, graph),
    await pictures(limit),
    network(name).preprocess,
    clockedRuntime(await nodeRuntime(), clock),
    { method, ...(everyPixel ? { everyPixel } : {}) },
  );
  return { seconds: (clock.released - clock.loaded) / 1000, images: result.samples };
}

function clockedRuntime(runtime, clock) {
  return {
    ...runtime,
    load: async (model) => {
      const session = await runtime.load(model);
      clock.loaded = performance.now();
      return {
        ...session,
        release: () => {
          clock.released = performance.now();
          return session.release();
        },
      };
    },
  };
}
