/**
 * `node bench/gti.js`: conversion, speed and exactness of the example networks for the GTI chips, with seeded random weights.
 * Prints a Markdown report. Options: --only NAME (convert, speed, equal; repeatable), --example NAME (repeatable),
 * --rounds N, --all (the definition of the large networks too: minutes each), --write (to bench/gti.md).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exampleNames, wideVgg } from "./gti-examples.js";
import { spread } from "./numbers.js";
import { inTurn, measure, ratios } from "./pairs.js";
import { preamble, sectionText } from "./report.js";

const threads = 2;
const defaultRounds = 5;
const convertRounds = 3;
/** A VGG16 conversion, its published fully connected layers too: 2 GB, in MiB. */
const limits = { seconds: 20, megabytes: Math.floor(2e9 / 2 ** 20) };
const speedLimits = { "mobilenet-224-2803": 1.6, "vgg16-2803": 2.2 };
/** Their definition takes more than a minute or so. */
const isLarge = (name) => /^(vgg|detector|resnet50)/.test(name);

const say = (text) => process.stderr.write(`${text}\n`);
const seconds = (value) => `${value.toPrecision(3)} s`;
const milliseconds = (value) => `${(value * 1000).toPrecision(3)} ms`;
const megabytes = (bytes) => `${(bytes / 2 ** 20).toPrecision(3)} MiB`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      example: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: String(defaultRounds) },
      all: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds must be 1 or more");
  const unknown = values.only.find((name) => !(name in sections));
  if (unknown !== undefined)
    throw new Error(`--only ${unknown}: must be one of ${Object.keys(sections).join(", ")}`);
  return { ...values, rounds };
}

const job = (name, options) => () => measure({ job: name, options });

/** Written once for all sections; converted where a section does not do so itself. */
async function written({ at, ready }, name) {
  if (ready.has(name)) return;
  await measure({ job: "gtiWrite", options: { at, name } });
  ready.add(name);
}

async function converted(context, name) {
  await written(context, name);
  if (context.models.has(name)) return;
  await measure({ job: "gtiConvert", options: { at: context.at, name } });
  context.models.add(name);
}

/** Whole processes: reading, mapping, rounding, all files. */
async function conversion(context) {
  const rows = [];
  for (const name of context.names) {
    say(`  ${name}`);
    await written(context, name);
    const rounds = [];
    for (let round = 0; round < Math.min(context.rounds, convertRounds); round += 1) {
      rounds.push(await job("gtiConvert", { at: context.at, name })());
    }
    context.models.add(name);
    const [time, peak] = [
      spread(rounds.map((one) => one.wholeSeconds)),
      spread(rounds.map((one) => one.peakMb)),
    ];
    const [{ bytes, shifts, accumulatorBits }] = rounds;
    const judged = name.startsWith("vgg16-") && !name.startsWith("vgg16-ssd");
    rows.push({
      what: name,
      value: `${seconds(time.median)}, ${peak.median.toFixed(0)} MiB`,
      range: `${seconds(time.min)}..${seconds(time.max)}`,
      sides: `${megabytes(bytes)}; shifts ${shifts.join(" ")}; sums of ${accumulatorBits} bits`,
      target: judged ? `<= ${limits.seconds} s, ${limits.megabytes} MiB` : "",
      isMet: judged ? time.median <= limits.seconds && peak.median <= limits.megabytes : undefined,
    });
  }
  return rows;
}

/** The written model's simulation, reduction of the input's bits included, against plain float convolutions and ReLU. */
async function speed(context) {
  const rows = [];
  for (const [name, limit] of Object.entries(speedLimits)) {
    say(`  ${name}`);
    await converted(context, name);
    const { paths } = await measure({ job: "gtiModels", options: { at: context.at, name } });
    const side = (kind, high) =>
      job("session", { model: paths[kind], inputRange: [0, high], threads });
    const pairs = await inTurn(side("simulation", 255), side("float", 31), context.rounds);
    const found = ratios(pairs, (one) => one.seconds);
    rows.push({
      what: name,
      value: found.median.toFixed(2),
      range: `${found.min.toFixed(2)}..${found.max.toFixed(2)}`,
      sides: `${milliseconds(found.a)} / ${milliseconds(found.b)}`,
      target: `<= ${limit.toFixed(2)}`,
      isMet: found.median <= limit,
    });
  }
  return rows;
}

/** One random picture; every element of every value that the chip holds. */
async function equality(context) {
  const rows = [];
  for (const name of context.names) {
    if (name === wideVgg || (isLarge(name) && !context.all)) continue;
    say(`  ${name}`);
    await converted(context, name);
    const found = await measure({ job: "gtiEqual", options: { at: context.at, name } });
    rows.push({
      what: name,
      value: `${found.different} differ`,
      range: `${found.elements} elements of ${found.values} values`,
      sides: `definition ${seconds(found.seconds)}; ${((100 * found.zeros) / found.elements).toFixed(0)} % zeros, up to ${found.largest}`,
      target: "0",
      isMet: found.different === 0,
    });
  }
  return rows;
}

/** By the name that `--only` takes. */
const sections = {
  convert: {
    title: "Conversion: whole processes, and their largest resident memory",
    headings: ["example", "median", "range", "model", "target"],
    run: conversion,
  },
  speed: {
    title:
      "Simulation of the written model / float inference of the same network, batch 1, 2 threads (per run)",
    run: speed,
  },
  equal: {
    title: "Scalar definition against the simulation on the engine",
    headings: ["example", "result", "compared", "levels", "target"],
    run: equality,
  },
};

async function textOf({ title, run, headings }, context) {
  return sectionText(title, await run(context), headings);
}

async function main() {
  const options = readOptions();
  const at = await mkdtemp(join(tmpdir(), "inlay-bench-gti-"));
  const names = options.example.length > 0 ? options.example : [...(await exampleNames()), wideVgg];
  const context = { ...options, at, names, ready: new Set(), models: new Set() };
  const command = ["node bench/gti.js", ...process.argv.slice(2)].join(" ");
  const texts = [preamble(command, options.rounds)];
  const wanted = options.only.length > 0 ? options.only : Object.keys(sections);
  try {
    for (const name of wanted) {
      say(name);
      texts.push(await textOf(sections[name], context));
      process.stdout.write(`${texts.at(-1)}\n`);
    }
  } finally {
    await rm(at, { recursive: true, force: true });
  }
  const results = fileURLToPath(new URL("./gti.md", import.meta.url));
  if (options.write) await writeFile(results, texts.join("\n"));
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
