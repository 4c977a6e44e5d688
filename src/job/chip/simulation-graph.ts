/**
 * A converted network as one graph: the host's part before the chips, their integer graphs one behind the other, and
 * the host's part after them on real numbers. The scalar interpreter runs it as the definition; its exact lowering
 * runs on the engine.
 */
import { inputError, usageError } from "../../error.ts";
import { freshId, type Graph, type Output } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import { verify } from "../../ir/verify.ts";
import { simulationOfIntegers } from "../../run/simulate.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import type { AccumulatorOptions } from "../options.ts";
import type { ChipModel, HostGraph, ModelChip } from "./chip-model.ts";

export type SimulationOptions = {
  /** Exact accumulators unless given. */
  readonly accumulator?: AccumulatorOptions | undefined;
};

/**
 * The definition: integer nodes under the ids of the chips' images, host nodes in float32. Its one input is the
 * network's, as float32 [n, c, h, w]; for pictures that enter the chip these are the bytes' values.
 */
export function scalarGraph(model: ChipModel, { accumulator }: SimulationOptions = {}): Graph {
  const joiner = new Joiner();
  const before = model.before && joiner.append(model.before, new Map());
  let given = new Map<string, string>(before);
  let last: string | undefined;
  const ends: Output[] = [];
  for (const chip of model.chips) {
    const graph = accumulator === undefined ? chip.graph : narrowed(chip.graph, accumulator);
    const ids = joiner.append(graph, bindingsOf(chip, given, last));
    last = ids.get(graph.outputs.at(-1)?.id ?? "");
    const real = realValues(chip, graph, ids, joiner);
    ends.push(...real.map(([id, value]) => ({ name: nameOf(graph, id), id: value })));
    given = new Map([...given, ...ids, ...real]);
  }
  const outputs = model.after === undefined ? ends : afterOutputs(model.after, given, ends, joiner);
  const name = model.name;
  const opsets = { ...model.before?.opsets, ...model.after?.graph.opsets };
  return verify({ name, nodes: joiner.nodes, outputs, opsets }, "integer");
}

/** The same in float32 for the engine, bit for bit the same levels. */
export function simulationGraph(model: ChipModel, options: SimulationOptions = {}): Graph {
  return simulationOfIntegers(scalarGraph(model, options)).lowered;
}

function nameOf({ outputs }: Graph, id: string): string {
  return outputs.find((output) => output.id === id)?.name ?? id;
}

/** The host's outputs, and before or behind them what leaves the chips unread. */
function afterOutputs(
  { graph, source }: HostGraph,
  given: ReadonlyMap<string, string>,
  ends: readonly Output[],
  joiner: Joiner,
): readonly Output[] {
  const inputs = graph.nodes.filter(({ op }) => op === "input");
  const lost = inputs.find(({ id }) => !given.has(source(id)));
  if (lost !== undefined) {
    throw inputError("the host reads a value that no chip gives", { node: `"${lost.id}"` });
  }
  const bindings = new Map(inputs.map(({ id }) => [id, given.get(source(id)) ?? id]));
  const ids = joiner.append(graph, bindings);
  const read = new Set(bindings.values());
  const unread = ends.filter(({ id }) => !read.has(id));
  const own = graph.outputs.map(({ name, id }) => ({ name, id: ids.get(id) ?? id }));
  return [...own, ...unread];
}

/** The input of a chip, from the host or from the chip before; nothing where the picture enters. */
function bindingsOf(
  { graph, meta }: ModelChip,
  given: ReadonlyMap<string, string>,
  last: string | undefined,
): ReadonlyMap<string, string> {
  const input = graph.nodes.find(({ op }) => op === "input");
  if (input === undefined) throw inputError("a chip has no input", { node: graph.name });
  if (meta.entry === "picture") return new Map();
  if (meta.entry === "host") {
    const value = given.get(input.id);
    if (value !== undefined) return new Map([[input.id, value]]);
    throw inputError("nothing gives the value that enters the chip", { node: `"${input.id}"` });
  }
  const levels = graph.nodes.find(({ inputs }) => inputs.includes(input.id));
  if (levels?.op !== "toLevels" || last === undefined) {
    throw inputError("a chip of a cascade does not take the levels of the one before", {
      node: `"${input.id}"`,
    });
  }
  return new Map([
    [input.id, last],
    [levels.id, last],
  ]);
}

/** What the host reads of a chip: levels as numbers in the chip's units. Ids of the chip's values and of these. */
function realValues(
  { meta }: ModelChip,
  graph: Graph,
  ids: ReadonlyMap<string, string>,
  joiner: Joiner,
): readonly (readonly [string, string])[] {
  const types = inferTypes(graph);
  return meta.outputs.map(({ id, levelsPerUnit }) => {
    const [value, dtype] = [ids.get(id), types.get(id)?.dtype];
    if (value !== undefined && (dtype === "uint8" || dtype === "uint16")) {
      return [id, joiner.real(value, levelsPerUnit, dtype)];
    }
    throw inputError("a value that leaves the chip is not in its image", { node: `"${id}"` });
  });
}

function narrowed(graph: Graph, { bits, overflow }: AccumulatorOptions): Graph {
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 53)) {
    throw usageError("an accumulator's width is out of range", {
      expected: "2 to 53 bits",
      got: `${bits}`,
    });
  }
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "shiftConv") return node;
    return { ...node, attrs: { ...node.attrs, accumulator: { bits, overflow } } };
  });
  return { ...graph, nodes };
}

/** Collects the nodes of several graphs; ids that are taken get others. */
class Joiner {
  readonly nodes: Node[] = [];
  readonly #taken = new Set<string>();

  #fresh(base: string): string {
    const id = freshId(base, this.#taken);
    this.#taken.add(id);
    return id;
  }

  /** Adds the graph's nodes but those that `bindings` replaces by values given already. Gives all ids, old to new. */
  append(graph: Graph, bindings: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const ids = new Map<string, string>(bindings);
    for (const node of graph.nodes) {
      if (bindings.has(node.id)) continue;
      const id = this.#fresh(node.id);
      ids.set(node.id, id);
      this.nodes.push({ ...node, id, inputs: node.inputs.map((input) => ids.get(input) ?? input) });
    }
    return ids;
  }

  /** Levels as float32: one level is `1 / levelsPerUnit`. */
  real(value: string, levelsPerUnit: number, dtype: "uint8" | "uint16"): string {
    const zero: Tensor =
      dtype === "uint8"
        ? { dtype, shape: [], data: new Uint8Array(1) }
        : { dtype, shape: [], data: new Uint16Array(1) };
    const constant = (name: string, tensor: Tensor): string => {
      const id = this.#fresh(`${value}.${name}`);
      this.nodes.push({ op: "const", id, inputs: [], attrs: { tensor } });
      return id;
    };
    const scale = constant("step", float32([], [1 / levelsPerUnit]));
    const inputs = [value, scale, constant("zero", zero)];
    const id = this.#fresh(`${value}.units`);
    this.nodes.push({ op: "dequantize", id, inputs, attrs: { axis: 1 } });
    return id;
  }
}
