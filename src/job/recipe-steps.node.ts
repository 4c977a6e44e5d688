/**
 * The steps of a recipe: what each depends on, how it is done, which files it leaves, and the word or
 * two that the summary says of it.
 */
import { join } from "node:path";
import type { ConvertReport } from "../report/convert.ts";
import { formatCount, formatDb, formatPercent } from "../report/format.ts";
import { type Json, toJson } from "../report/json.ts";
import { rangesCsv } from "../report/ranges-csv.ts";
import type { CompareReport, EvaluateReport, QuantizeReport } from "../report/reports.ts";
import { calibrateJob } from "./calibrate.node.ts";
import { modelFileAt } from "./chip-model.node.ts";
import { compareJob } from "./compare.node.ts";
import { evaluateJob } from "./evaluate.node.ts";
import { isFile, writeFolderAtomic } from "./files.node.ts";
import { hashFile, hashImages } from "./hash.node.ts";
import { inspectJob } from "./inspect.node.ts";
import { floatName, quantizedName } from "./load-model.node.ts";
import type { ImageOptions, JobContext } from "./options.ts";
import { quantizeChipJob, quantizeJob } from "./quantize.node.ts";
import type { Recipe, RecipeCommand } from "./recipe.ts";
import type { RecipeChip } from "./recipe-chip.ts";

type StepResult = {
  /** Plain names in the recipe's output folder. */
  readonly files: readonly string[];
  readonly note: string;
};

export type Step = {
  /** Unique in its recipe: "evaluate", "evaluate quantized". */
  readonly name: string;
  /** All that the result depends on, apart from program, seed and device. An input error where a file is missing. */
  readonly inputs: () => Promise<Json>;
  readonly run: (context: JobContext) => Promise<StepResult>;
};

/** Pictures that a comparison runs on where the recipe does not say. */
const comparedPictures = 50;

/** The recipe's steps in its order. Hashes of files are taken once for all of them. */
export function stepsOf(recipe: Recipe): readonly Step[] {
  const hashes = createHashes();
  return recipe.steps.map((command, index) => {
    const isQuantized = recipe.steps.slice(0, index).includes("quantize");
    return builders[command](recipe, hashes, isQuantized);
  });
}

type Hashes = {
  readonly files: (paths: readonly string[]) => Promise<Json>;
  readonly images: (images: ImageOptions) => Promise<Json>;
};

/** Content hashes; the same set of pictures is read once. */
function createHashes(): Hashes {
  const known = new Map<string, Promise<string>>();
  const once = (key: string, hash: () => Promise<{ sha256: string }>): Promise<string> => {
    const found = known.get(key) ?? hash().then(({ sha256 }) => sha256);
    known.set(key, found);
    return found;
  };
  return {
    files: (paths) => Promise.all(paths.map((path) => once(path, () => hashFile(path)))),
    images: async ({ path, root, labels, ...choice }) => {
      const images = { path, root, labels };
      const hash = await once(JSON.stringify(images), () => hashImages(images));
      return { hash, ...withoutUndefined(choice) };
    },
  };
}

function withoutUndefined(
  record: Readonly<Record<string, string | number | undefined>>,
): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

type Inputs = Readonly<Record<string, Json>>;

type Builder = (recipe: Recipe, hashes: Hashes, isQuantized: boolean) => Step;

const builders: Readonly<Record<RecipeCommand, Builder>> = {
  inspect: (recipe, hashes) => ({
    name: "inspect",
    inputs: async () => ({ model: await hashes.files(recipe.model) }),
    run: async (context) => {
      const report = await inspectJob({ model: recipe.model }, context);
      const { layers, parameters } = report.totals;
      const note = `${layers} layers, ${formatCount(parameters)} parameters`;
      return await leave(recipe, note, [["inspect.json", toJson(report)]]);
    },
  }),
  calibrate: (recipe, hashes) => ({
    name: "calibrate",
    inputs: async () => ({
      model: await hashes.files(recipe.model),
      images: await hashes.images(imagesFor(recipe.calibrate)),
      preprocess: { ...recipe.preprocess },
      method: recipe.method,
    }),
    run: async (context) => {
      const { model, preprocess, method } = recipe;
      const images = imagesFor(recipe.calibrate);
      const report = await calibrateJob({ model, images, preprocess, method }, context);
      return await leave(recipe, `${report.samples} pictures`, [
        ["calibrate.json", toJson(report)],
        ["ranges.csv", rangesCsv(report)],
      ]);
    },
  }),
  evaluate: (recipe, hashes, isQuantized) => {
    const model = isQuantized ? [recipe.out] : recipe.model;
    const name = isQuantized ? "evaluate quantized" : "evaluate";
    return {
      name,
      inputs: async () => ({
        model: isQuantized ? await writtenHashes(recipe) : await hashes.files(recipe.model),
        images: await hashes.images(imagesFor(recipe.evaluate)),
        preprocess: { ...recipe.preprocess },
      }),
      run: async (context) => {
        // A chip's model holds its own: it takes pictures as bytes.
        const isOwn = isQuantized && recipe.chip !== undefined;
        const preprocess = isOwn ? undefined : recipe.preprocess;
        const images = imagesFor(recipe.evaluate);
        const report = await evaluateJob({ model, images, preprocess }, context);
        const file = isQuantized ? "evaluate-quantized.json" : "evaluate-float.json";
        return await leave(recipe, evaluateNote(report), [[file, toJson(report)]]);
      },
    };
  },
  quantize: (recipe, hashes) => ({
    name: "quantize",
    inputs: async () => ({
      model: await hashes.files(recipe.model),
      calibrate: await hashes.images(imagesFor(recipe.calibrate)),
      evaluate: recipe.evaluate === undefined ? null : await hashes.images(recipe.evaluate),
      preprocess: { ...recipe.preprocess },
      target: recipe.target,
      method: recipe.method,
      options: { ...recipe.options },
      ...(recipe.chip === undefined ? {} : await chipInputs(recipe.chip, hashes)),
    }),
    run: async (context) => {
      const { model, target, preprocess, method, options, out, evaluate } = recipe;
      const calibrate = imagesFor(recipe.calibrate);
      const job = { model, target, calibrate, evaluate, preprocess, method, options, out };
      if (recipe.chip !== undefined) {
        const report = await quantizeChipJob({ ...job, ...recipe.chip }, context);
        return { files: report.files, note: chipNote(report) };
      }
      const report = await quantizeJob(job, context);
      return { files: report.files, note: quantizeNote(report) };
    },
  }),
  compare: (recipe, hashes) => ({
    name: "compare",
    inputs: async () => ({
      model: await writtenHashes(recipe),
      images: await hashes.images(comparedImages(recipe)),
      preprocess: { ...recipe.preprocess },
      thresholdDb: recipe.thresholdDb,
    }),
    run: async (context) => {
      const { out, preprocess, thresholdDb } = recipe;
      const images = comparedImages(recipe);
      const report = await compareJob({ out, images, preprocess, thresholdDb }, context);
      return await leave(recipe, compareNote(report), [["compare.json", toJson(report)]]);
    },
  }),
};

/** The labels are a file: what is in it counts. */
async function chipInputs({ labels, ...asked }: RecipeChip, hashes: Hashes): Promise<Inputs> {
  const named = labels === undefined ? {} : { labels: await hashes.files([labels]) };
  // Of plain data; fields without a value are left out.
  return { chip: JSON.parse(JSON.stringify(asked)) as Json, ...named };
}

/** The pictures; the parser has seen to it that a step has them. */
function imagesFor(images: ImageOptions | undefined): ImageOptions {
  return images ?? { path: "" };
}

function comparedImages({ compare, evaluate, calibrate }: Recipe): ImageOptions {
  if (compare !== undefined) return compare;
  const images = imagesFor(evaluate ?? calibrate);
  return { ...images, limit: Math.min(images.limit ?? comparedPictures, comparedPictures) };
}

/** What quantize has written, as it lies there now; before the first run, nothing. */
async function writtenHashes({ out, chip }: Recipe): Promise<Json> {
  const hashes: Json[] = [];
  const written = [quantizedName, floatName].map((name) => join(out, name));
  const model = chip === undefined ? undefined : await modelFileAt(out);
  for (const path of chip === undefined ? written : [model ?? out]) {
    hashes.push((await isFile(path)) ? (await hashFile(path)).sha256 : null);
  }
  return hashes;
}

async function leave(
  { out }: Recipe,
  note: string,
  files: readonly (readonly [name: string, text: string])[],
): Promise<StepResult> {
  await writeFolderAtomic(out, new Map(files));
  return { files: files.map(([name]) => name), note };
}

function evaluateNote({ top1, samples }: EvaluateReport): string {
  if (top1 === null) return `${samples} pictures without labels`;
  return `top-1 ${formatPercent(top1.percent)} of ${samples}`;
}

function quantizeNote({ accuracy, layers }: QuantizeReport): string {
  if (accuracy === null) return `${layers.length} layers`;
  const { float, quantized } = accuracy;
  return `top-1 ${formatPercent(float.percent)} -> ${formatPercent(quantized.percent)}`;
}

function chipNote({ accuracy, layers }: ConvertReport): string {
  if (accuracy === null) return `${layers.length} layers`;
  const { float, simulated } = accuracy;
  return `top-1 ${formatPercent(float.percent)} -> ${formatPercent(simulated.percent)}`;
}

function compareNote({ layers, worst, firstBelow, thresholdDb }: CompareReport): string {
  if (firstBelow !== null) return `first below ${formatDb(thresholdDb)}: ${firstBelow.name}`;
  const [name] = worst;
  const lowest = layers.find((layer) => layer.name === name);
  return lowest === undefined ? "" : `lowest ${formatDb(lowest.sqnrDb)} at ${lowest.name}`;
}
