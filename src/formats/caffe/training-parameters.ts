/**
 * The learned blobs of a network: which constants hold them, under which key, with which factors on learning rate and
 * weight decay. Layers that name a blob alike share it; it has the key of the first one.
 */
import { inputError } from "../../error.ts";
import { learnedInputs } from "../../ir/learned-inputs.ts";
import type { Node, Op } from "../../ir/ops.ts";
import type { Parameter } from "../../ir/training.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LayerParameter } from "./schema/schema.ts";

/** A layer and the nodes that it became. */
export type LayerNodes = { readonly layer: LayerParameter; readonly nodes: readonly Node[] };

/** Caffe's blobs of a batch norm: it may have as many `param`, which change nothing. */
const normBlobs = 3;

/** A blob of a layer: the constant that holds it. */
type Blob = { readonly id: string; readonly tensor: Tensor; readonly reader: Op };

/** What is known of a parameter; factors are undefined until a layer states them. */
type Entry = {
  readonly key: string;
  readonly blobs: Blob[];
  lrMult: number | undefined;
  decayMult: number | undefined;
};

export type LearnedBlobs = {
  readonly parameters: readonly Parameter[];
  /** Values of constants whose layers share another's blob, by id. */
  readonly shared: ReadonlyMap<string, Tensor>;
};

/** The key of a layer's blob in the state, `shared` naming those of earlier layers by their parameters' names. */
export function blobKey(layer: LayerParameter, index: number, shared: Map<string, string>): string {
  const own = `${layer.name ?? ""}/${index}`;
  const name = layer.param[index]?.name ?? "";
  if (name === "") return own;
  const key = shared.get(name) ?? own;
  shared.set(name, key);
  return key;
}

/**
 * The parameters in the order of the layers. Throws where a layer states more factors than it has blobs, has no name of
 * its own, or shares a blob of another shape or with other factors.
 */
export function learnedBlobs(made: readonly LayerNodes[]): LearnedBlobs {
  const entries = new Map<string, Entry>();
  const names = new Map<string, string>();
  const seen = new Set<string>();
  for (const { layer, nodes } of made) {
    const blobs = blobsOf(layer, nodes);
    checkCount(layer, nodes, blobs.length);
    if (isNorm(nodes) || blobs.length > 0) checkName(layer, seen);
    for (const [index, blob] of blobs.entries()) {
      const key = blobKey(layer, index, names);
      const entry = entries.get(key) ?? {
        ...{ key, blobs: [], lrMult: undefined, decayMult: undefined },
      };
      entries.set(key, entry);
      join(entry, blob, layer, index);
    }
  }
  const all = [...entries.values()];
  return { parameters: all.map(parameterOf), shared: new Map(all.flatMap(sharedOf)) };
}

/** The constants of the layer's own that hold its blobs. */
function blobsOf(layer: LayerParameter, nodes: readonly Node[]): readonly Blob[] {
  const constants = new Map(
    nodes.flatMap((node) => (node.op === "const" ? [[node.id, node.attrs.tensor] as const] : [])),
  );
  const readers = nodes.map((node) => ({ node, places: learnedInputs[node.op] ?? [] }));
  const read = readers.flatMap(({ node, places }) =>
    places.flatMap((place) => {
      const id = node.inputs[place] ?? "";
      const tensor = constants.get(id);
      return tensor === undefined ? [] : [{ id, tensor, reader: node.op }];
    }),
  );
  if (layer.type !== "Parameter") return read;
  return [...constants].map(([id, tensor]) => ({ id, tensor, reader: "const" as const }));
}

function isNorm(nodes: readonly Node[]): boolean {
  return nodes.some(({ op }) => op === "batchNorm");
}

function checkCount(layer: LayerParameter, nodes: readonly Node[], blobs: number): void {
  const most = isNorm(nodes) ? normBlobs : blobs;
  if (layer.param.length <= most) return;
  throw inputError("the layer has more param than learned blobs", {
    node: labelOf(layer),
    expected: `at most ${most}`,
    got: `${layer.param.length}`,
    hint: "Remove those of a bias that bias_term turns off",
  });
}

/** Blobs are found again by their layer's name. */
function checkName(layer: LayerParameter, seen: Set<string>): void {
  const name = layer.name ?? "";
  if (name === "") throw inputError("a layer that learns needs a name", { node: labelOf(layer) });
  if (seen.has(name)) {
    throw inputError("two layers that learn have the same name", { node: labelOf(layer) });
  }
  seen.add(name);
}

function labelOf({ type, name }: LayerParameter): string {
  return `${type ?? "layer"} "${name ?? ""}"`;
}

/** Adds a layer's blob. As in Caffe, factors may be stated by any of the layers, but not differently. */
function join(entry: Entry, blob: Blob, layer: LayerParameter, index: number): void {
  const [first] = entry.blobs;
  const node = `${labelOf(layer)} blob ${index}`;
  if (first !== undefined && formatShape(first.tensor.shape) !== formatShape(blob.tensor.shape)) {
    throw inputError("layers that share a blob need the same shape", {
      node,
      expected: formatShape(first.tensor.shape),
      got: formatShape(blob.tensor.shape),
    });
  }
  const spec = layer.param[index];
  entry.blobs.push(blob);
  entry.lrMult = agreed("lr_mult", entry.lrMult, spec?.lr_mult, node);
  entry.decayMult = agreed("decay_mult", entry.decayMult, spec?.decay_mult, node);
}

function agreed(
  field: string,
  before: number | undefined,
  now: number | undefined,
  node: string,
): number | undefined {
  if (before === undefined || now === undefined || before === now) return now ?? before;
  throw inputError(`layers that share a blob state another ${field}`, {
    node,
    expected: `${before}`,
    got: `${now}`,
  });
}

/** The cap of a quantized activation does not decay unless the layer says so: it would shrink. */
function parameterOf({ key, blobs, lrMult, decayMult }: Entry): Parameter {
  const isCap = blobs.some(({ reader }) => reader === "quantRelu");
  return {
    key,
    ids: blobs.map(({ id }) => id),
    lrMult: lrMult ?? 1,
    decayMult: decayMult ?? (isCap ? 0 : 1),
  };
}

function sharedOf({ blobs }: Entry): readonly (readonly [string, Tensor])[] {
  const [first, ...others] = blobs;
  return first === undefined ? [] : others.map(({ id }) => [id, first.tensor] as const);
}
