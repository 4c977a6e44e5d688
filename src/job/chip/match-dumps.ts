/**
 * The dumps of a bit match, as the vendor's kit names and shapes them: what is written for each sublayer, and a board's
 * own folder brought to levels.
 */
import {
  chipDumpName,
  type Dump,
  type DumpedLayer,
  encodeDump,
  fcModeFactor,
  readDumps,
  referenceDumpName,
} from "../../chips/gti/files/dumps.ts";
import { inputError, usageError } from "../../error.ts";
import type { OnWarning } from "../../notice.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { ChipSublayer } from "./chip-sublayers.ts";

/** Rows of a last layer that, with pooling behind it, is read by fully connected layers. */
const fcModeRows = 14;
/** What 5 bits hold. */
const topOfFive = 31;

/** In FC mode (the last map is 14x14 and pooled) all dumps hold levels times 8. */
function isFcMode(sublayers: readonly ChipSublayer[]): boolean {
  const last = sublayers.at(-1);
  return last?.isPooled === true && last.shape[1] === fcModeRows;
}

/** `chip`, or of a cascade `chip1`, `chip2`: each chip counts its major layers from 1. */
function chipFolder(chip: number, chips: number): string {
  return chips === 1 ? "chip" : `chip${chip}`;
}

const chipCount = (sublayers: readonly ChipSublayer[]): number => sublayers.at(-1)?.chip ?? 1;

/** Names of the files that a board's folder may hold, as paths below it. */
export function dumpPaths(sublayers: readonly ChipSublayer[]): readonly string[] {
  const chips = chipCount(sublayers);
  return dumpable(sublayers).flatMap(({ chip, major, sublayer }) => {
    const name = chipDumpName(major, sublayer);
    const folder = `${chipFolder(chip, chips)}/${name}`;
    return chips === 1 ? [name, folder] : [folder];
  });
}

/** 10-bit levels have no dump, nor have sublayers without a place. */
function dumpable(sublayers: readonly ChipSublayer[]): readonly ChipSublayer[] {
  return sublayers.filter(({ top, major }) => top <= topOfFive && major > 0);
}

/**
 * The levels of the dumps that are there, by convolution. `files` has contents by path below the folder. Input errors: none
 * at all, a wrong size, levels that no chip gives.
 */
export function dumpedLevels(
  files: ReadonlyMap<string, Uint8Array>,
  sublayers: readonly ChipSublayer[],
  where: string,
): ReadonlyMap<string, Uint8Array> {
  const chips = chipCount(sublayers);
  const inFcMode = isFcMode(sublayers);
  const found = Array.from({ length: chips }, (_, at): readonly Dump[] => {
    const own = dumpable(sublayers).filter(({ chip }) => chip === at + 1);
    const folder = chipFolder(at + 1, chips);
    const named = filesIn(files, folder, chips === 1);
    const layers = own.map((layer): DumpedLayer => {
      const bytes = named.get(chipDumpName(layer.major, layer.sublayer));
      const { conv, major, sublayer, shape } = layer;
      return { conv, major, sublayer, shape, factor: inFcMode ? factorOf(bytes) : 1 };
    });
    return readDumps(named, layers, "chip");
  }).flat();
  const [first] = dumpable(sublayers);
  if (found.length === 0) {
    throw inputError("no dumps of the model's layers in the folder", {
      where,
      expected: first === undefined ? "none: 10-bit levels have no dumps" : "one or more",
      got: "none",
      hint: `The first layer's is called ${chipDumpName(first?.major ?? 1, first?.sublayer ?? 1)}`,
    });
  }
  for (const dump of found) checkLevels(dump);
  return new Map(found.map(({ layer, levels }) => [layer.conv, levels]));
}

/** Files of one chip by plain name; of one chip alone they may lie in the folder itself. */
function filesIn(
  files: ReadonlyMap<string, Uint8Array>,
  folder: string,
  isOnly: boolean,
): ReadonlyMap<string, Uint8Array> {
  const inside = [...files].flatMap(([path, bytes]): [string, Uint8Array][] => {
    if (path.startsWith(`${folder}/`)) return [[path.slice(folder.length + 1), bytes]];
    return isOnly && !path.includes("/") ? [[path, bytes]] : [];
  });
  return new Map(inside);
}

/** Whether a dump of FC mode holds levels times 8: it does unless its bytes are all plain levels. */
function factorOf(bytes: Uint8Array | undefined): number {
  const isPlain = bytes?.every((byte) => byte <= topOfFive) === true;
  const isScaled = bytes?.every((byte) => byte % fcModeFactor === 0) === true;
  return isPlain && !isScaled ? 1 : fcModeFactor;
}

function checkLevels({ file, layer, levels }: Dump): void {
  const at = levels.findIndex((level) => level > topOfFive);
  if (at < 0) return;
  throw inputError("a dump holds what is no level of 5 bits", {
    where: `${file}:${at}`,
    node: `"${layer.conv}"`,
    expected: `0..${topOfFive}`,
    got: `${levels[at]}`,
  });
}

/** Levels of a sublayer on both sides. */
export type LevelPair = {
  readonly sublayer: ChipSublayer;
  readonly expected: ArrayLike<number>;
  readonly got: ArrayLike<number>;
};

/** `caffe/<conv>.bin` and `chip/dump_sublayer<major>-<sub>.bin`. Warns of layers that have no dump. */
export function dumpFiles(
  pairs: readonly LevelPair[],
  onWarning: OnWarning,
): ReadonlyMap<string, Uint8Array> {
  const sublayers = pairs.map(({ sublayer }) => sublayer);
  const chips = chipCount(sublayers);
  const factor = isFcMode(sublayers) ? fcModeFactor : 1;
  const kept = new Set(dumpable(sublayers));
  const files = new Map<string, Uint8Array>();
  const put = (name: string, bytes: Uint8Array, node: string): void => {
    const isTaken = [...files.keys()].some((other) => other.toLowerCase() === name.toLowerCase());
    if (isTaken) throw usageError("two layers have dumps of one name", { node, got: name });
    files.set(name, bytes);
  };
  for (const { sublayer, expected, got } of pairs) {
    const { conv, chip, major, shape } = sublayer;
    if (!kept.has(sublayer)) {
      onWarning({ id: "no-dump", message: "a dump holds 5 bits: none is written", where: conv });
      continue;
    }
    const bytes = (levels: ArrayLike<number>): Uint8Array =>
      encodeDump(tensor("float32", shape, Float32Array.from(levels)), factor, `"${conv}"`);
    put(`caffe/${referenceDumpName(conv)}`, bytes(expected), conv);
    put(`${chipFolder(chip, chips)}/${chipDumpName(major, sublayer.sublayer)}`, bytes(got), conv);
  }
  return files;
}
