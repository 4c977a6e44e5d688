/**
 * A file of class names for a chip's model.
 */
import { type Label, parseLabels } from "../chips/gti/files/labels.ts";
import type { Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { OnWarning } from "../notice.ts";
import { elementCount } from "../tensor/shape.ts";
import { readFileBounded } from "./files.node.ts";

const maxLabelBytes = 2 ** 24;

/** As many labels as the network's first output has values; undefined where no file was named. */
export async function readLabels(
  path: string | undefined,
  graph: Graph,
  onWarning: OnWarning,
): Promise<readonly Label[] | undefined> {
  if (path === undefined) return undefined;
  const shape = inferTypes(graph).get(graph.outputs[0]?.id ?? "")?.shape ?? [];
  const bytes = await readFileBounded(path, maxLabelBytes);
  return parseLabels({ name: path, bytes }, elementCount(shape.slice(1)), onWarning);
}
