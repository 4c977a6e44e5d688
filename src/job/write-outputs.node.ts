/**
 * A folder of output files that are never written over unasked: all of them, or none where one is there already.
 */
import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { usageError } from "../error.ts";
import type { FileContent } from "./file-content.ts";
import { writeFolderAtomic } from "./files.node.ts";

/**
 * Writes files by their names below `out`, with `/` between folders; files of one folder together, in the map's order. Without
 * `force` a usage error names what is there already, and nothing is written. Nothing is ever removed.
 */
export async function writeOutputs(
  out: string,
  files: ReadonlyMap<string, FileContent>,
  { force }: { readonly force: boolean },
): Promise<void> {
  if (!force) await refuseExisting(out, [...files.keys()]);
  const folders = new Map<string, Map<string, FileContent>>();
  for (const [name, content] of files) {
    const folder = posix.dirname(name);
    const own = folders.get(folder) ?? new Map<string, FileContent>();
    own.set(posix.basename(name), content);
    folders.set(folder, own);
  }
  // The folder itself last: its model says that all is there.
  const last = folders.get(".");
  folders.delete(".");
  for (const [folder, own] of folders) await writeFolderAtomic(join(out, folder), own);
  if (last !== undefined) await writeFolderAtomic(out, last);
}

/** The names that would be written must be free. Called early, so that no work is lost. */
export async function refuseExisting(out: string, names: readonly string[]): Promise<void> {
  const found: string[] = [];
  for (const name of names) {
    const exists = await stat(join(out, name)).then(
      () => true,
      () => false,
    );
    if (exists) found.push(name);
  }
  if (found.length === 0) return;
  const more = found.length > 5 ? ` and ${found.length - 5} more` : "";
  throw usageError("files would be written over", {
    where: out,
    got: `${found.slice(0, 5).join(", ")}${more}`,
    hint: "Choose another folder, or say --force",
  });
}
