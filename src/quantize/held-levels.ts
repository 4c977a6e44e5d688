/**
 * Levels of a few pictures at the places of an integer graph that are still to be read, so that a walk through the
 * layers runs each of them once and not all before it again.
 */
import type { Runtime } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import { type Graph, nodesOf, sweep } from "../ir/graph.ts";
import type { Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { openSession } from "../run/session.ts";
import { simulationOfIntegers } from "../run/simulate.ts";
import { type DType, float32, type Tensor } from "../tensor/tensor.ts";

/** One tensor per picture, by the id of the value. */
export type Held = ReadonlyMap<string, readonly Tensor[]>;

/** The part of the graph between the held values and one node; held values are its inputs. */
export function segment(graph: Graph, id: string, held: Held, types: Types): Graph {
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!held.has(node.id) || node.op === "input") return [node];
    return heldInput(node, types);
  });
  return swept({ ...graph, nodes, outputs: [{ name: id, id }] });
}

/** Inputs that nothing reads are dropped too. */
export function swept(graph: Graph): Graph {
  const live = sweep(graph);
  const read = new Set(live.nodes.flatMap(({ inputs }) => inputs));
  return { ...live, nodes: live.nodes.filter(({ op, id }) => op !== "input" || read.has(id)) };
}

/** A held value comes in as float32 and is taken for the levels that it holds. */
function heldInput(node: Node, types: Types): readonly Node[] {
  const type = types.get(node.id);
  if (type === undefined) throw workError("a value of unknown shape", { node: node.id });
  const fed = feedName(node.id);
  const qMax = type.dtype === "uint8" ? 255 : 65535;
  const range = node.op === "shiftConv" && node.attrs.output.kind === "levels";
  const most = range && node.attrs.output.kind === "levels" ? node.attrs.output.qMax : qMax;
  return [
    { op: "input", id: fed, inputs: [], attrs: { dtype: "float32", shape: type.shape } },
    { op: "toLevels", id: node.id, inputs: [fed], attrs: { step: 1, qMax: most } },
  ];
}

const feedName = (id: string): string => `${id}.held`;

export function feedsOf(graph: Graph, held: Held, picture: number): ReadonlyMap<string, Tensor> {
  const inputs = nodesOf(graph, "input");
  const names = new Map([...held.keys()].map((id) => [feedName(id), id]));
  return new Map(
    inputs.map(({ id }) => {
      const value = (held.get(id) ?? held.get(names.get(id) ?? ""))?.[picture];
      if (value === undefined) throw workError("a value was not kept", { node: id });
      return [id, float32(value.shape, asFloats(value))];
    }),
  );
}

/** The levels that a layer gives for every picture, in the type that holds them. */
export async function levelsOf(
  graph: Graph,
  id: string,
  held: Held,
  types: Types,
  runtime: Runtime,
): Promise<readonly Tensor[]> {
  const part = segment(graph, id, held, types);
  const session = await openSession(simulationOfIntegers(part).lowered, runtime);
  const pictures = [...held.values()][0]?.length ?? 0;
  const levels: Tensor[] = [];
  try {
    for (let picture = 0; picture < pictures; picture += 1) {
      const value = (await session.run(feedsOf(part, held, picture))).get(id);
      if (value === undefined) throw workError("a layer was not computed", { node: id });
      levels.push(narrowed(value, types.get(id)?.dtype));
    }
  } finally {
    await session.release();
  }
  return levels;
}

/** Drops the levels that no layer behind this one reaches without passing a held value. */
export function forget(held: Map<string, readonly Tensor[]>, graph: Graph, doneUpTo: string): void {
  const at = graph.nodes.findIndex(({ id }) => id === doneUpTo);
  const later = graph.nodes.slice(at + 1);
  const needed = new Set<string>(later.flatMap(({ inputs }) => inputs));
  for (const node of graph.nodes.toReversed()) {
    if (needed.has(node.id) && !held.has(node.id)) for (const id of node.inputs) needed.add(id);
  }
  for (const id of [...held.keys()]) if (!needed.has(id)) held.delete(id);
}

/** The integers in the type that they have, to be kept in little memory; accumulators stay as they come. */
function narrowed(value: Tensor, dtype: DType | undefined): Tensor {
  const { shape } = value;
  // Constructors copy a million values in a millisecond, `from` with a function in thirty.
  if (value.dtype !== "float32") return value;
  if (dtype === "uint8") return { dtype, shape, data: new Uint8Array(value.data) };
  if (dtype === "uint16") return { dtype, shape, data: new Uint16Array(value.data) };
  return value;
}

function asFloats(value: Tensor): Float32Array {
  return value.dtype === "float32" ? value.data : new Float32Array(numbersIn(value));
}

/** The numbers of a held value, not copied. */
export function numbersIn(value: Tensor): Float32Array | Uint8Array | Uint16Array | Int32Array {
  switch (value.dtype) {
    case "float32":
    case "uint8":
    case "uint16":
    case "int32":
      return value.data;
    default:
      throw workError("levels have another type", { got: value.dtype });
  }
}
