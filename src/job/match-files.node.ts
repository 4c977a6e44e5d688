/**
 * What a bit match finds on the disk beside a model: the reference network, the network JSON of each chip, dumps.
 */
import { readdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { type NetworkJson, parseNetworkJson } from "../chips/gti/network-json.ts";
import { usageError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import type { ChipSublayer } from "./chip/chip-sublayers.ts";
import { dumpedLevels, dumpPaths } from "./chip/match-dumps.ts";
import { isFile, readError, readFileBounded } from "./files.node.ts";

const maxJsonBytes = 2 ** 22;
/** More than any map of a chip. */
const maxDumpBytes = 2 ** 27;

/** The prototxt and the caffemodel in the model's folder. A usage error where there is not one of each. */
export async function referenceBeside(model: string): Promise<readonly string[]> {
  const folder = dirname(model);
  const names = await readdir(folder).catch((cause: unknown) => {
    throw readError(folder, cause);
  });
  const found = [".prototxt", ".caffemodel"].map((extension) =>
    names.filter((name) => extname(name).toLowerCase() === extension).toSorted(),
  );
  if (found.every(({ length }) => length === 1)) {
    return found.flat().map((name) => join(folder, name));
  }
  throw usageError("which network is the model to be compared with?", {
    where: folder,
    expected: "one prototxt and one caffemodel beside the model",
    got: found.flat().slice(0, 6).join(", ") || "none",
    hint: "Name the network that was converted: --reference deploy.prototxt net.caffemodel",
  });
}

/** The network JSON of each chip; none where one is missing. */
export async function networksBeside(
  model: string,
  chips: number,
  onWarning: OnWarning,
): Promise<readonly NetworkJson[]> {
  const names =
    chips === 1 ? ["net.json"] : Array.from({ length: chips }, (_, at) => `net_chip${at + 1}.json`);
  const paths = names.map((name) => join(dirname(model), name));
  const found = await Promise.all(paths.map(isFile));
  if (!found.every(Boolean)) return [];
  const read = async (path: string): Promise<NetworkJson> => {
    const text = new TextDecoder().decode(await readFileBounded(path, maxJsonBytes));
    return parseNetworkJson({ name: path, text }, onWarning);
  };
  return Promise.all(paths.map(read));
}

/** A board's dumps as levels, by convolution. */
export async function readDumpFolder(
  folder: string,
  sublayers: readonly ChipSublayer[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  await readdir(folder).catch((cause: unknown) => {
    throw readError(folder, cause);
  });
  const files = new Map<string, Uint8Array>();
  for (const path of dumpPaths(sublayers)) {
    const file = join(folder, path);
    if (await isFile(file)) files.set(path, await readFileBounded(file, maxDumpBytes));
  }
  return dumpedLevels(files, sublayers, folder);
}
