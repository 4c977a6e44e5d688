/**
 * Corrects the host's first linear layer for what few levels do to the features that it reads: small activations round to
 * 0, so features come out smaller than in the float network. A factor and an offset per feature, from the
 * calibration's pictures, go into that layer's weights and bias.
 */
import { chipPart } from "../chips/gti/map/chip-part.ts";
import type { ChipProgram } from "../chips/gti/program/program.ts";
import { levelsPerUnit } from "../chips/gti/program/units.ts";
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { constantOf, type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { Node, Op } from "../ir/ops.ts";
import type { OnProgress } from "../notice.ts";
import { AffineFit } from "../quantize/affine-fit.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import { simulationOfIntegers } from "../run/simulate.ts";
import { elementCount } from "../tensor/shape.ts";
import { float32, toNumbers } from "../tensor/tensor.ts";
import { withConstants } from "./chip-parameters.ts";

export type HostScene = {
  /** The float network of the mapping. */
  readonly float: Graph;
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly onProgress?: OnProgress | undefined;
};

/** How much the factors are held back towards 1: there are few pictures for a thousand features. */
const ridge = 0.3;
/** Fewer pictures say too little of each feature. */
const picturesAtLeast = 32;

/**
 * The program with a corrected host layer; the same one where the host does not begin with linear operators and a
 * linear layer, or where there are few pictures.
 */
export async function withCorrectedHost(
  program: ChipProgram,
  scene: HostScene,
): Promise<ChipProgram> {
  const layer = firstLinear(program);
  const isPlain = [...program.grids.values()].every((grid) => levelsPerUnit(grid) === 1);
  const { samples } = scene.dataset;
  if (layer === undefined || !isPlain || samples.length < picturesAtLeast) return program;
  const [features = ""] = layer.inputs;
  const fit = await fitOf(program, features, scene);
  if (fit === undefined) return program;
  const graph = withAffineInput(program.mapping.graph, layer, fit.solve(ridge));
  return { ...program, mapping: { ...program.mapping, graph } };
}

/** Operators that a factor and an offset per channel pass through. */
const passing: ReadonlySet<Op> = new Set<Op>([
  ...(["scale", "globalAvgPool", "flatten", "reshape", "dropout", "identity"] as const),
]);

type Linear = Node<"linear"> | Node<"conv">;

/** The first linear layer, where only such operators stand between the chip's one output and it. */
function firstLinear({ mapping: { graph, chip } }: ChipProgram): Linear | undefined {
  const [output, ...others] = chip.outputs;
  if (output === undefined || others.length > 0) return undefined;
  const onChip = new Set(chip.nodes);
  let id = output;
  let reader = soleReader(graph, id, onChip);
  while (reader !== undefined && passing.has(reader.op)) {
    id = reader.id;
    reader = soleReader(graph, id, onChip);
  }
  // One pixel: then a feature is a channel.
  const isVector = elementCount((inferTypes(graph).get(id)?.shape ?? []).slice(2)) === 1;
  const isLinear = reader?.op === "linear" || (reader?.op === "conv" && reader.attrs.groups === 1);
  return isVector && isLinear ? (reader as Linear) : undefined;
}

function soleReader(graph: Graph, id: string, onChip: ReadonlySet<string>): Node | undefined {
  const readers = graph.nodes.filter((node) => !onChip.has(node.id) && node.inputs.includes(id));
  return readers.length === 1 ? readers[0] : undefined;
}

async function fitOf(
  program: ChipProgram,
  features: string,
  scene: HostScene,
): Promise<AffineFit | undefined> {
  const float = { ...scene.float, outputs: [{ name: features, id: features }] };
  const wanted = await vectorsOf(float, features, scene.preprocess, scene);
  // The chip takes the picture's bytes: only its geometry is left of the preprocessing.
  const { mean, scale, std } = defaultPreprocess;
  const bytes = { ...scene.preprocess, mean, scale, std };
  const given = await vectorsOf(simulated(program, features), features, bytes, scene);
  const [first] = wanted;
  if (first === undefined || first.length !== given[0]?.length) return undefined;
  const fit = new AffineFit(first.length);
  for (const [at, vector] of wanted.entries()) fit.add(given[at] ?? [], vector);
  return fit;
}

/** The chip's simulation with the host behind it, up to one value. */
function simulated({ mapping, integer }: ChipProgram, id: string): Graph {
  const { lowered } = simulationOfIntegers(integer);
  const own = new Set(lowered.nodes.map((node) => node.id));
  const host = chipPart(mapping).after?.nodes ?? [];
  const nodes = [...lowered.nodes, ...host.filter((node) => !own.has(node.id))];
  return { ...lowered, nodes, outputs: [{ name: id, id }] };
}

async function vectorsOf(
  graph: Graph,
  id: string,
  preprocess: Preprocess,
  { dataset, runtime, onProgress }: HostScene,
): Promise<readonly Float32Array[]> {
  const session = await openSession(withPictureInput(graph, preprocess), runtime);
  const vectors: Float32Array[] = [];
  try {
    const [inputId = ""] = session.inputs;
    const size = pictureSize(graph);
    for await (const { images } of batches(dataset, preprocess, size, { batch: 1, readAhead: 2 })) {
      const value = (await session.run(new Map([[inputId, images]]))).get(id);
      if (value?.dtype === "float32") vectors.push(value.data.slice());
      onProgress?.({ label: "host features", done: vectors.length, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return vectors;
}

type Affine = { readonly factors: Float64Array; readonly offsets: Float64Array };

/** The graph where the layer reads `factor * x + offset`: `W' = W * factor`, `b' = b + W * offset`. */
function withAffineInput(graph: Graph, layer: Linear, { factors, offsets }: Affine): Graph {
  const nodes = nodeMap(graph);
  const [weightId = "", biasId = ""] = layer.inputs.slice(1);
  const [weight, bias] = [constantOf(nodes.get(weightId)), constantOf(nodes.get(biasId))];
  if (weight?.dtype !== "float32" || (bias !== undefined && bias.dtype !== "float32")) return graph;
  const rows = weight.shape[0] ?? 1;
  const width = factors.length;
  if (weight.data.length !== rows * width || bias === undefined) return graph;
  const scaled = weight.data.map((w, at) => w * (factors[at % width] ?? 1));
  const moved = Float32Array.from(toNumbers(bias), (b, row) => {
    let sum = b;
    for (let at = 0; at < width; at += 1) {
      sum += (weight.data[row * width + at] ?? 0) * (offsets[at] ?? 0);
    }
    return sum;
  });
  const replaced = new Map([
    [weightId, float32(weight.shape, scaled)],
    [biasId, float32(bias.shape, moved)],
  ]);
  return withConstants(graph, replaced);
}
