/**
 * The caps of the chip's activations from what calibration saw: one per activation, one for all of a group that
 * shortcuts tie together.
 */
import { usageError } from "../../../error.ts";

/** Cap by the activation's id. */
export type Caps = ReadonlyMap<string, number>;

/**
 * The caps with those of each group made equal: to the largest, so that nothing is clipped that was not. Throws
 * for a cap that is no positive number.
 */
export function tieCaps(caps: Caps, groups: readonly (readonly string[])[]): Caps {
  for (const [id, cap] of caps) {
    if (cap > 0 && Number.isFinite(cap)) continue;
    throw usageError("a cap must be a positive number", {
      node: `activation "${id}"`,
      got: `${cap}`,
      hint: "An activation that is always 0 carries nothing: leave the layer out, or calibrate with other pictures",
    });
  }
  const tied = new Map(caps);
  for (const group of groups) {
    const members = group.filter((id) => caps.has(id));
    const largest = members.reduce((most, id) => Math.max(most, caps.get(id) ?? 0), 0);
    for (const id of members) tied.set(id, largest);
  }
  return tied;
}

/** Groups whose caps are not equal, with the caps: what a network that was refined elsewhere gets wrong. */
export function untiedGroups(
  caps: Caps,
  groups: readonly (readonly string[])[],
): readonly { readonly group: readonly string[]; readonly caps: readonly number[] }[] {
  return groups
    .map((group) => group.filter((id) => caps.has(id)))
    .map((group) => ({ group, caps: group.map((id) => caps.get(id) ?? 0) }))
    .filter(({ caps: found }) => new Set(found).size > 1);
}
