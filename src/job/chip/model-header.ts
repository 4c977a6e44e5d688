/**
 * The full model of a converted network: made from its layouts and its host part, or the user's own, with differences
 * from ours named; and the data of its layers.
 */
import { encodeFcBin, fcLayersOf } from "../../chips/gti/files/fc-bin.ts";
import { type Label, labelsText } from "../../chips/gti/files/labels.ts";
import type { FcLayer } from "../../chips/gti/files/layers.ts";
import {
  type FullModel,
  type FullModelLayer,
  fullModelOf,
} from "../../chips/gti/full-model-json.ts";
import { hostLayersOf } from "../../chips/gti/host/host-layers.ts";
import { labelLayer } from "../../chips/gti/host/label.ts";
import type { Layout } from "../../chips/gti/layout.ts";
import type { NetworkJson } from "../../chips/gti/network-json.ts";
import { layoutOfJson } from "../../chips/gti/network-layout.ts";
import { updateFullModel } from "../../chips/gti/update-full-model.ts";
import { inputError, usageError } from "../../error.ts";
import type { OnWarning } from "../../notice.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import { type HostPlace, hostFiles, hostLayerOf, hostOperation } from "./host-operation.ts";
import { fcLayers, type HostPart } from "./host-part.ts";

export type HeaderOptions = {
  readonly name: string;
  /** The user's own. */
  readonly fullModel?: FullModel | undefined;
  readonly labels?: readonly Label[] | undefined;
  readonly onWarning?: OnWarning | undefined;
};

export type ModelHeader = {
  /** With what the converter adds. */
  readonly fullModel: FullModel;
  /** Fully connected layers by data file. */
  readonly fc: ReadonlyMap<string, readonly FcLayer[]>;
  /** Why the host part is an operation of our own; undefined where the vendor's can say it. */
  readonly why: string | undefined;
};

const noFiles: ModelHeader["fc"] = new Map();
/** Classes that a LABEL operation prints. */
const printed = 5;

/** The header for these chips (their network JSON, with shifts; none without major layers) and this host part. */
export function modelHeader(
  target: LayeredTarget,
  networks: readonly NetworkJson[],
  part: HostPart,
  options: HeaderOptions,
): ModelHeader {
  const made = generated(target, networks, part, options);
  const { fullModel: own, labels, onWarning } = options;
  if (own === undefined) return made;
  const kept = withoutLabels(own, labels, onWarning);
  checkFullModel(kept, made.fullModel, onWarning);
  const all = made.why === undefined ? [...made.fc.values()].flat() : fcLayers(part);
  const entries = kept.layers.filter(({ operation }) => operation === "FC");
  const fc = new Map(entries.map((layer) => [fileOf(layer), fcLayersOf(layer.name, all)]));
  const usesOwn = kept.layers.some(({ operation }) => operation === hostOperation);
  const fullModel = updateFullModel(kept, networks, { evaluate: "none" });
  return { fullModel, fc, why: usesOwn ? made.why : undefined };
}

function generated(
  target: LayeredTarget,
  networks: readonly NetworkJson[],
  part: HostPart,
  { name, labels }: HeaderOptions,
): ModelHeader {
  const layouts: readonly Layout[] =
    networks.length === 0 ? [{ majors: [], activationBitMode: 0 }] : networks.map(layoutOfJson);
  const isBare = networks.length === 0;
  const made = fullModelOf(layouts, target, { name, host: [] });
  const base = isBare ? { ...made, layers: made.layers.map(withoutSizes) } : made;
  const chip = base.layers.at(-1)?.name ?? "cnn";
  const host = part.after === undefined ? undefined : hostLayersOf(part.after, { chip });
  const why = isBare && part.after !== undefined ? noMajors : hostReason(part, host);
  const own = (["before", "after"] as const).filter((place) => part[place] !== undefined);
  const layers =
    why === undefined && host !== undefined && "layers" in host
      ? host.layers
      : own.map(hostLayerOf);
  const label =
    labels === undefined ? [] : [labelLayer(labels, Math.min(printed, labels.length)).layer];
  const whole = { ...base, layers: [...base.layers, ...layers, ...label] };
  const fc = why === undefined && host !== undefined && "fc" in host ? host.fc : noFiles;
  return { fullModel: updateFullModel(whole, networks, { evaluate: "none" }), fc, why };
}

const noMajors = "the network has no major layers, so the vendor's words do not fit";

/** No layout says how large the chip's maps are, and no mode gives them. */
function withoutSizes(layer: FullModelLayer): FullModelLayer {
  const dropped: ReadonlySet<string> = new Set([...chipKeys, "mode", "output scaledown"]);
  const kept = Object.entries(layer).filter(([key]) => !dropped.has(key));
  return { ...Object.fromEntries(kept), name: layer.name, operation: layer.operation };
}

function hostReason(
  { before, after }: HostPart,
  host: ReturnType<typeof hostLayersOf> | undefined,
): string | undefined {
  if (before !== undefined) return "a part of the network runs before the chip";
  return after !== undefined && host !== undefined && "why" in host ? host.why : undefined;
}

/** Without labels there is no LABEL operation; a file of labels that none reads is worth a word. */
function withoutLabels(
  model: FullModel,
  labels: readonly Label[] | undefined,
  onWarning: OnWarning | undefined,
): FullModel {
  const has = model.layers.some(({ operation }) => operation === "LABEL");
  if (has === (labels !== undefined)) return model;
  const message = has
    ? "no labels are given: the LABEL layer is left out"
    : "labels are given, but there is no LABEL layer to print them";
  onWarning?.({ id: "labels", message, where: model.name });
  return { ...model, layers: model.layers.filter(({ operation }) => operation !== "LABEL") };
}

function fileOf(layer: FullModelLayer): string {
  const file = layer["data file"];
  if (typeof file === "string" && /^[^\\/:]+$/.test(file) && !/^\.+$/.test(file)) return file;
  throw usageError("a layer of the full model needs the name of its data file", {
    node: layer.name,
    expected: "a plain file name",
    got: JSON.stringify(file ?? null),
  });
}

/** Keys of the chip's layers in which the network leaves no choice. */
const chipKeys = ["output channels", "output width", "output height"] as const;

/** Input errors name every contradiction of chips; what the host does otherwise is the user's choice, and warned of. */
function checkFullModel(own: FullModel, made: FullModel, onWarning: OnWarning | undefined): void {
  const chipsOf = ({ layers }: FullModel) => layers.filter((one) => one.operation === "GTICNN");
  const [mine, theirs] = [chipsOf(made), chipsOf(own)];
  const faults = mine.flatMap((layer, at) => chipFaults(layer, theirs[at]));
  if (mine.length !== theirs.length) {
    faults.push(`${theirs.length} GTICNN layers; the network has ${mine.length}`);
  }
  if (faults.length > 0) {
    throw inputError("the full model contradicts the network", {
      where: own.name,
      got: faults.join("; "),
      hint: "Leave the file out and take the one that is made, or correct it",
    });
  }
  const [ours, host] = [operationsOf(made), operationsOf(own)];
  if (ours === host) return;
  onWarning?.({
    id: "full-model-host",
    message: `its host operations are ${host}, the network's are ${ours}`,
    where: own.name,
  });
}

function operationsOf({ layers }: FullModel): string {
  const names = layers
    .map(({ operation }) => operation)
    .filter((operation) => operation !== "GTICNN" && operation !== "IMAGEREADER");
  return names.length === 0 ? "none" : names.join(", ");
}

/** `cnn: output channels 512; the network has 256`. Keys that are absent say nothing. */
function chipFaults(made: FullModelLayer, own: FullModelLayer | undefined): string[] {
  if (own === undefined) return [];
  const keys = chipKeys.filter((key) => own[key] !== undefined && own[key] !== made[key]);
  const faults = keys.map(
    (key) =>
      `${own.name}: ${key} ${JSON.stringify(own[key])}; the network has ${JSON.stringify(made[key])}`,
  );
  const [type, wanted] = [chipOf(own), chipOf(made)];
  return type === undefined || type === wanted
    ? faults
    : [...faults, `${own.name}: device chip ${type}; the network is for ${wanted}`];
}

function chipOf({ device }: FullModelLayer): string | undefined {
  if (typeof device !== "object" || device === null || Array.isArray(device)) return undefined;
  const { chip } = device as { readonly chip?: unknown };
  return chip === undefined ? undefined : String(chip);
}

/** The data of the header's layers by their files: images, fully connected layers, labels, the host's ONNX. */
export function modelData(
  { fullModel, fc }: ModelHeader,
  images: readonly Uint8Array[],
  onnx: ReadonlyMap<HostPlace, Chunks>,
  labels: readonly Label[] | undefined,
): ReadonlyMap<string, Chunks> {
  const files = new Map<string, Chunks>();
  let chip = 0;
  for (const layer of fullModel.layers) {
    if (layer.operation === "GTICNN") {
      files.set(fileOf(layer), [images[chip] ?? new Uint8Array()]);
      chip += 1;
    } else if (layer.operation === "FC") {
      files.set(fileOf(layer), encodeFcBin(fc.get(fileOf(layer)) ?? []));
    } else if (layer.operation === "LABEL" && labels !== undefined) {
      files.set(fileOf(layer), [new TextEncoder().encode(labelsText(labels))]);
    }
  }
  for (const [place, chunks] of onnx) {
    const isNamed = fullModel.layers.some(
      ({ operation, "data file": file }) =>
        operation === hostOperation && file === hostFiles[place],
    );
    if (isNamed) files.set(hostFiles[place], chunks);
  }
  return files;
}
