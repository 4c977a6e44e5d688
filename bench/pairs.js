/**
 * Runs measured processes in turn (A B A B ...) and keeps the ratio of each pair. The first pair
 * only warms up the disk's and the processor's caches.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { spread } from "./numbers.js";

const childFile = fileURLToPath(new URL("./child.js", import.meta.url));

/** Starts `node` with arguments; resolves with its output and the wall time of the whole process. */
export function runNode(args) {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const output = { out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    output.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.err += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const wholeSeconds = (performance.now() - started) / 1000;
      if (code === 0) resolve({ ...output, wholeSeconds });
      else reject(new Error(`node ${args.join(" ")}: exit code ${code}\n${output.err}`));
    });
  });
}

/** One measured process: the line that `child.js` prints, and `wholeSeconds`. */
export async function measure({ job, options }) {
  const { out, wholeSeconds } = await runNode([childFile, job, JSON.stringify(options)]);
  return { ...JSON.parse(out.trim().split("\n").at(-1)), wholeSeconds };
}

/** `rounds` pairs of results after one that is thrown away: `[[a, b], ...]`. */
export async function inTurn(a, b, rounds) {
  const pairs = [];
  for (let round = 0; round <= rounds; round += 1) {
    const pair = [await a(), await b()];
    if (round > 0) pairs.push(pair);
  }
  return pairs;
}

/** Median, least and largest of `of(a) / of(b)`, and the median of each side. */
export function ratios(pairs, of) {
  return {
    ...spread(pairs.map(([a, b]) => of(a) / of(b))),
    a: spread(pairs.map(([a]) => of(a))).median,
    b: spread(pairs.map(([, b]) => of(b))).median,
  };
}
