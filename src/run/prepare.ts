/**
 * Joins a network with its preprocessing: what picture size it takes, and the graph that starts at
 * picture bytes.
 */
import { normalization } from "../data/normalize.ts";
import type { Preprocess } from "../data/preprocess.ts";
import { inputError } from "../error.ts";
import { describe, type Graph } from "../ir/graph.ts";
import { attachPreprocessing } from "../passes/preprocess.ts";
import { asNchw } from "../tensor/shape.ts";

export type PictureSize = {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
};

/** The picture that a network takes. Throws unless it has one image input. */
export function pictureSize(graph: Graph): PictureSize {
  const inputs = graph.nodes.filter((node) => node.op === "input");
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw inputError("needs a network with one image input", {
      got: inputs.map((node) => describe(node)).join(", ") || "none",
    });
  }
  const [, channels, height, width] = asNchw(input.attrs.shape, describe(input));
  return { channels, height, width };
}

/** The graph that takes picture bytes [n, h, w, c] and does the arithmetic of preprocessing itself. */
export function withPictureInput(graph: Graph, preprocess: Preprocess): Graph {
  return attachPreprocessing(graph, normalization(preprocess, pictureSize(graph)));
}
