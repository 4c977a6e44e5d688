/**
 * The chip part as an integer graph: what the chip computes from a picture (or from the host's values) to the levels
 * that leave it. Each value keeps the id of the activation, pooling or upsampling that gives it.
 */
import { inputError } from "../../../error.ts";
import { describe, freshId, type Graph, nodeMap, sweep } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { chipPart } from "../map/chip-part.ts";
import type { ChipConvolution, ChipMapping } from "../map/mapping.ts";
import { layerIntegers, type ProgramLayer } from "./convert.ts";
import { type ActivationGrid, largestLevel, levelsPerUnit } from "./units.ts";

/** How values enter: 8-bit pixels that the chip reduces, or the host's values, `step` of which are one level. */
export type ChipEntry =
  | { readonly kind: "picture"; readonly from: number; readonly to: number }
  | { readonly kind: "host"; readonly step: number; readonly qMax: number };

/** What is known of the chip's activations: their grids, by id. */
export type Grids = ReadonlyMap<string, Pick<ActivationGrid, "bits" | "chipCap" | "cap">>;

/** The integer graph of a refined network's chip part. Its input has the id of the value that enters the chip. */
export function integerGraph(
  mapping: ChipMapping,
  layers: ReadonlyMap<string, ProgramLayer>,
  grids: Grids,
  entry: ChipEntry,
): Graph {
  const part = chipPart(mapping).chip;
  const build = new IntegerBuilder(mapping, part, layers, grids);
  for (const node of part.nodes) build.add(node, entry);
  return sweep({ ...part, nodes: build.nodes, outputs: part.outputs });
}

class IntegerBuilder {
  readonly nodes: Node[] = [];
  readonly #taken: Set<string>;
  /** Chip convolutions by the id of their activation, and ids of those that are projections. */
  readonly #byActivation: ReadonlyMap<string, ChipConvolution>;
  readonly #projections: ReadonlySet<string>;
  readonly #source: ReadonlyMap<string, Node>;
  readonly #layers: ReadonlyMap<string, ProgramLayer>;
  readonly #grids: Grids;
  /** Where a value has another id in the integer graph. */
  readonly #alias: Map<string, string> = new Map<string, string>();

  constructor(
    { chip }: ChipMapping,
    part: Graph,
    layers: ReadonlyMap<string, ProgramLayer>,
    grids: Grids,
  ) {
    this.#taken = new Set(part.nodes.map(({ id }) => id));
    this.#byActivation = new Map(chip.convolutions.map((one) => [one.activation, one]));
    this.#projections = new Set(
      chip.convolutions.flatMap(({ shortcut }) => shortcut?.projection ?? []),
    );
    this.#source = nodeMap(part);
    this.#layers = layers;
    this.#grids = grids;
  }

  add(node: Node, entry: ChipEntry): void {
    if (node.op === "input") this.#entry(node, entry);
    else if (this.#byActivation.has(node.id)) this.#activation(node);
    else if (this.#projections.has(node.id)) this.#projection(node);
    else if (node.op === "avgPool") this.#average(node);
    else if (["maxPool", "resize", "zeroInsert", "slice"].includes(node.op)) {
      this.nodes.push({ ...node, inputs: node.inputs.map((id) => this.#value(id)) } as Node);
    }
    // Convolutions and sums are taken up by their activations, constants by the convolutions.
  }

  #value(id: string): string {
    return this.#alias.get(id) ?? id;
  }

  #fresh(base: string): string {
    const id = freshId(base, this.#taken);
    this.#taken.add(id);
    return id;
  }

  #entry(node: Node<"input">, entry: ChipEntry): void {
    const id = this.#fresh(`${node.id}.levels`);
    const { shape } = node.attrs;
    this.#alias.set(node.id, id);
    this.nodes.push({ ...node, attrs: { dtype: "float32", shape } });
    const inputs = [node.id];
    this.nodes.push(
      entry.kind === "picture"
        ? { op: "reduceBits", id, inputs, attrs: { from: entry.from, to: entry.to } }
        : { op: "toLevels", id, inputs, attrs: { step: entry.step, qMax: entry.qMax } },
    );
  }

  #constants(layer: ProgramLayer, id: string): readonly string[] {
    const { weight, bias } = layerIntegers(layer);
    const narrow = weight.every((value) => value >= -32768 && value <= 32767);
    const tensor: Tensor = narrow
      ? { dtype: "int16", shape: layer.shape, data: Int16Array.from(weight) }
      : { dtype: "int32", shape: layer.shape, data: weight };
    const ids = [this.#fresh(`${id}.weight`), this.#fresh(`${id}.bias`)];
    const [weightId = "", biasId = ""] = ids;
    this.nodes.push({ op: "const", id: weightId, inputs: [], attrs: { tensor } });
    const biases: Tensor = { dtype: "int32", shape: [bias.length], data: bias };
    this.nodes.push({ op: "const", id: biasId, inputs: [], attrs: { tensor: biases } });
    return ids;
  }

  #activation(node: Node): void {
    const conv = this.#byActivation.get(node.id);
    const layer = this.#layers.get(conv?.conv ?? "");
    const source = this.#source.get(conv?.conv ?? "");
    const grid = this.#grids.get(node.id);
    if (conv === undefined || layer === undefined || grid === undefined) return;
    if (source?.op !== "quantConv" && source?.op !== "conv") return;
    const { shortcut } = conv;
    const projected = this.#layers.get(shortcut?.projection ?? "");
    const identity = shortcut && this.#value(shortcut.projection ?? shortcut.start);
    const inputs = [this.#value(conv.input), ...this.#constants(layer, conv.conv)];
    const { stride, pads, dilation, groups } = source.attrs;
    this.nodes.push({
      op: "shiftConv",
      id: node.id,
      inputs: identity === undefined ? inputs : [...inputs, identity],
      attrs: {
        ...{ stride, pads, dilation, groups },
        shift: layer.shift - Math.log2(levelsPerUnit(grid)),
        identityShift: identity === undefined ? 0 : layer.shift - (projected?.shift ?? 0),
        output: { kind: "levels", qMin: 0, qMax: largestLevel(grid) },
      },
    });
  }

  /** The sum of a projection is not rounded: it is added as it stands. */
  #projection(node: Node): void {
    const layer = this.#layers.get(node.id);
    if (layer === undefined || (node.op !== "quantConv" && node.op !== "conv")) return;
    const { stride, pads, dilation, groups } = node.attrs;
    this.nodes.push({
      op: "shiftConv",
      id: node.id,
      inputs: [this.#value(node.inputs[0] ?? ""), ...this.#constants(layer, node.id)],
      attrs: {
        ...{ stride, pads, dilation, groups },
        shift: layer.shift,
        identityShift: 0,
        output: { kind: "accumulator" },
      },
    });
  }

  /** An average of levels, which no chip has: rounded as the int8 target does. */
  #average(node: Node<"avgPool">): void {
    const { countPad, ...window } = node.attrs;
    if (countPad && window.pads.some((pad) => pad > 0)) {
      throw inputError("an average that counts padding has no integer form", {
        node: describe(node),
        hint: "Keep it on the host: do not waive the rule `pooling`",
      });
    }
    const qMax = 31;
    this.nodes.push({
      op: "intAvgPool",
      id: node.id,
      inputs: [this.#value(node.inputs[0] ?? "")],
      attrs: { window, xZero: 0, multiplier: 1, output: { yZero: 0, qMin: 0, qMax } },
    });
  }
}
