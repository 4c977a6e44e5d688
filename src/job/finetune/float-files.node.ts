/**
 * The float network after the first step, for other chips and widths to begin with.
 */
import { InlayError } from "../../error.ts";
import { writeCaffeChunks } from "../../formats/caffe/write.ts";
import type { Graph } from "../../ir/graph.ts";
import type { OnWarning } from "../../notice.ts";
import type { FileContent } from "../file-content.ts";
import { writeFolderAtomic } from "../files.node.ts";

/** Writes `float.prototxt` and `float.caffemodel`; neither, with a warning that says why, where a layer has no Caffe form. */
export async function writeFloatFiles(
  out: string,
  graph: Graph,
  onWarning: OnWarning,
): Promise<void> {
  const files = caffeForm(graph, onWarning);
  if (files !== undefined) await writeFolderAtomic(out, files);
}

function caffeForm(
  graph: Graph,
  onWarning: OnWarning,
): ReadonlyMap<string, FileContent> | undefined {
  try {
    const { prototxt, caffemodel } = writeCaffeChunks(graph);
    return new Map<string, FileContent>([
      ["float.prototxt", prototxt],
      ["float.caffemodel", caffemodel],
    ]);
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    onWarning({ id: "no-caffe", message: `float.prototxt is not written: ${error.message}` });
    return undefined;
  }
}
