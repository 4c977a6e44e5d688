/**
 * What the layers of a trained network declare themselves: bits of weights and activations. It counts where no network
 * JSON says them.
 */
import { mapToChip } from "../../chips/gti/map/map-to-chip.ts";
import { type Graph, nodeMap } from "../../ir/graph.ts";
import type { CoefficientBits, LayeredTarget } from "../../target/layered-target.ts";
import type { ChipOptions } from "../options.ts";

/** The options with the layers' own widths in place of those left open. */
export function declaredOptions(
  graph: Graph,
  target: LayeredTarget,
  options: ChipOptions,
): ChipOptions {
  const [mode] = target.weightModes;
  const waive = new Set(options.waive);
  const mapping = mapToChip(graph, target, { coefficientBits: mode?.bits ?? 1, waive });
  const nodes = nodeMap(mapping.graph);
  const bits = mapping.chip.convolutions.map(({ conv }): CoefficientBits | undefined => {
    const node = nodes.get(conv);
    if (node?.op !== "quantConv") return undefined;
    return target.weightModes.find(({ precision }) => precision === node.attrs.precision)?.bits;
  });
  const known = bits.filter((one) => one !== undefined);
  const widths = mapping.chip.convolutions.map(({ activation }) => {
    const node = nodes.get(activation);
    return node?.op === "quantRelu" ? node.attrs.bits : 5;
  });
  const isWide = widths.length > 0 && widths.every((width) => width === 10);
  return {
    ...(known.length === bits.length && known.length > 0 ? { bits: known } : {}),
    ...(isWide ? { activationBits: 10 } : {}),
    ...(!isWide && widths.at(-1) === 10 ? { lastTenBits: true } : {}),
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    waive: options.waive,
  };
}
