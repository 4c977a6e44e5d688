/**
 * The sublayers of a model's chips, with what each computes from: for comparing them one by one with a reference.
 */
import { inputError } from "../../error.ts";
import { constantOf, describe, type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, type Nchw } from "../../tensor/shape.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import type { AccumulatorOptions } from "../options.ts";
import type { ChipModel, ModelChip } from "./chip-model.ts";
import { scalarGraph } from "./simulation-graph.ts";

export type ChipSublayer = {
  /** Name of the convolution. */
  readonly conv: string;
  /** All counted from 1; the last two are 0 where the network has no major layers. */
  readonly chip: number;
  readonly major: number;
  readonly sublayer: number;
  /** Its id is that of the sublayer's levels, before pooling. */
  readonly node: Node<"shiftConv">;
  readonly weight: readonly number[];
  readonly weightShape: Nchw;
  readonly bias: readonly number[];
  /** Channels, rows and columns of its levels. */
  readonly shape: readonly [channels: number, rows: number, columns: number];
  /** Its largest level. */
  readonly top: number;
  /** A pooling of the same chip reads it. */
  readonly isPooled: boolean;
};

/** In the order of the network. Input errors where an image does not hold what it says, or two values have one name. */
export function chipSublayers(model: ChipModel): readonly ChipSublayer[] {
  const sublayers = model.chips.flatMap(sublayersOf);
  const counts = new Map<string, number>();
  for (const id of computedIds(model)) counts.set(id, (counts.get(id) ?? 0) + 1);
  const twice = sublayers.find(({ node }) => counts.get(node.id) !== 1);
  if (twice === undefined && sublayers.length > 0) return sublayers;
  throw inputError(
    twice === undefined ? "the model tells no sublayers" : "two values of the model have one name",
    { node: twice && `"${twice.node.id}"`, hint: "Convert the network again" },
  );
}

/** Ids of all values before and on the chips; what one chip takes up of another counts once. */
function computedIds({ before, chips }: ChipModel): readonly string[] {
  const graphs = [...(before === undefined ? [] : [before]), ...chips.map(({ graph }) => graph)];
  return graphs.flatMap(({ nodes }) =>
    nodes.filter(({ op }) => op !== "input" && op !== "toLevels").map(({ id }) => id),
  );
}

function sublayersOf({ graph, meta }: ModelChip): readonly ChipSublayer[] {
  const nodes = nodeMap(graph);
  const types = inferTypes(graph);
  const pooled = new Set(graph.nodes.flatMap(({ op, inputs }) => (op === "maxPool" ? inputs : [])));
  return meta.sublayers.map(({ conv, output, major, sublayer }) => {
    const node = nodes.get(output);
    if (node?.op !== "shiftConv" || node.attrs.output.kind !== "levels") throw missing(conv);
    const [weight, bias] = [1, 2].map((at) => constantOf(nodes.get(node.inputs[at] ?? "")));
    if (weight === undefined || bias === undefined) throw missing(conv);
    const [, channels, rows, columns] = asNchw(types.get(output)?.shape ?? [], describe(node));
    return {
      ...{ conv, chip: meta.chip, major, sublayer, node },
      weight: toNumbers(weight),
      weightShape: asNchw(weight.shape, describe(node)),
      bias: toNumbers(bias),
      shape: [channels, rows, columns],
      top: node.attrs.output.qMax,
      isPooled: pooled.has(output),
    };
  });
}

function missing(conv: string): Error {
  return inputError("a sublayer is not in the chip's image", {
    node: `"${conv}"`,
    hint: "Convert the network again",
  });
}

/** The chips with what the host computes before them, and nothing behind. */
export function chipsAlone(model: ChipModel, accumulator: AccumulatorOptions | undefined): Graph {
  return scalarGraph({ ...model, after: undefined }, { accumulator });
}

/** Id of the levels that enter the first chip. */
export function entryLevels(graph: Graph): string {
  const entry = graph.nodes.find(({ op }) => op === "reduceBits" || op === "toLevels");
  if (entry !== undefined) return entry.id;
  throw inputError("nothing brings the picture to levels", { node: graph.name });
}
