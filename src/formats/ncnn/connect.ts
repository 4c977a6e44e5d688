/**
 * What ncnn asks of a network as a whole: every blob is read once, so that Split layers stand where several
 * read one, and layers have names of their own.
 */
import type { ExportContext, Layers } from "./export-context.ts";
import { freshName, printable } from "./export-context.ts";
import type { NcnnLayer } from "./layer.ts";

/** A graph output whose blob has another name or other readers too. */
export type NamedOutput = { readonly name: string; readonly blob: string };

/** How many layers read each blob. */
function readCounts(layers: Layers): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const blob of layers.flatMap(({ bottoms }) => bottoms)) {
    counts.set(blob, (counts.get(blob) ?? 0) + 1);
  }
  return counts;
}

/** The blobs behind a Split, those for layers first, then the outputs. */
type Parts = { readonly forLayers: string[]; readonly outputs: readonly string[] };

function partsOf(
  context: ExportContext,
  blob: string,
  reads: number,
  named: readonly NamedOutput[],
): Parts | undefined {
  const outputs = named.filter((output) => output.blob === blob).map(({ name }) => printable(name));
  if (reads < 2 && outputs.length === 0) return undefined;
  const forLayers = Array.from({ length: reads }, (_, at) =>
    freshName(context, `${blob}_splitncnn_${at}`),
  );
  return { forLayers, outputs };
}

/** The layers with a Split behind every layer whose blob several read, or that a named output repeats. */
export function withSplits(
  context: ExportContext,
  layers: Layers,
  named: readonly NamedOutput[],
): Layers {
  const counts = readCounts(layers);
  const waiting = new Map<string, string[]>();
  let splits = 0;
  const splitOf = (blob: string): Layers => {
    const parts = partsOf(context, blob, counts.get(blob) ?? 0, named);
    if (parts === undefined) return [];
    waiting.set(blob, [...parts.forLayers]);
    const tops = [...parts.forLayers, ...parts.outputs];
    const name = `splitncnn_${splits}`;
    splits += 1;
    return [{ type: "Split", name, bottoms: [blob], tops, params: [], weights: [] }];
  };
  return layers.flatMap((layer) => {
    const bottoms = layer.bottoms.map((blob) => waiting.get(blob)?.shift() ?? blob);
    return [{ ...layer, bottoms }, ...layer.tops.flatMap(splitOf)];
  });
}

/** The layers, those with a name that another has renamed: `conv`, `conv.2`. */
export function withUniqueNames(layers: Layers): Layers {
  const taken = new Set<string>();
  const times = new Map<string, number>();
  return layers.map((layer): NcnnLayer => {
    let name = layer.name;
    for (let count = times.get(layer.name) ?? 1; taken.has(name); count += 1) {
      name = `${layer.name}.${count + 1}`;
      times.set(layer.name, count + 1);
    }
    taken.add(name);
    return { ...layer, name };
  });
}
