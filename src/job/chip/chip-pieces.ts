/**
 * The integer graph of a network cut into those of the chips of a cascade: each gives levels, and the next one takes
 * them as they are.
 */
import type { ChipConvolution, ChipMapping } from "../../chips/gti/map/mapping.ts";
import { usageError, workError } from "../../error.ts";
import { freshId, type Graph, nodeMap, type Output } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";

export type ChipPiece = {
  /** Its input is the network's, or for a later chip levels as float32 that `toLevels` takes up. */
  readonly graph: Graph;
  /** The convolutions that run on it, in order. */
  readonly convolutions: readonly ChipConvolution[];
};

/** Largest level that one chip hands to another. */
const handedOn = 31;

/**
 * One piece per entry of `counts`, the sublayers of each chip. The last value of a piece is its last output; the
 * network's outputs stay with the chip that gives them. Throws where the counts do not add up, or a value other than
 * the last is read beyond a cut.
 */
export function chipPieces(
  integer: Graph,
  mapping: ChipMapping,
  counts: readonly number[],
): readonly ChipPiece[] {
  const { convolutions } = mapping.chip;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== convolutions.length || counts.some((count) => count < 1)) {
    throw usageError("the chips of the cascade do not have the network's sublayers", {
      expected: `${convolutions.length} together, at least one each`,
      got: counts.join(" + "),
    });
  }
  let from = 0;
  const parts = counts.map((count) => {
    from += count;
    return convolutions.slice(from - count, from);
  });
  if (parts.length === 1) return [{ graph: integer, convolutions }];
  const cuts = parts.slice(1).map(([first]) => entryOf(first, mapping));
  const owner = owners(integer, cuts);
  return parts.map((own, at) => ({
    graph: pieceOf(integer, owner, at, cuts),
    convolutions: own,
  }));
}

/** The value that a chip starts from: what its first convolution reads, before an upsampling. */
function entryOf(first: ChipConvolution | undefined, { graph }: ChipMapping): string {
  const node = nodeMap(graph).get(first?.input ?? "");
  const isUpsampling = node?.op === "resize" || node?.op === "zeroInsert";
  return isUpsampling ? (node.inputs[0] ?? "") : (first?.input ?? "");
}

/** The chip that computes each value; a constant belongs to its reader. */
function owners(integer: Graph, cuts: readonly string[]): ReadonlyMap<string, number> {
  const owner = new Map<string, number>();
  const behind = new Map(cuts.map((id, at) => [id, at + 1]));
  for (const node of integer.nodes) {
    if (node.op === "const") continue;
    // A cut's value is given by the chip before it and read by the one behind it.
    const chips = node.inputs.map((id) => behind.get(id) ?? owner.get(id) ?? 0);
    owner.set(node.id, Math.max(0, ...chips));
  }
  return owner;
}

function pieceOf(
  integer: Graph,
  owner: ReadonlyMap<string, number>,
  at: number,
  cuts: readonly string[],
): Graph {
  const [entry, end] = [cuts[at - 1], cuts[at]];
  const own = integer.nodes.filter((node) => owner.get(node.id) === at);
  const read = new Set(own.flatMap(({ inputs }) => inputs));
  const constants = integer.nodes.filter(({ op, id }) => op === "const" && read.has(id));
  const given = new Set([...own, ...constants].map(({ id }) => id));
  for (const id of read) {
    if (given.has(id) || id === entry) continue;
    throw workError("a value other than the last one is read behind the end of a chip", {
      node: `"${id}"`,
      hint: "Cut the cascade elsewhere: not inside a shortcut",
    });
  }
  const start = entry === undefined ? [] : takenUp(integer, entry);
  const outputs: readonly Output[] = integer.outputs.filter(({ id }) => owner.get(id) === at);
  const last = end === undefined ? [] : [{ name: end, id: end }];
  const others = outputs.filter(({ id }) => id !== end);
  return { ...integer, nodes: [...start, ...constants, ...own], outputs: [...others, ...last] };
}

/** The levels of the chip before, under their id. */
function takenUp(integer: Graph, id: string): readonly Node[] {
  const shape = inferTypes(integer).get(id)?.shape ?? [];
  const input = freshId(`${id}.from-chip`, nodeMap(integer));
  return [
    { op: "input", id: input, inputs: [], attrs: { dtype: "float32", shape } },
    { op: "toLevels", id, inputs: [input], attrs: { step: 1, qMax: handedOn } },
  ];
}
