/**
 * Which sublayers a board gives to its host: all of major layers that are `learning`, the last one of those with
 * `last_layer_out`, and the last one of a chip. A simulation sees all of them.
 */
import type { NetworkJson } from "../../chips/gti/network-json.ts";
import { inputError } from "../../error.ts";
import type { BitMatchLayer } from "../../report/bit-match.ts";
import type { ChipSublayer } from "./chip-sublayers.ts";

export type OutputMode = NonNullable<BitMatchLayer["output"]>;

/**
 * The mode of each sublayer, by the name of its convolution; `networks` has the network JSON of each chip. An input
 * error where both modes are used (one file alone is checked when it is read), or where the files are of another network.
 */
export function outputModes(
  sublayers: readonly ChipSublayer[],
  networks: readonly NetworkJson[],
): ReadonlyMap<string, OutputMode> {
  checkExclusion(networks);
  const modes = new Map<string, OutputMode>();
  for (const [at, network] of networks.entries()) {
    const own = sublayers.filter(({ chip }) => chip === at + 1);
    const places = placesOf(network);
    if (places.length !== own.length) {
      throw inputError("the network JSON is of another network than the model", {
        where: network.name,
        expected: `${own.length} sublayers`,
        got: `${places.length}`,
      });
    }
    for (const [place, { conv }] of own.entries()) {
      const mode = places[place];
      if (mode !== undefined) modes.set(conv, mode);
    }
  }
  return modes;
}

function placesOf({ layers }: NetworkJson): readonly (OutputMode | undefined)[] {
  return layers.flatMap((layer, major) =>
    Array.from({ length: layer.sublayer_number }, (_, at): OutputMode | undefined => {
      if (layer.learning === true) return "learning";
      if (at < layer.sublayer_number - 1) return undefined;
      if (layer.last_layer_out === true) return "last_layer_out";
      return major === layers.length - 1 ? "last layer" : undefined;
    }),
  );
}

/** The manual allows one mode in a model, over all of its chips. */
function checkExclusion(networks: readonly NetworkJson[]): void {
  const using = (key: "learning" | "last_layer_out"): NetworkJson | undefined =>
    networks.find(({ layers }) => layers.some((layer) => layer[key] === true));
  const [learning, last] = [using("learning"), using("last_layer_out")];
  if (learning === undefined || last === undefined) return;
  throw inputError("learning and last_layer_out exclude each other in a model", {
    where: last.name,
    expected: "one output mode",
    got: `learning in ${learning.name}, last_layer_out in ${last.name}`,
  });
}
