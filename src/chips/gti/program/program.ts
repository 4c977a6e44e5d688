/**
 * A converted network: all that the files of a conversion are made from, and that a simulation needs.
 */
import type { Graph } from "../../../ir/graph.ts";
import type { LayeredTarget } from "../../../target/layered-target.ts";
import type { ChipMapping } from "../map/mapping.ts";
import type { ProgramLayer } from "./convert.ts";
import type { ChipEntry } from "./integer-graph.ts";
import type { ActivationGrid } from "./units.ts";

export type ChipProgram = {
  readonly target: LayeredTarget;
  /** Of the refined network: `mapping.graph` is in the chip's units, weights float. */
  readonly mapping: ChipMapping;
  /** By the id of the convolution. */
  readonly layers: ReadonlyMap<string, ProgramLayer>;
  /** By the id of the activation. `cap` is the real one where it is known, else the chip's own. */
  readonly grids: ReadonlyMap<string, ActivationGrid>;
  readonly entry: ChipEntry;
  /** The chip part in integers; its input and outputs have the ids of the mapping's. */
  readonly integer: Graph;
};
