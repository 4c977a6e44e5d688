/**
 * One measured process: `node bench/child.js JOB '{"json": "arguments"}'` prints one line of JSON.
 * Each side of a pair runs in a process of its own, so that no session disturbs the other.
 */
/** Loaded on demand: a side pays for its own imports only. */
const jobs = {
  bareInference: async (options) => (await import("./side-bare.js")).bareInference(options),
  calibration: async (options) => (await import("./side-calibrate.js")).calibration(options),
  gtiConvert: async (options) => (await import("./side-gti.js")).gtiConvert(options),
  gtiEqual: async (options) => (await import("./side-gti.js")).gtiEqual(options),
  gtiModels: async (options) => (await import("./side-gti.js")).gtiModels(options),
  gtiWrite: async (options) => (await import("./gti-examples.js")).writeExample(options),
  session: async (options) => (await import("./side-session.js")).session(options),
  thresholds: async (options) => (await import("./side-thresholds.js")).thresholds(options),
  training: async (options) => (await import("./side-training.js")).training(options),
  writeModels: async (options) => (await import("./side-models.js")).writeModels(options),
};
const [job = "", json = "{}"] = process.argv.slice(2);
const result = await jobs[job](JSON.parse(json));
// Kilobytes, whatever the system.
const peakMb = process.resourceUsage().maxRSS / 1024;
process.stdout.write(`${JSON.stringify({ ...result, peakMb })}\n`);
