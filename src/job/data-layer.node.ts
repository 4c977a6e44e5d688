/**
 * The data layer of a training prototxt as a data set with its preprocessing: `Data` and SSD's `AnnotatedData` (LMDB),
 * `ImageData` (a list of files). What is random in training (mirroring, the place of the crop, the first record) is
 * told and not done.
 */
import { dirname, isAbsolute, join } from "node:path";
import { type Dataset, take } from "../data/dataset.ts";
import { statOrNothing } from "../data/files.node.ts";
import { applyGeometry } from "../data/geometry.ts";
import { openDataset, readMean } from "../data/open.node.ts";
import type { Preprocess, Resize } from "../data/preprocess.ts";
import { type InlayError, inputError } from "../error.ts";
import { isIncluded } from "../formats/caffe/phase.ts";
import type { caffeEnums } from "../formats/caffe/schema/enums.ts";
import { type LayerParameter, type NetParameter, setting } from "../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../notice.ts";

type Phase = keyof typeof caffeEnums.Phase;

export type DataLayerOptions = {
  /** Whose layer is wanted. The other phase's is taken, with a warning, where this one has none. */
  readonly phase: Phase;
  /** The prototxt's path: for errors, and because sources are looked for in its folder too. */
  readonly prototxt: string;
  /** Folder that relative sources start from first; "" is the process's own. */
  readonly folder: string;
  /** How many batches will be read; all records where it is left out. */
  readonly batches?: number | undefined;
  /** Most pictures that these may be. */
  readonly maxPictures?: number | undefined;
  readonly onWarning: OnWarning;
};

export type DataLayer = {
  readonly layer: LayerParameter;
  /** As it was found. */
  readonly source: string;
  readonly batchSize: number;
  /** The records in order: those of `batches` batches, from the first again after the last. */
  readonly dataset: Dataset;
  /** How many of the samples are different records. */
  readonly records: number;
  /** What the layer does to a picture in the test phase; without mean and scale where it gives levels. */
  readonly preprocess: Preprocess;
  /** Of the first picture, as the network sees it. */
  readonly size: { readonly channels: 1 | 3; readonly height: number; readonly width: number };
  /** In training pictures are mirrored at random. */
  readonly mirror: boolean;
  /** The GTI kit's `quant_enable`: the widths between which pixels are rounded; the graph does it. */
  readonly levels: { readonly from: number; readonly to: number } | undefined;
};

/** Layer types that are read here. */
const readable: ReadonlySet<string> = new Set(["Data", "AnnotatedData", "ImageData"]);

/**
 * Opens the first readable data layer of the phase. Input errors name prototxt and layer: no such layer, a database
 * that is not there or not an LMDB, a transformation that pictures cannot have.
 */
export async function openDataLayer(
  net: NetParameter,
  options: DataLayerOptions,
): Promise<DataLayer> {
  const layer = findDataLayer(net, options);
  const fault = faultOf(layer, options.prototxt);
  const batchSize = batchSizeOf(layer, fault);
  const wanted = options.batches === undefined ? undefined : options.batches * batchSize;
  if (wanted !== undefined && wanted > (options.maxPictures ?? Infinity)) {
    throw fault("too many pictures are asked for", {
      expected: `at most ${options.maxPictures}`,
      got: `${options.batches} batches of ${batchSize}`,
    });
  }
  const source = sourceOf(layer, options, fault);
  const root = layer.image_data_param?.root_folder;
  const opened = await openDataset(source, {
    seed: 0,
    limit: wanted,
    ...(root !== undefined && root !== "" && { root: resolved(root, options) ?? root }),
  });
  const dataset = wanted === undefined ? opened : repeated(opened, wanted);
  warnOfOdds(layer, opened.samples.length, wanted, options);
  const levels = levelsOf(layer, fault);
  const preprocess = await preprocessOf(layer, levels !== undefined, options, fault);
  const size = await pictureSize(dataset, preprocess);
  const mirror = transformOf(layer).mirror ?? false;
  return {
    ...{ layer, source, batchSize, dataset, records: opened.samples.length },
    ...{ preprocess, size, mirror, levels },
  };
}

type Fault = (
  what: string,
  fields?: Pick<InlayError["fields"], "expected" | "got" | "hint">,
) => InlayError;

function faultOf(layer: LayerParameter, prototxt: string): Fault {
  const node = `${layer.type} "${layer.name ?? ""}"`;
  return (what, fields = {}) => inputError(what, { where: prototxt, node, ...fields });
}

function findDataLayer(net: NetParameter, options: DataLayerOptions): LayerParameter {
  const { phase, prototxt, onWarning } = options;
  const layers = net.layer.filter((layer) => readable.has(layer.type ?? ""));
  const own = layers.find((layer) => isIn(layer, net, phase));
  const found = own ?? layers[0];
  if (found === undefined) {
    throw inputError("the network has no data layer that can be read", {
      where: prototxt,
      expected: `a layer of type ${[...readable].join(", ")}`,
      hint: "Give the training prototxt, not the one to deploy",
    });
  }
  if (own === undefined) {
    const message = `no data layer belongs to phase ${phase}: "${found.name ?? ""}" is taken`;
    onWarning({ id: "data-layer-phase", message, where: prototxt });
  }
  return found;
}

/** True where the layer belongs to the phase. The rules are asked about TEST: for TRAIN they are turned round. */
function isIn(layer: LayerParameter, net: NetParameter, phase: Phase): boolean {
  const turned = { TRAIN: "TEST", TEST: "TRAIN" } as const;
  const turn = (rules: LayerParameter["include"]): LayerParameter["include"] =>
    rules.map((rule) =>
      rule.phase === "TRAIN" || rule.phase === "TEST"
        ? { ...rule, phase: turned[rule.phase] }
        : rule,
    );
  const asked =
    phase === "TEST"
      ? layer
      : { ...layer, include: turn(layer.include), exclude: turn(layer.exclude) };
  return isIncluded(asked, { level: net.state?.level ?? 0, stages: net.state?.stage ?? [] });
}

/** A batch is at most this large: more pictures than memory holds are a slip of the pen. */
const maxBatch = 65_536;

function batchSizeOf(layer: LayerParameter, fault: Fault): number {
  const size = layer.data_param?.batch_size ?? layer.image_data_param?.batch_size ?? 1;
  if (size >= 1 && size <= maxBatch) return size;
  throw fault("batch_size is out of range", { expected: `1..${maxBatch}`, got: `${size}` });
}

/** The path of the database or list. */
function sourceOf(layer: LayerParameter, options: DataLayerOptions, fault: Fault): string {
  const source = (layer.data_param ?? layer.image_data_param)?.source ?? "";
  if (source === "") throw fault("the layer names no source");
  const path = resolved(source, options);
  if (path === undefined) {
    throw fault("the source of the pictures does not exist", {
      got: source,
      hint: isAbsolute(source)
        ? undefined
        : `Looked for in ${options.folder || "the current folder"} and in ${dirname(options.prototxt)}`,
    });
  }
  // Beyond Caffe, a file of pictures (IDX, CIFAR binary) will do for a Data layer too.
  const isFolder = statOrNothing(path)?.isDirectory() === true;
  if (layer.type !== "ImageData" && isFolder && !isLmdb(path)) {
    throw fault("the source is not an LMDB", {
      expected: "a folder with data.mdb",
      got: path,
      hint: "LevelDB cannot be read: convert it, or make it again with convert_imageset -backend=lmdb",
    });
  }
  return path;
}

function isLmdb(path: string): boolean {
  return path.endsWith(".mdb") || statOrNothing(join(path, "data.mdb"))?.isFile() === true;
}

/** The path as found from the current folder, else from the prototxt's; undefined where it is in neither. */
function resolved(path: string, { folder, prototxt }: DataLayerOptions): string | undefined {
  const places = isAbsolute(path) ? [path] : [join(folder, path), join(dirname(prototxt), path)];
  return places.find((place) => statOrNothing(place) !== undefined);
}

/** Exactly `count` samples, from the first again where there are fewer. */
function repeated(dataset: Dataset, count: number): Dataset {
  const { samples } = dataset;
  if (samples.length >= count) return take(dataset, count);
  const all = Array.from({ length: count }, (_, at) => samples.slice(at % samples.length)[0]);
  return { ...dataset, samples: all.filter((sample) => sample !== undefined) };
}

function warnOfOdds(
  layer: LayerParameter,
  records: number,
  wanted: number | undefined,
  { prototxt, onWarning }: DataLayerOptions,
): void {
  const where = `${prototxt}: ${layer.type} "${layer.name ?? ""}"`;
  if (wanted !== undefined && records < wanted) {
    const message = `only ${records} of ${wanted} pictures are there: they are taken again from the first`;
    onWarning({ id: "few-pictures", message, where });
  }
  const skip = layer.data_param?.rand_skip ?? layer.image_data_param?.rand_skip ?? 0;
  if (skip > 0) {
    onWarning({
      id: "rand-skip",
      message: "rand_skip is not done: the first record is first",
      where,
    });
  }
}

type Transform = NonNullable<LayerParameter["transform_param"]>;

/** The transformation, with what old prototxts have in the data parameter itself. */
function transformOf(layer: LayerParameter): Partial<Transform> {
  const { scale, mean_file, crop_size, mirror } = layer.data_param ?? layer.image_data_param ?? {};
  const old = { scale, mean_file, crop_size, mirror };
  const stated = Object.entries(layer.transform_param ?? {}).filter(
    ([, value]) => value !== undefined,
  );
  return { ...old, ...Object.fromEntries(stated) };
}

function levelsOf(layer: LayerParameter, fault: Fault): DataLayer["levels"] {
  const transform = layer.transform_param;
  if (!setting("TransformationParameter", transform, "quant_enable")) return undefined;
  const from = setting("TransformationParameter", transform, "bw_in");
  const to = setting("TransformationParameter", transform, "bw_out");
  if (from >= 1 && from <= 16 && to >= 1 && to <= 16) return { from, to };
  throw fault("bw_in and bw_out are out of range", { expected: "1..16", got: `${from}, ${to}` });
}

async function preprocessOf(
  layer: LayerParameter,
  isQuantized: boolean,
  options: DataLayerOptions,
  fault: Fault,
): Promise<Preprocess> {
  const transform = transformOf(layer);
  const crop = cropOf(transform, fault);
  const resize = resizeOf(layer, fault);
  const isGray = transform.force_gray === true || layer.image_data_param?.is_color === false;
  const isColor = transform.force_color === true || layer.data_param?.force_encoded_color === true;
  return {
    color: isGray ? "gray" : isColor ? "color" : "auto",
    ...(resize !== undefined && { resize }),
    ...(crop !== undefined && { crop }),
    order: "bgr",
    mean: isQuantized ? [0] : await meanOf(transform, options, fault),
    scale: isQuantized ? 1 : (transform.scale ?? 1),
    std: [1],
  };
}

async function meanOf(
  { mean_file: file, mean_value: values = [] }: Partial<Transform>,
  options: DataLayerOptions,
  fault: Fault,
): Promise<Preprocess["mean"]> {
  if (file === undefined) return values.length > 0 ? values : [0];
  if (values.length > 0) throw fault("mean_file and mean_value cannot both be given");
  const path = resolved(file, options);
  if (path === undefined) throw fault("the mean file does not exist", { got: file });
  return await readMean(path);
}

function cropOf(transform: Partial<Transform>, fault: Fault): number | undefined {
  const height = transform.crop_h || transform.crop_size || 0;
  const width = transform.crop_w || transform.crop_size || 0;
  if (height === width) return height === 0 ? undefined : height;
  throw fault("only square crops are supported", { got: `${height}x${width}` });
}

function resizeOf(layer: LayerParameter, fault: Fault): Resize | undefined {
  const resize = layer.transform_param?.resize_param;
  const height = resize?.height ?? layer.image_data_param?.new_height ?? 0;
  const width = resize?.width ?? layer.image_data_param?.new_width ?? 0;
  if (height === 0 && width === 0) return undefined;
  if (height === 0 || width === 0 || setting("ResizeParameter", resize, "resize_mode") !== "WARP") {
    throw fault("pictures can only be resized to a height and a width (WARP)", {
      got: `${height}x${width}, ${resize?.resize_mode ?? "WARP"}`,
    });
  }
  return { kind: "exact", height, width };
}

/** Of the first picture, as the network will see it. */
async function pictureSize(
  { samples, source }: Dataset,
  preprocess: Preprocess,
): Promise<DataLayer["size"]> {
  const [first] = samples;
  if (first === undefined) throw inputError("there are no pictures", { where: source });
  const picture = await first.load();
  const asked = { auto: picture.channels, color: 3, gray: 1 } as const;
  const channels = asked[preprocess.color];
  const { height, width } = applyGeometry(picture, preprocess, channels, first.name);
  return { channels, height, width };
}
