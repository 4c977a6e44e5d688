/** The sublayers that one major layer of a network JSON stands for, without names. */
import type { Sublayer } from "./layout.ts";
import type { NetworkLayer } from "./network-json.ts";

/**
 * Channels change at the first sublayer that is not depthwise: 32 -> 64 with `one_coef` 0, 1, 0 is 32 -> 32
 * within each channel, 32 -> 64 by 1x1, 64 -> 64 within each channel.
 */
export function sublayersOf(layer: NetworkLayer): readonly Sublayer[] {
  const sublayers: Sublayer[] = [];
  for (let at = 0; at < layer.sublayer_number; at++) {
    const from = sublayers.at(-1)?.outputChannels ?? layer.input_channels;
    const kind = kindOf(layer, at);
    const to = kind === "depthwise" ? from : layer.output_channels;
    sublayers.push({ conv: "", output: "", kind, inputChannels: from, outputChannels: to });
  }
  return sublayers;
}

/** Without `one_coef` all are 3x3. */
function kindOf(layer: NetworkLayer, at: number): Sublayer["kind"] {
  if (layer.one_coef?.[at] === 1) return "pointwise";
  return layer.depth_enable === true ? "depthwise" : "full";
}
