/**
 * Which QuantConvolution reads what, and which QuantReLU caps it: followed through the layers of a prototxt at test time.
 * Layers that only move or join values are seen through; all others end the chip's part.
 */
import type { LayerParameter } from "../../formats/caffe/schema/schema.ts";

/** Where values come from: pictures, caps (indices of QuantReLU), convolutions that no cap follows yet. */
type Origin = {
  readonly data: boolean;
  readonly caps: readonly number[];
  readonly convs: readonly number[];
};

export type QuantConv = {
  readonly layer: LayerParameter;
  readonly input: Origin;
  /** Index of the QuantReLU behind it; undefined where none follows. */
  readonly relu: number | undefined;
};

export type Structure = {
  readonly convs: readonly QuantConv[];
  readonly relus: readonly LayerParameter[];
  /** Pairs of QuantReLU that a sum joins: the start of a shortcut, and the one behind the sum. */
  readonly shortcuts: readonly { readonly from: number; readonly to: number }[];
  /** Layers of the host that read capped values, and of which QuantReLU. */
  readonly hostReaders: readonly {
    readonly layer: LayerParameter;
    readonly caps: readonly number[];
  }[];
  /** Names of the layers whose values have a cap's unit, or are on their way to one. */
  readonly onChip: ReadonlySet<string>;
};

const nowhere: Origin = { data: false, caps: [], convs: [] };

/** Layers whose values are those of their bottoms, moved, joined or folded into the convolution before. */
const transparent: ReadonlySet<string> = new Set([
  ...["BatchNorm", "Concat", "Deconvolution", "Dropout", "Eltwise", "Flatten", "Permute"],
  ...["Pooling", "ReLU", "Reshape", "Scale", "Slice", "Split"],
]);

const sources: ReadonlySet<string> = new Set(["Data", "AnnotatedData", "ImageData", "Input"]);

/** The structure of the layers, in their order. */
export function structureOf(layers: readonly LayerParameter[]): Structure {
  const walk: Walk = { blobs: new Map(), convs: [], relus: [], shortcuts: [], hostReaders: [] };
  const onChip = new Set<string>();
  for (const layer of layers) {
    const read = joined(layer.bottom.map((blob) => walk.blobs.get(blob) ?? nowhere));
    const given = visit(walk, layer, read);
    for (const top of layer.top) walk.blobs.set(top, given);
    if (given.caps.length + given.convs.length > 0) onChip.add(layer.name ?? "");
  }
  const { convs, relus, shortcuts, hostReaders } = walk;
  return { convs, relus, shortcuts, hostReaders, onChip };
}

type Walk = {
  readonly blobs: Map<string, Origin>;
  readonly convs: { layer: LayerParameter; input: Origin; relu: number | undefined }[];
  readonly relus: LayerParameter[];
  readonly shortcuts: { from: number; to: number }[];
  readonly hostReaders: { layer: LayerParameter; caps: readonly number[] }[];
};

/** What the layer's tops come from. Adds to `walk`. */
function visit(walk: Walk, layer: LayerParameter, read: Origin): Origin {
  const type = layer.type ?? "";
  if (sources.has(type)) return { ...nowhere, data: true };
  if (type === "QuantConvolution") {
    walk.convs.push({ layer, input: read, relu: undefined });
    return { ...nowhere, convs: [walk.convs.length - 1] };
  }
  if (type === "QuantReLU") {
    const to = walk.relus.push(layer) - 1;
    for (const at of read.convs) {
      const conv = walk.convs[at];
      if (conv !== undefined) conv.relu ??= to;
    }
    for (const from of read.caps) walk.shortcuts.push({ from, to });
    return { ...nowhere, caps: [to] };
  }
  if (transparent.has(type)) return read;
  if (read.caps.length > 0) walk.hostReaders.push({ layer, caps: read.caps });
  return nowhere;
}

function joined(origins: readonly Origin[]): Origin {
  return {
    data: origins.some(({ data }) => data),
    caps: [...new Set(origins.flatMap(({ caps }) => caps))],
    convs: [...new Set(origins.flatMap(({ convs }) => convs))],
  };
}

/** Groups of QuantReLU that shortcuts join, each with its members in ascending order; single ones are left out. */
export function shortcutGroups({ relus, shortcuts }: Structure): readonly (readonly number[])[] {
  const leader = relus.map((_, at) => at);
  const leaderOf = (at: number): number => {
    const above = leader[at] ?? at;
    return above === at ? at : leaderOf(above);
  };
  for (const { from, to } of shortcuts) {
    const [a, b] = [leaderOf(from), leaderOf(to)];
    leader[Math.max(a, b)] = Math.min(a, b);
  }
  const groups = new Map<number, number[]>();
  for (const at of relus.keys()) {
    const group = groups.get(leaderOf(at));
    if (group === undefined) groups.set(leaderOf(at), [at]);
    else group.push(at);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}
