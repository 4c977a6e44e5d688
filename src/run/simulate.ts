/**
 * A quantized network as the chip computes it: the integer graph (the definition, run by the scalar
 * interpreter) and its exact float lowering (the same integers, run by the engine).
 */
import type { Graph } from "../ir/graph.ts";
import { verify } from "../ir/verify.ts";
import { foldSample } from "../passes/fold-sample.ts";
import { lowerIntegers, type Zeros } from "../passes/lower-integers.ts";
import { removeNoOps } from "../passes/remove-no-ops.ts";
import { toInteger } from "../passes/to-integer.ts";

export type Simulation = {
  /** Integer layers and float host operators. */
  readonly integer: Graph;
  /** The same ids in float32 (but for folded sampling); an integer value q is held as `q - zero`. */
  readonly lowered: Graph;
  /** Zero points of the integer values, by id. */
  readonly zeros: Zeros;
};

/** Reads the integers out of a quantized (QDQ) graph and lowers them. */
export function simulationOf(quantized: Graph): Simulation {
  // A file says with an identity that two outputs are one value.
  const plain = verify(removeNoOps(quantized), "quantized");
  return simulationOfIntegers(toInteger(plain));
}

/**
 * The same for a graph whose layers are integer already. A convolution that only sample pooling reads is not in the
 * lowered graph: it is computed at the sampled pixels alone, under the pooling's id.
 */
export function simulationOfIntegers(graph: Graph): Simulation {
  const integer = verify(graph, "integer");
  const { graph: lowered, zeros } = lowerIntegers(foldSample(integer));
  return { integer, lowered, zeros };
}
