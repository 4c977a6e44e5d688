/**
 * `node bench/training.js`: time and memory of a training iteration of VGG-small (side-training.js), float and
 * quantized. With `--peer FILE` beside another program that trains the same network: Python, it takes `--threads`,
 * `--batch` and `--steps` and prints `{"float": {"min", "median"}, "qat": {...}}` in milliseconds. Other options:
 * --python PATH (/usr/bin/python3), --batch N, --steps N, --threads N, --rounds N, --write (to bench/training.md).
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { spread } from "./numbers.js";
import { inTurn, measure } from "./pairs.js";
import { preamble, sectionText } from "./report.js";

/** Largest ratio to the peer's quantization-aware training, and resident memory, in MiB. */
const limits = { ratio: 1.4, megabytes: Math.floor(1e9 / 2 ** 20) };

/** What is trained, and against which of the peer's two figures it is held. */
const kinds = [
  { what: "float", precision: "float", against: "float", isJudged: false },
  { what: "12 bits, 5-bit activations", precision: "dynamic", against: "qat", isJudged: true },
  { what: "5 bits, 5-bit activations", precision: "fiveBits", against: "qat", isJudged: false },
];

const say = (text) => process.stderr.write(`${text}\n`);
const milliseconds = (value) => `${value.toPrecision(3)} ms`;
const headings = ["trained", "ratio", "range", "ours / peer, one iteration", "target"];

function readOptions() {
  const { values } = parseArgs({
    options: {
      peer: { type: "string" },
      python: { type: "string", default: "/usr/bin/python3" },
      batch: { type: "string", default: "32" },
      steps: { type: "string", default: "20" },
      threads: { type: "string", default: "2" },
      rounds: { type: "string", default: "5" },
      write: { type: "boolean", default: false },
    },
  });
  const counts = ["batch", "steps", "threads", "rounds"].map((name) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be 1 or more`);
    return [name, value];
  });
  return { ...values, ...Object.fromEntries(counts) };
}

/** One process of the peer, all its figures. */
async function peerOnce({ python, peer, threads, batch, steps }) {
  const flags = Object.entries({ threads, batch, steps }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const { stdout } = await promisify(execFile)(python, [peer, ...flags]);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

async function rowOf({ what, precision, against, isJudged }, options) {
  say(`  ${what}`);
  const { batch, steps, threads, rounds } = options;
  const ours = () => measure({ job: "training", options: { precision, batch, steps, threads } });
  const peer = options.peer === undefined ? async () => undefined : () => peerOnce(options);
  const pairs = await inTurn(ours, peer, rounds);
  const peak = Math.max(...pairs.map(([one]) => one.peakMb));
  const own = spread(pairs.map(([one]) => one.median));
  const memory = `${peak.toFixed(0)} MiB`;
  if (options.peer === undefined) {
    const range = `${milliseconds(own.min)}..${milliseconds(own.max)}`;
    return { what, value: milliseconds(own.median), range, sides: memory, target: "" };
  }
  const found = spread(pairs.map(([one, other]) => one.median / other[against].median));
  const theirs = spread(pairs.map(([, other]) => other[against].median));
  return {
    what,
    value: found.median.toFixed(2),
    range: `${found.min.toFixed(2)}..${found.max.toFixed(2)}`,
    sides: `${milliseconds(own.median)}, ${memory} / ${milliseconds(theirs.median)}`,
    target: isJudged ? `<= ${limits.ratio}, ${limits.megabytes} MiB` : "",
    isMet: isJudged ? found.median <= limits.ratio && peak <= limits.megabytes : undefined,
  };
}

async function main() {
  const options = readOptions();
  const rows = [];
  for (const kind of kinds) rows.push(await rowOf(kind, options));
  const command = ["node bench/training.js", ...process.argv.slice(2)].join(" ");
  const title = `Iterations of VGG-small, batch ${options.batch}, ${options.threads} threads (median of ${options.steps})`;
  const text = [preamble(command, options.rounds), sectionText(title, rows, headings)].join("\n");
  process.stdout.write(`${text}\n`);
  const results = fileURLToPath(new URL("./training.md", import.meta.url));
  if (options.write) await writeFile(results, text);
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
