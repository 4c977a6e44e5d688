/**
 * The network that a chip is compared with: its layers compute in float as the kit defines them, from levels of 5 bits.
 * Which of its values is which sublayer of the chip, and what a level is worth there.
 */
import { chipForm } from "../../chips/gti/map/chip-form.ts";
import { inputError } from "../../error.ts";
import { quantizeCoefficients } from "../../fixed/coefficients.ts";
import { constantOf, consumers, describe, type Graph, nodeMap, sweep } from "../../ir/graph.ts";
import { inferTypes, type Types } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, formatShape, type Nchw, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ChipSublayer } from "./chip-sublayers.ts";

type ConvNode = Node<"conv"> | Node<"quantConv">;

export type ReferenceSublayer = LevelGrid & {
  readonly conv: ConvNode;
  /** Id of the activation that gives its values. */
  readonly output: string;
  /** Rounded as the layer computes with them. */
  readonly weight: Float32Array;
  readonly weightShape: Nchw;
  readonly bias: Float32Array;
  /** Weights and bias are integers times `2^-shift`; undefined where they are not. */
  readonly shift: number | undefined;
  /** What is added before the activation. */
  readonly identity: { readonly id: string; readonly factor: number } | undefined;
  /** Operators between convolution and activation that a refined network does not have. */
  readonly unmerged: readonly string[];
};

/** Real size of one level, and the largest level. */
export type LevelGrid = { readonly step: number; readonly top: number };

export type Reference = {
  /** Takes levels (or real values, `inputStep` of which are a level) at its one input. */
  readonly graph: Graph;
  readonly types: Types;
  /** By the name of the convolution. */
  readonly sublayers: ReadonlyMap<string, ReferenceSublayer>;
  /** The levels that a value is made of; undefined where it is made of none. */
  readonly levelsOf: (id: string) => LevelGrid | undefined;
};

export type ReferenceOptions = {
  /** The value at which the chip starts, where the host computes something before it. */
  readonly entry: string | undefined;
  /** Real size of an input level: 1 in a refined network. */
  readonly inputStep: number;
};

/**
 * Finds the chip's sublayers in a canonical network. Input errors name the first layer that is not there, has other
 * sizes, or does not give levels.
 */
export function referenceNetwork(
  canonical: Graph,
  sublayers: readonly ChipSublayer[],
  { entry, inputStep }: ReferenceOptions,
): Reference {
  const form = chipForm(canonical, new Set(sublayers.map(({ conv }) => conv)));
  const graph = entry === undefined ? form : cutAt(form, entry);
  const found = new Finder(graph);
  const pairs = sublayers.map((sublayer) => [sublayer.conv, found.sublayer(sublayer)] as const);
  const grids = new Map(pairs.map(([, { output, step, top }]) => [output, { step, top }]));
  const nodes = nodeMap(graph);
  return {
    graph,
    types: found.types,
    sublayers: new Map(pairs),
    levelsOf: (id) => levelsOf(id, nodes, grids, { step: inputStep, top: largestInput }),
  };
}

/** The part behind a value, which becomes its input. */
function cutAt(graph: Graph, entry: string): Graph {
  const type = inferTypes(graph).get(entry);
  if (type === undefined) throw notThere(entry, "a value of this name, where the chip starts");
  const input: Node = { op: "input", id: entry, inputs: [], attrs: type };
  const nodes = graph.nodes.map((node): Node => (node.id === entry ? input : node));
  const swept = sweep({ ...graph, nodes });
  const kept = swept.nodes.filter(({ op, id }) => op !== "input" || id === entry);
  return { ...swept, nodes: kept };
}

function notThere(name: string, expected: string): Error {
  return inputError("the reference is not the network that was converted", {
    node: `"${name}"`,
    expected,
    got: "none",
    hint: "Give the files that were converted: --reference deploy.prototxt net.caffemodel",
  });
}

const passing: ReadonlySet<string> = new Set([
  ...["maxPool", "avgPool", "resize", "zeroInsert", "slice", "identity", "dropout"],
]);

/** Largest level that enters a chip. */
const largestInput = 31;

function levelsOf(
  id: string,
  nodes: ReadonlyMap<string, Node>,
  grids: ReadonlyMap<string, LevelGrid>,
  input: LevelGrid,
): LevelGrid | undefined {
  let current = id;
  for (let node = nodes.get(id); node !== undefined; node = nodes.get(current)) {
    const grid = grids.get(current);
    if (grid !== undefined) return grid;
    if (node.op === "input") return input;
    if (!passing.has(node.op)) return undefined;
    current = node.inputs[0] ?? "";
  }
  return undefined;
}

/** What may stand between a convolution and its activation before a network is refined. */
const mergeable: ReadonlySet<string> = new Set(["batchNorm", "scale", "bias"]);

/** From a convolution to the levels that it gives. */
type Path = {
  readonly activation: Node<"quantRelu">;
  readonly sum: Node<"add"> | undefined;
  /** Id of the sum's operand that comes from the convolution. */
  readonly below: string;
  readonly unmerged: readonly string[];
};

class Finder {
  readonly types: Types;
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;

  constructor(graph: Graph) {
    this.types = inferTypes(graph);
    this.#nodes = nodeMap(graph);
    this.#readers = consumers(graph);
  }

  sublayer(chip: ChipSublayer): ReferenceSublayer {
    const conv = this.#nodes.get(chip.conv);
    if (conv?.op !== "quantConv" && conv?.op !== "conv") {
      throw notThere(chip.conv, "a convolution of this name");
    }
    const { activation, sum, below, unmerged } = this.#activation(conv);
    this.#checkShape(activation, chip);
    const { cap, top } = this.#cap(activation);
    const coefficients = this.#coefficients(conv);
    checkKernels(coefficients.weightShape, chip);
    return {
      conv,
      output: activation.id,
      ...{ step: cap / top, top },
      ...coefficients,
      identity: sum && identityOf(sum, below),
      unmerged,
    };
  }

  /** The quantized activation behind a convolution, and the sum before it. */
  #activation(conv: ConvNode): Path {
    const unmerged: string[] = [];
    let [id, sum, below]: [string, Node<"add"> | undefined, string] = [conv.id, undefined, conv.id];
    for (;;) {
      const reader = this.#soleReader(id);
      if (reader === undefined) throw notLevels(conv, reader);
      if (reader.op === "quantRelu" && reader.attrs.quantized) {
        return { activation: reader, sum, below, unmerged };
      }
      if (mergeable.has(reader.op)) unmerged.push(reader.op);
      else if (reader.op === "add" && reader.inputs.length === 2) [sum, below] = [reader, id];
      else throw notLevels(conv, reader);
      id = reader.id;
    }
  }

  #soleReader(id: string): Node | undefined {
    const [reader, ...others] = this.#readers.get(id) ?? [];
    return others.length === 0 ? reader : undefined;
  }

  #checkShape(activation: Node, { conv, shape, chip, major, sublayer }: ChipSublayer): void {
    const [, ...own] = this.types.get(activation.id)?.shape ?? [];
    if (sameShape(own, shape)) return;
    throw inputError("a layer has another size in the reference than on the chip", {
      node: `"${conv}"`,
      expected: formatShape(own),
      got: `${formatShape(shape)} at chip ${chip}, major layer ${major}, sublayer ${sublayer}`,
      hint: "The network JSON does not match the network, or the reference is another network",
    });
  }

  #cap(activation: Node<"quantRelu">): { readonly cap: number; readonly top: number } {
    const caps = this.#constant(activation, 1);
    const [cap = 0] = caps?.data ?? [];
    if (!(cap > 0) || caps?.data.some((value) => value !== cap)) {
      throw inputError("the chip has one cap above 0 for a layer", {
        node: describe(activation),
        got: [...(caps?.data.slice(0, 4) ?? [])].join(", "),
      });
    }
    return { cap, top: 2 ** activation.attrs.bits - 1 };
  }

  #constant(node: Node, at: number): Tensor<"float32"> | undefined {
    const value = constantOf(this.#nodes.get(node.inputs[at] ?? ""));
    return value?.dtype === "float32" ? value : undefined;
  }

  #coefficients(
    conv: ConvNode,
  ): Pick<ReferenceSublayer, "weight" | "weightShape" | "bias" | "shift"> {
    const [weight, bias] = [this.#constant(conv, 1), this.#constant(conv, 2)];
    if (weight === undefined) {
      throw inputError("the reference has no weights", {
        node: describe(conv),
        hint: "Give the caffemodel too",
      });
    }
    const weightShape = asNchw(weight.shape, describe(conv));
    const zeros = new Float32Array(weightShape[0]);
    if (conv.op === "conv") {
      return { weight: weight.data, weightShape, bias: bias?.data ?? zeros, shift: undefined };
    }
    const given = { weight: weight.data, bias: bias?.data, taps: weightShape[2] * weightShape[3] };
    const rounded = quantizeCoefficients({ ...given, node: describe(conv) }, conv.attrs);
    return {
      weight: rounded.weight,
      weightShape,
      bias: rounded.bias ?? zeros,
      shift: rounded.shift,
    };
  }
}

function checkKernels(own: Nchw, { conv, weightShape }: ChipSublayer): void {
  if (sameShape(own, weightShape)) return;
  throw inputError("a layer has other kernels in the reference than on the chip", {
    node: `"${conv}"`,
    expected: formatShape(own),
    got: formatShape(weightShape),
    hint: "The reference is not the network that was converted",
  });
}

function identityOf({ inputs, attrs }: Node<"add">, below: string): ReferenceSublayer["identity"] {
  const at = inputs[0] === below ? 1 : 0;
  return { id: inputs[at] ?? "", factor: attrs.coefficients?.[at] ?? 1 };
}

function notLevels(conv: Node, reader: Node | undefined): Error {
  return inputError("no levels come out of a layer of the reference", {
    node: describe(conv),
    expected: "QuantReLU with quant_enable behind it",
    got: reader === undefined ? "no single layer" : describe(reader),
    hint: "Compare with the network after its activations were quantized",
  });
}
