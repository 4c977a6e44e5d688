/**
 * A `.model` file read back: everything that a simulation needs, from the file's bytes alone. Files are found and
 * read by chip-model.node.ts.
 */
import type { NamedBytes } from "../../chips/gti/files/bytes.ts";
import { decodeChipImage, isChipImage } from "../../chips/gti/files/image.ts";
import { type Label, parseLabels } from "../../chips/gti/files/labels.ts";
import { decomposeModel, type ModelData } from "../../chips/gti/files/model.ts";
import { type FullModelLayer, parseFullModel } from "../../chips/gti/full-model-json.ts";
import { hostGraphOf } from "../../chips/gti/host/host-graph.ts";
import { jsonText } from "../../chips/gti/json-text.ts";
import { targetOfChipType } from "../../chips/gti/targets.ts";
import { inputError } from "../../error.ts";
import { readOnnx } from "../../formats/onnx/read.ts";
import type { Graph } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { OnWarning } from "../../notice.ts";
import { removeNoOps } from "../../passes/remove-no-ops.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import { type ChipMeta, parseMeta } from "./chip-meta.ts";
import { type HostPlace, hostOperation, placeOf } from "./host-operation.ts";

export type ModelChip = {
  /** Integers; the last output is the chip's last value. */
  readonly graph: Graph;
  readonly meta: ChipMeta;
};

export type HostGraph = {
  readonly graph: Graph;
  /** What its inputs are called among the values before it; in the chips' units. */
  readonly source: (input: string) => string;
};

export type ChipModel = {
  /** The network's name. */
  readonly name: string;
  readonly target: LayeredTarget;
  /** In the order of the cascade; at least one. */
  readonly chips: readonly [ModelChip, ...ModelChip[]];
  /** What the host computes before the first chip; undefined where pictures enter it. */
  readonly before: Graph | undefined;
  /** What it computes behind them. */
  readonly after: HostGraph | undefined;
  readonly labels: readonly Label[] | undefined;
  /** The operations of the file, in order. */
  readonly operations: readonly string[];
};

/**
 * The model in a file's bytes. Input errors name the file where it is damaged, holds a vendor's image (whose layout
 * is not public), or an operation that nobody here knows.
 */
export function parseChipModel(file: NamedBytes, onWarning?: OnWarning): ChipModel {
  const { header, data } = decomposeModel(file);
  const { layers } = parseFullModel({ name: file.name, text: jsonText(header) });
  const blobs = blobsOf(file.name, layers, data);
  const chips = layers
    .filter(({ operation }) => operation === "GTICNN")
    .map((layer): ModelChip => imageOf(named(file.name, layer, blobs)));
  const [first, ...others] = chips;
  if (first === undefined) throw inputError("the model has no chip", { where: file.name });
  const target = targetOfChipType(first.meta.chipType);
  if (target === undefined) {
    throw inputError("the model is for a chip that is not known", {
      where: file.name,
      got: `${first.meta.chipType}`,
    });
  }
  checkCascade(file.name, chips);
  const graphAt = (place: HostPlace): Graph | undefined => {
    const layer = layers.find((one) => placeOf(one) === place);
    return layer && removeNoOps(readOnnx(named(file.name, layer, blobs)));
  };
  const after = graphAt("after");
  return {
    name: first.meta.network,
    target,
    chips: [first, ...others],
    before: graphAt("before"),
    after:
      after === undefined
        ? operated(layers, chips, blobs, onWarning)
        : { graph: after, source: (input) => input },
    labels: labelsOf(file.name, layers, blobs, onWarning),
    operations: layers.map(({ operation }) => operation),
  };
}

/** What the vendor's operations compute; undefined where there are none. */
function operated(
  layers: readonly FullModelLayer[],
  chips: readonly ModelChip[],
  blobs: Blobs,
  onWarning: OnWarning | undefined,
): HostGraph | undefined {
  const isHost = ({ operation }: FullModelLayer): boolean =>
    !["IMAGEREADER", "GTICNN", "LABEL", hostOperation].includes(operation);
  const last = chips.at(-1);
  const output = last?.meta.outputs.at(-1)?.id ?? "";
  const shape = last && inferTypes(last.graph).get(output)?.shape;
  if (shape === undefined || !layers.some(isHost)) return undefined;
  const known = layers.filter((layer) => placeOf(layer) === undefined);
  const fc = new Map(
    known
      .filter(({ operation }) => operation === "FC")
      .map((layer) => [String(layer["data file"]), blobs.get(layer) ?? new Uint8Array()]),
  );
  const graph = hostGraphOf(known, fc, { shape, ...(onWarning && { onWarning }) });
  return { graph: removeNoOps(graph), source: () => output };
}

/** Rules that were waived when the model was made; where there are any no chip can run it. */
export function waivedRules({ chips }: ChipModel): readonly string[] {
  return [...new Set(chips.flatMap(({ meta }) => meta.waived))];
}

/** Data by the layer it belongs to: layers with data stand in the same order as the data. */
type Blobs = ReadonlyMap<FullModelLayer, Uint8Array>;

function blobsOf(
  where: string,
  layers: readonly FullModelLayer[],
  data: readonly ModelData[],
): Blobs {
  const withData = layers.filter((layer) => (layer["data size"] ?? 0) !== 0);
  const kept = data.filter(({ bytes }) => bytes.length > 0);
  if (withData.length !== kept.length) {
    throw inputError("layers and data of the model do not match", {
      where,
      expected: `${withData.length}`,
      got: `${kept.length}`,
    });
  }
  return new Map(withData.map((layer, at) => [layer, kept[at]?.bytes ?? new Uint8Array()]));
}

/** The bytes of a layer, under a name for errors: `out.model, coef.dat`. */
function named(where: string, layer: FullModelLayer, blobs: Blobs): NamedBytes {
  const bytes = blobs.get(layer);
  const file = typeof layer["data file"] === "string" ? layer["data file"] : layer.name;
  if (bytes !== undefined) return { name: `${where}, ${file}`, bytes };
  throw inputError("a layer of the model has no data", { where, node: layer.name });
}

function imageOf(file: NamedBytes): ModelChip {
  if (!isChipImage(file.bytes)) {
    throw inputError("the model holds a vendor's image, which cannot be simulated", {
      where: file.name,
      hint: "Convert without --vendor-library, or take the model for the simulation beside it",
    });
  }
  const { graph, meta } = decodeChipImage(file);
  return { graph, meta: parseMeta(meta, file.name) };
}

function checkCascade(where: string, chips: readonly ModelChip[]): void {
  for (const [at, { meta }] of chips.entries()) {
    const isPlace = meta.chip === at + 1 && meta.chips === chips.length;
    if (isPlace && (at === 0) === (meta.entry !== "chip")) continue;
    throw inputError("the chips of the model do not belong together", {
      where,
      expected: `chip ${at + 1} of ${chips.length}`,
      got: `chip ${meta.chip} of ${meta.chips}`,
    });
  }
}

/** As many labels as the file has lines: that they fit the outputs was checked when it was made. */
function labelsOf(
  where: string,
  layers: readonly FullModelLayer[],
  blobs: Blobs,
  onWarning: OnWarning | undefined,
): readonly Label[] | undefined {
  const layer = layers.find(({ operation }) => operation === "LABEL");
  if (layer === undefined) return undefined;
  const file = named(where, layer, blobs);
  return parseLabels(file, lineCount(file.bytes), onWarning);
}

function lineCount(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === 0x0a) count += 1;
  return bytes.at(-1) === 0x0a ? count : count + 1;
}
