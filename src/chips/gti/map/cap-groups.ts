/**
 * Activations that must have one cap. A shortcut's identity goes into the sum as it stands, and no weight can
 * rescale it: its scale, set by the cap where it starts, is the scale of the sum.
 */
import { nodeMap } from "../../../ir/graph.ts";
import type { ChipMapping } from "./mapping.ts";

/**
 * Groups of two or more ids, in the order of the network: activations of the chip, and the entering value where a
 * shortcut starts there (its scale is the picture's). Pooling and upsampling pass a cap on; a projection has
 * weights and ties nothing.
 */
export function capGroups(mapping: ChipMapping): readonly (readonly string[])[] {
  const { chip } = mapping;
  const groups = new Map<string, string[]>();
  const sourceOf = levelSource(mapping);
  for (const { activation, shortcut } of chip.convolutions) {
    if (shortcut === undefined || shortcut.projection !== undefined) continue;
    const start = sourceOf(shortcut.start);
    // The start stands before the end, so a group is only ever extended.
    const group = groups.get(start) ?? [start];
    group.push(activation);
    groups.set(start, group);
    groups.set(activation, group);
  }
  return [...new Set(groups.values())];
}

/**
 * For a value of the chip part, the activation whose cap it has: the value itself, or the one that was pooled or
 * upsampled; the entering value where there is none before it.
 */
export function levelSource({ graph, chip }: ChipMapping): (id: string) => string {
  const activations = new Set(chip.convolutions.map(({ activation }) => activation));
  const nodes = nodeMap(graph);
  return (id) => {
    let current = id;
    for (let node = nodes.get(id); node !== undefined; node = nodes.get(current)) {
      if (activations.has(current) || !passing.has(node.op)) return current;
      current = node.inputs[0] ?? "";
    }
    return current;
  };
}

const passing: ReadonlySet<string> = new Set([
  ...["maxPool", "avgPool", "resize", "zeroInsert", "slice"],
]);
