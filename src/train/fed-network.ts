/**
 * A network in training whose input is picture bytes: which of its inputs get pictures, labels and, where each picture
 * has its own part of a mean image, those parts.
 */
import type { InputSize } from "../data/batch.ts";
import { normalization } from "../data/normalize.ts";
import { isMeanImage, type Preprocess } from "../data/preprocess.ts";
import { inputError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { TrainingNetwork } from "../ir/training.ts";
import { attachPreprocessing } from "../passes/preprocess.ts";

export type FedNetwork = {
  readonly network: TrainingNetwork;
  /** Id of the input of picture bytes, uint8 [n, h, w, c]. */
  readonly pictures: string;
  /** Id of the input of labels, float32 [n]; undefined where the network has none. */
  readonly label: string | undefined;
  /** Id of the input of means, float32 [n, c, h, w]; undefined where all pictures have the same. */
  readonly mean: string | undefined;
};

/** Pictures, as the network sees them. */
export type PictureSource = { readonly preprocess: Preprocess; readonly size: InputSize };

/**
 * Puts the arithmetic of pixels in front of the network's first input. With `ownMeans` a mean image becomes an input:
 * where pictures are cropped and mirrored by chance, so is what is subtracted. Throws where the network has other inputs
 * than pictures and one label for each.
 */
export function feedPictures(
  network: TrainingNetwork,
  { preprocess, size }: PictureSource,
  ownMeans = false,
): FedNetwork {
  const { graph } = network;
  const inputs = graph.nodes.filter((node) => node.op === "input");
  const [picture, label, ...others] = inputs;
  if (picture === undefined || others.length > 0) {
    throw inputError("the network is not fed by pictures and one label for each", {
      got: `inputs ${inputs.map(({ id }) => `"${id}"`).join(", ") || "none"}`,
    });
  }
  const arithmetic = normalization(preprocess, size);
  const attached = attachPreprocessing(graph, arithmetic, picture.id);
  const known = new Set(graph.nodes.map(({ id }) => id));
  const bytes = attached.nodes.find(({ op, id }) => op === "input" && !known.has(id));
  const isOwn = ownMeans && isMeanImage(preprocess.mean);
  const mean = attached.nodes.find(
    (node) => isOwn && node.op === "const" && node.attrs.tensor === arithmetic.mean,
  );
  const [n = 1, ...rest] = picture.attrs.shape;
  return {
    network: { ...network, graph: withInput(attached, mean?.id, [n, ...rest]) },
    pictures: bytes?.id ?? picture.id,
    label: label?.id,
    mean: mean?.id,
  };
}

/** The graph with a float32 input in place of a constant. */
function withInput(graph: Graph, id: string | undefined, shape: readonly number[]): Graph {
  if (id === undefined) return graph;
  const nodes = graph.nodes.map((node): Node => {
    if (node.id !== id) return node;
    return { op: "input", id, inputs: [], attrs: { dtype: "float32", shape } };
  });
  return { ...graph, nodes };
}
