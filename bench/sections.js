/**
 * What is measured, section by section. Each gives rows `{ what, value, range, sides, target, isMet }`;
 * `isMet` is undefined where there is no target.
 */
import { fileURLToPath } from "node:url";
import { calibratedNames, network, onnxNames } from "./networks.js";
import { spread } from "./numbers.js";
import { inTurn, measure, ratios, runNode } from "./pairs.js";

const pictures = 250;
const fewPictures = 50;
const cli = fileURLToPath(new URL("../dist/cli/bin.js", import.meta.url));

const milliseconds = (seconds) => `${(seconds * 1000).toPrecision(3)} ms`;
const megabytes = (value) => `${value.toFixed(0)} MB`;
const percent = (share) => `${(share * 100).toFixed(2)} %`;

function ratioRow(what, found, target, unit = 1) {
  return {
    what,
    value: found.median.toFixed(2),
    range: `${found.min.toFixed(2)}..${found.max.toFixed(2)}`,
    sides: `${milliseconds(found.a / unit)} / ${milliseconds(found.b / unit)}`,
    target: target === undefined ? "" : `<= ${target.toFixed(2)}`,
    isMet: target === undefined ? undefined : found.median <= target,
  };
}

function absoluteRow(what, found, show, limit) {
  return {
    what,
    value: show(found.median),
    range: `${show(found.min)}..${show(found.max)}`,
    sides: "",
    target: limit === undefined ? "" : `<= ${show(limit)}`,
    isMet: limit === undefined ? undefined : found.median <= limit,
  };
}

async function write(context, name, kinds) {
  const options = { name, folder: context.folder, kinds };
  return (await measure({ job: "writeModels", options })).paths;
}

/** Calibration against bare inference of the same pictures, decoding in both. */
async function calibration(context) {
  const cases = [
    { method: "entropy", command: "quantize", target: 2.0 },
    { method: "minmax", command: "quantize", target: 1.6 },
    { method: "mse", command: "quantize" },
    { method: "entropy", command: "calibrate" },
    { method: "minmax", command: "calibrate" },
  ];
  const rows = [];
  for (const name of calibratedNames) {
    const { picture } = await write(context, name, ["picture"]);
    const bare = { job: "bareInference", options: { name, model: picture, limit: pictures } };
    for (const { method, command, target } of cases) {
      const ours = { job: "calibration", options: { name, method, command, limit: pictures } };
      const pairs = await inTurn(
        () => measure(ours),
        () => measure(bare),
        context.rounds,
      );
      const what = `${name}, ${method}, what \`${command}\` observes`;
      rows.push(
        ratioRow(
          what,
          ratios(pairs, (one) => one.seconds),
          target,
          pictures,
        ),
      );
      const whole = ratios(pairs, (one) => one.wholeSeconds);
      rows.push(ratioRow(`${what}: whole process`, whole, undefined, pictures));
    }
  }
  return rows;
}

/** The exact integers of an int8 chip against the float network. */
async function simulation(context) {
  const rows = [];
  for (const name of calibratedNames) {
    const paths = await write(context, name, ["simulation", "float"]);
    const { inputRange } = network(name);
    const side = (model) => () => measure({ job: "session", options: { model, inputRange } });
    const pairs = await inTurn(side(paths.simulation), side(paths.float), context.rounds);
    rows.push(
      ratioRow(
        name,
        ratios(pairs, (one) => one.seconds),
        1.6,
      ),
    );
  }
  return rows;
}

/** Our lowered graph against the model's own file. */
async function lowered(context) {
  const rows = [];
  for (const name of onnxNames) {
    const { float } = await write(context, name, ["float"]);
    const { inputRange, files } = network(name);
    const side = (model) => () => measure({ job: "session", options: { model, inputRange } });
    const pairs = await inTurn(side(float), side(files[0]), context.rounds);
    rows.push(
      ratioRow(
        name,
        ratios(pairs, (one) => one.seconds),
        1.1,
      ),
    );
  }
  return rows;
}

/** Largest resident memory of the process that calibrates. */
async function memory(context) {
  const rows = [];
  for (const command of ["quantize", "calibrate"]) {
    for (const name of calibratedNames) {
      const side = (limit) => () =>
        measure({ job: "calibration", options: { name, method: "entropy", command, limit } });
      const pairs = await inTurn(side(pictures), side(fewPictures), context.rounds);
      const found = ratios(pairs, (one) => one.peakMb);
      const what = `${name}, entropy, what \`${command}\` observes`;
      const peaks = spread(pairs.map(([many]) => many.peakMb));
      rows.push(absoluteRow(`${what}: ${pictures} pictures`, peaks, megabytes, 350));
      rows.push({
        ...ratioRow(`${what}: ${pictures} against ${fewPictures} pictures`, found, 1.2),
        sides: `${megabytes(found.a)} / ${megabytes(found.b)}`,
      });
    }
  }
  return rows;
}

/** The command line, started as `node dist/cli/bin.js`. */
async function startUp(context) {
  const node =
    (...args) =>
    async () => ({ seconds: (await runNode(args)).wholeSeconds });
  const files = network("MobileNetV1 1.0").files;
  const cases = [
    { what: "`--help`", side: node(cli, "--help"), limit: 0.15 },
    {
      what: "`inspect` of a 17 MB caffemodel",
      side: node(cli, "inspect", ...files),
      limit: 0.6,
      needsData: true,
    },
  ];
  const rows = [];
  for (const { what, side, limit, needsData } of cases) {
    if (needsData && !context.hasData) continue;
    const pairs = await inTurn(side, node("-e", "0"), context.rounds);
    const ours = spread(pairs.map(([one]) => one.seconds));
    rows.push(absoluteRow(what, ours, milliseconds, limit));
    rows.push(
      ratioRow(
        `${what} against bare \`node -e 0\``,
        ratios(pairs, (one) => one.seconds),
      ),
    );
  }
  return rows;
}

/** Thresholds from a sample of the pixels against those from all of them. Nothing is timed. */
async function histogram() {
  const rows = [];
  for (const name of calibratedNames) {
    const options = { name, limit: fewPictures };
    const { byMethod, values } = await measure({ job: "thresholds", options });
    for (const { method, median, worst } of byMethod) {
      rows.push({
        what: `${name}, ${method}, ${values} values: largest difference`,
        value: percent(worst.difference),
        range: `median ${percent(median)}`,
        sides: `\`${worst.id}\``,
        target: "<= 2.00 %",
        isMet: worst.difference <= 0.02,
      });
    }
  }
  return rows;
}

/** By the name that `--only` takes, in the order of the report. */
export const sections = {
  calibration: {
    title: `Calibration over ${pictures} pictures / bare float inference of the same, decoding in both (per picture)`,
    run: calibration,
    needsData: true,
  },
  simulation: {
    title: "Exact integer simulation / float inference, no pictures (per run)",
    run: simulation,
    needsData: true,
  },
  lowered: {
    title: "Our lowered graph / the model's own ONNX file, no pictures (per run)",
    run: lowered,
    needsData: true,
  },
  memory: { title: "Peak resident memory of calibration", run: memory, needsData: true },
  "start-up": { title: "Start-up, whole processes", run: startUp, needsData: false },
  histogram: {
    title: `Thresholds from the sampled histogram against the full one, ${fewPictures} pictures`,
    run: histogram,
    needsData: true,
  },
};
