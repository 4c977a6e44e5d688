/**
 * The three networks of a mapping: what the host computes before the chip, the chip, and the host after it.
 */
import { inputError, workError } from "../../../error.ts";
import { freshId, type Graph, nodeMap, type Output } from "../../../ir/graph.ts";
import { inferTypes, type Types } from "../../../ir/infer.ts";
import type { Node } from "../../../ir/ops.ts";
import type { ChipMapping } from "./mapping.ts";

export type ChipParts = {
  /** Gives the value that enters the chip; undefined where that is an input of the network. */
  readonly before: Graph | undefined;
  readonly chip: Graph;
  /** Undefined where the network ends on the chip. */
  readonly after: Graph | undefined;
};

/**
 * The parts. Values that cross are outputs of one and inputs of the next under their ids; an output of the network
 * is an output of the part that gives it, under its name. Throws a work error where nothing runs on the chip.
 */
export function chipPart({ graph, chip, violations }: ChipMapping): ChipParts {
  const [entry] = chip.inputs;
  if (entry === undefined) {
    const [first] = violations;
    throw workError("no layer of the network can run on the chip", {
      node: first?.node,
      expected: first?.limit,
      got: first?.found,
      hint: first?.hint ?? "A chip layer is a convolution with ReLU behind it",
    });
  }
  const types = inferTypes(graph);
  const onChip = new Set(chip.nodes);
  const early = nodesBefore(graph, entry);
  const part = (ids: ReadonlySet<string>): Graph => subgraph(graph, types, ids);
  const given = new Set(graph.outputs.map(({ id }) => id));
  const isLate = (node: Node): boolean =>
    !onChip.has(node.id) && !early.has(node.id) && (!isSource(node) || given.has(node.id));
  const late = new Set(graph.nodes.filter(isLate).map(({ id }) => id));
  return {
    before: early.size === 0 ? undefined : part(early),
    chip: part(onChip),
    after: late.size === 0 ? undefined : part(late),
  };
}

const isSource = ({ op }: Node): boolean => op === "input" || op === "const";

/** Ids of the nodes that compute a value, its own included; inputs and constants compute nothing. */
function nodesBefore(graph: Graph, entry: string): ReadonlySet<string> {
  const needed = new Set([entry]);
  for (const node of graph.nodes.toReversed()) {
    if (needed.has(node.id)) for (const id of node.inputs) needed.add(id);
  }
  const computing = graph.nodes.filter((node) => needed.has(node.id) && !isSource(node));
  return new Set(computing.map(({ id }) => id));
}

/**
 * The nodes of one part with the constants that they read, inputs for what others give, and as outputs what others
 * read and what the network gives.
 */
function subgraph(graph: Graph, types: Types, own: ReadonlySet<string>): Graph {
  const nodes = nodeMap(graph);
  const inside = graph.nodes.filter(({ id }) => own.has(id));
  const read = new Set(inside.flatMap(({ inputs }) => inputs));
  const foreign = [...read].filter((id) => id !== "" && !own.has(id));
  const sources = foreign.map((id) => sourceNode(id, nodes.get(id), types));
  return { ...graph, nodes: [...sources, ...inside], outputs: outputsOf(graph, own) };
}

/** Outputs of the network under their names, then what other parts read, under its id. */
function outputsOf(graph: Graph, own: ReadonlySet<string>): readonly Output[] {
  const given = graph.outputs.filter(({ id }) => own.has(id));
  const known = new Set(given.map(({ id }) => id));
  const names = new Set(given.map(({ name }) => name));
  const outputs = [...given];
  const computed = new Set(graph.nodes.filter((node) => !isSource(node)).map(({ id }) => id));
  const others = graph.nodes.filter(({ id }) => !own.has(id));
  for (const id of others.flatMap(({ inputs }) => inputs)) {
    if (!own.has(id) || known.has(id) || !computed.has(id)) continue;
    known.add(id);
    const name = freshId(id, names);
    names.add(name);
    outputs.push({ name, id });
  }
  return outputs;
}

/** A constant or graph input itself; an input in place of what another part computes. */
function sourceNode(id: string, node: Node | undefined, types: Types): Node {
  if (node !== undefined && isSource(node)) return node;
  const type = types.get(id);
  if (type !== undefined) return { op: "input", id, inputs: [], attrs: type };
  throw inputError("a value of unknown shape cannot cross between host and chip", {
    node: `"${id}"`,
  });
}
