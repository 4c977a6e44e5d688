/**
 * `node bench/copies.js --work FOLDER`: what copies of channels and rounding are worth, and what is chance. A
 * MobileNet is quantized after training for two chips, with several seeds (they choose the pixels that layers are corrected
 * with), and simulated from the written files.
 *
 * Options: --work FOLDER (needed; what is there is not done again), --seeds N (3), --threads N (2), --write (to
 * bench/copies.md). Needs INLAY_DATA.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bySeed, deliver, inlay, line, studyOptions, table } from "./seed-study.js";

const data = process.env.INLAY_DATA;

const chips = [
  ["gti2803", 12],
  ["gti5801", 8],
];
const variants = {
  "1 copy": [],
  "up to 2 copies": ["--channel-copies", "2"],
  "up to 4 copies": ["--channel-copies", "4"],
};
/** Of 8-bit weights, which make good each other's errors unless asked not to. */
const coarseVariants = {
  ...variants,
  "1 copy, weights to the nearest": ["--rounding", "nearest"],
  "up to 2 copies, weights to the nearest": ["--channel-copies", "2", "--rounding", "nearest"],
};
const variantsOf = ([, bits]) => (bits === 8 ? coarseVariants : variants);

/** The report of a run, made where it is not there yet. */
function reportOf([target, bits], variant, seed, { work, threads }) {
  const name = variant.replaceAll(/[^a-z0-9]+/g, "-");
  const out = join(work, `${target}-${bits}-${name}-${seed}`);
  const report = join(out, "report.json");
  if (!existsSync(report)) {
    const model = join(data, "models/mobilenet_v1_1.0_224/mobilenet_v1_1.0_224");
    const pictures = join(data, "imagenet");
    const words = [
      ...["quantize", `${model}_relu6.prototxt`, `${model}.caffemodel`, "--target", target],
      ...["--bits", `${bits}`, "--calibrate", join(pictures, "calibrate")],
      ...["--evaluate", join(pictures, "val/labels.txt"), "--crop", "224", "--order", "bgr"],
      ...["--mean", "127.5", "--scale", "1/127.5", "--seed", `${seed}`, "--threads", threads],
      ...["--out", out, ...variantsOf([target, bits])[variant]],
    ];
    inlay(words);
  }
  return JSON.parse(readFileSync(report, "utf8"));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function rowOf(chip, variant, options) {
  const found = bySeed(options, (seed) => reportOf(chip, variant, seed, options).accuracy);
  const lost = found.map(({ float, simulated }) => float.percent - simulated.percent);
  return line([
    `${chip[0]}, ${chip[1]} bits`,
    variant,
    found.map(({ simulated }) => simulated.count).join(" "),
    mean(lost).toFixed(2),
    found.map(({ changedImages }) => changedImages).join(" "),
  ]);
}

function page(options) {
  return [
    "# What copies of channels and compensated rounding are worth",
    "",
    "MobileNetV1 1.0 224 (pad 1, ReLU6) after training, without fine-tuning: right pictures of 500, float 386, simulated from the",
    "written files, per seed; points lost on the mean; and pictures whose best class changed. Seeds differ in the pixels that layers are",
    "corrected with and in nothing else: what they spread is chance. Made by",
    "",
    "```",
    `node bench/copies.js --work FOLDER --seeds ${options.seeds} --write`,
    "```",
    "",
    ...table(
      ["chip", "option", "right", "points lost", "changed"],
      chips,
      variantsOf,
      (chip, variant) => rowOf(chip, variant, options),
    ),
    "",
  ];
}

const options = studyOptions();
if (data === undefined) throw new Error("INLAY_DATA is not set");
await deliver("copies.md", page(options), options);
