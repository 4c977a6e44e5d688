/**
 * `node bench/few-bits.js --work FOLDER`: what the options of few-bit training are worth on the drawn pictures of the demo:
 * a teacher, biases kept within the weights, and a largest norm. Each is run with several seeds, in float and in all steps,
 * and simulated from the written files.
 *
 * Options: --work FOLDER (needed; what is there is not done again), --seeds N (3), --threads N (2), --write (to
 * bench/few-bits.md).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bySeed, deliver, inlay, line, studyOptions, table } from "./seed-study.js";

const widths = [
  ["gti2803", 2],
  ["gti2801", 1],
  ["gti5801", 1],
];
const variants = {
  nothing: [],
  "--distill 0.5": ["--distill", "0.5"],
  "--clip-bias": ["--clip-bias"],
  "--max-norm 1": ["--max-norm", "1"],
};

const read = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Correct pictures in float and simulated, and the largest ratio of a layer's bias to its weights. */
function measure([target, bits], variant, seed, { work, threads }) {
  const demo = join(work, `demo-${seed}`);
  const base = ["--seed", `${seed}`, "--threads", threads];
  if (!existsSync(join(demo, "network.onnx"))) inlay(["demo", "--out", demo, ...base]);
  const name = variant.replaceAll(/[^a-z0-9]+/g, "-");
  const out = join(work, `${target}-${bits}-${name}-${seed}`);
  if (!existsSync(join(out, "report.json"))) {
    inlay([
      ...["finetune", join(demo, "network.onnx"), "--target", target, "--bits", `${bits}`],
      ...["--train", join(demo, "train.bin"), "--test", join(demo, "test.bin")],
      ...[
        "--waive",
        "image-size",
        "--crop",
        "28",
        "--scale",
        "1/128",
        "--rates",
        "0,0.01,0.01,0.001",
        "--out",
        out,
      ],
      ...[...variants[variant], ...base],
    ]);
  }
  const { accuracy, convert } = read(join(out, "report.json"));
  const ratios = convert.layers.map(({ maxBias, maxWeight }) => maxBias / maxWeight);
  return {
    float: accuracy.float.count,
    simulated: accuracy.simulated.count,
    samples: accuracy.samples,
    ratio: Math.max(...ratios),
  };
}

function rowOf(width, variant, options) {
  const runs = bySeed(options, (seed) => measure(width, variant, seed, options));
  const lost = runs.map(({ float, simulated, samples }) => (100 * (float - simulated)) / samples);
  const mean = lost.reduce((sum, value) => sum + value, 0) / lost.length;
  return line([
    `${width[0]}, ${width[1]} bits`,
    variant,
    lost.map((value) => value.toFixed(1)).join(" "),
    mean.toFixed(2),
    runs.map(({ ratio }) => ratio.toPrecision(2)).join(" "),
  ]);
}

function page(options) {
  return [
    "# What the options of few-bit training are worth",
    "",
    "The demo's network and its drawn pictures, 3000 to train and 1000 to test: points lost from the float network to the",
    "simulation of the written files, per seed; and the largest of the layers' ratios max|B| / max|W|. A difference of 0.5",
    "points is five pictures. Here none of the options gains anything beyond chance, and a norm of 1 costs: these pictures are easy",
    "and three epochs are few. Where step 4 keeps the weights that it began with, `--clip-bias` leaves no trace. Made by",
    "",
    "```",
    `node bench/few-bits.js --work FOLDER --seeds ${options.seeds} --write`,
    "```",
    "",
    ...table(
      ["chip", "option", "points lost", "mean", "max|B| / max|W|"],
      widths,
      () => variants,
      (width, variant) => rowOf(width, variant, options),
    ),
    "",
  ];
}

const options = studyOptions();
await deliver("few-bits.md", page(options), options);
