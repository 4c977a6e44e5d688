/**
 * Samples from the binary formats: IDX with its label file, CIFAR, LMDB of Datum. The formats themselves are
 * in `idx.ts`, `cifar.ts`, `lmdb.ts` and `datum.ts`.
 */
import { basename, dirname, join } from "node:path";
import { inputError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import { cachedSource, readWithin } from "./byte-source.ts";
import { parseCifar } from "./cifar.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { datumFile, datumLabel, datumPicture, maxDatumBytes } from "./datum.ts";
import { decodePicture } from "./decode.node.ts";
import {
  openSource,
  readDataFile,
  sortedEntries,
  statOrNothing,
  withSource,
} from "./files.node.ts";
import { parseIdxLabels, parseIdxPictures } from "./idx.ts";
import { keyText, type LmdbRecord, readLmdb } from "./lmdb.ts";
import { decodeText, textLines } from "./text.ts";

/** Pictures of an IDX file, labels from the file beside it (`images-idx3` becomes `labels-idx1`, with or without .gz). */
export async function openIdx(
  path: string,
  bytes: Uint8Array,
  onWarning: OnWarning | undefined,
): Promise<Dataset> {
  const pictures = parseIdxPictures(bytes, path);
  const beside = idxLabelFile(path);
  if (beside === undefined) {
    onWarning?.({
      id: "label-missing",
      message: "no label file lies beside the IDX file",
      where: path,
    });
  }
  const labels =
    beside === undefined ? undefined : parseIdxLabels(await readDataFile(beside), beside);
  if (labels !== undefined && labels.length !== pictures.count) {
    throw inputError("pictures and labels differ in number", {
      where: beside,
      expected: `${pictures.count}`,
      got: `${labels.length}`,
    });
  }
  const samples = Array.from(
    { length: pictures.count },
    (_, index): Sample => ({
      name: `${basename(path)}#${index}`,
      label: labels?.[index],
      load: async () => pictures.picture(index),
    }),
  );
  if (samples.length === 0) throw inputError("the IDX file holds no pictures", { where: path });
  return { source: path, samples };
}

function idxLabelFile(path: string): string | undefined {
  const name = basename(path).replace("images", "labels").replace("idx3", "idx1");
  if (name === basename(path)) return undefined;
  const bare = name.replace(/\.gz$/, "");
  return [name, bare, `${bare}.gz`]
    .map((file) => join(dirname(path), file))
    .find((file) => statOrNothing(file)?.isFile());
}

/** Records of one or several CIFAR binary files, and the class names that lie beside them. */
export async function openCifar(path: string, files: readonly string[]): Promise<Dataset> {
  const samples: Sample[] = [];
  const kinds = new Set<string>();
  for (const file of files) {
    const records = parseCifar(await readDataFile(file), file);
    kinds.add(records.kind);
    for (let index = 0; index < records.count; index++) {
      samples.push({
        name: `${basename(file)}#${index}`,
        label: records.label(index),
        load: async () => records.picture(index),
      });
    }
  }
  const [kind] = kinds;
  if (kinds.size > 1)
    throw inputError("CIFAR-10 and CIFAR-100 files lie in one folder", { where: path });
  const classes = await cifarClasses(dirname(files[0] ?? path), kind === "cifar-100");
  return classes === undefined ? { source: path, samples } : { source: path, samples, classes };
}

async function cifarClasses(folder: string, isHundred: boolean): Promise<string[] | undefined> {
  const file = join(folder, isHundred ? "fine_label_names.txt" : "batches.meta.txt");
  if (statOrNothing(file)?.isFile() !== true) return undefined;
  const lines = textLines(decodeText(await readDataFile(file), file), file);
  const names = Array.from(lines, (line) => line.trim()).filter((line) => line !== "");
  return names.length === (isHundred ? 100 : 10) ? names : undefined;
}

/** The training files of a folder of CIFAR binaries (`data_batch_*.bin` or `train.bin`), undefined where there are none. */
export function cifarTrainingFiles(folder: string): string[] | undefined {
  const names = sortedEntries(folder).map(({ name }) => name);
  const found = names.filter((name) => /^(data_batch_\d+|train)\.bin$/.test(name));
  return found.length === 0 ? undefined : found.map((name) => join(folder, name));
}

/**
 * Records of an LMDB of Datum in key order; `limit` stops early. Labels are read now, pixels when a
 * sample is loaded.
 */
export async function openLmdb(path: string, file: string, limit: number): Promise<Dataset> {
  const samples = await withSource(file, async (open) => {
    const source = cachedSource(open);
    const found: Sample[] = [];
    for (const record of await readLmdb(source, limit)) {
      const name = keyText(record.key);
      if (record.length > maxDatumBytes) {
        throw inputError("a record is too large", {
          where: `${file}: ${name}`,
          expected: `at most ${maxDatumBytes} bytes`,
          got: `${record.length}`,
        });
      }
      const label = await datumLabel(source, record, `${file}: ${name}`);
      found.push({
        ...{ name, label },
        load: () => loadRecord(file, record, name),
        encoded: async () => datumFile(await recordBytes(file, record), `${file}: ${name}`),
      });
    }
    return found;
  });
  if (samples.length === 0) throw inputError("the LMDB holds no records", { where: file });
  return { source: path, samples };
}

async function loadRecord(
  file: string,
  record: LmdbRecord,
  name: string,
): ReturnType<Sample["load"]> {
  const bytes = await recordBytes(file, record);
  return await datumPicture(bytes, `${file}: ${name}`, decodePicture);
}

function recordBytes(file: string, record: LmdbRecord): Promise<Uint8Array> {
  return readWithin(openSource(file), record.offset, record.length);
}
