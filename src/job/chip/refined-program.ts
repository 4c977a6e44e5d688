/**
 * From a network that was trained and refined with the vendor's kit (QuantConvolution, QuantReLU, caps of the chip) to
 * what the chip holds. Float networks are quantized by chip-quantize.node.ts.
 */

import { capGroups, levelSource } from "../../chips/gti/map/cap-groups.ts";
import type { ChipConvolution, ChipMapping } from "../../chips/gti/map/mapping.ts";
import { untiedGroups } from "../../chips/gti/program/caps.ts";
import { convertLayers, type ProgramLayer, withLayers } from "../../chips/gti/program/convert.ts";
import { type ChipEntry, integerGraph } from "../../chips/gti/program/integer-graph.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";
import { type ActivationGrid, activationGrid } from "../../chips/gti/program/units.ts";
import { inputError } from "../../error.ts";
import { constantOf, describe, freshId, type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import type { OnWarning } from "../../notice.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import { float32 } from "../../tensor/tensor.ts";
import { editedProgram } from "./edit-gains.ts";

export type RefinedOptions = {
  readonly target: LayeredTarget;
  readonly activationBitMode: 0 | 1 | 2;
  readonly shiftMax?: number | undefined;
  /** Brings caps to the chip's: for networks that the refining script never saw. */
  readonly editGain: boolean;
  /** The network was trained on pictures of 0..255 times this. */
  readonly inputScale: number;
  readonly likeMdk: boolean;
  readonly onWarning?: OnWarning | undefined;
};

/** The program of a mapped deploy network. Input errors name the layer that is not as the kit leaves it. */
export function refinedProgram(mapping: ChipMapping, options: RefinedOptions): ChipProgram {
  const { target, editGain } = options;
  const activations = trainedActivations(mapping);
  const caps = new Map([...activations].map(([id, { cap }]) => [id, cap]));
  checkWidths(mapping, activations, options);
  checkTies(mapping, caps, options.onWarning);
  const layers = convertLayers(mapping, target, options);
  if (editGain) return withEditedGains(mapping, layers, caps, options);
  checkCaps(mapping, activations);
  const grids = new Map(
    [...activations].map(([id, { cap, bits }]) => [id, { cap, bits, chipCap: cap }]),
  );
  return programOf(mapping, layers, grids, target);
}

function programOf(
  mapping: ChipMapping,
  layers: ReadonlyMap<string, ProgramLayer>,
  grids: ReadonlyMap<string, ActivationGrid>,
  target: LayeredTarget,
): ChipProgram {
  const entry = entryOf(mapping, target);
  const integer = integerGraph(mapping, layers, grids, entry);
  return { target, mapping, layers, grids, entry, integer };
}

/** The host's values enter as they are, in the chip's units. */
function entryOf({ graph, chip }: ChipMapping, { inputBits }: LayeredTarget): ChipEntry {
  const isPicture = nodeMap(graph).get(chip.inputs[0] ?? "")?.op === "input";
  if (isPicture) return { kind: "picture", ...inputBits };
  return { kind: "host", step: 1, qMax: 2 ** inputBits.to - 1 };
}

type Trained = { readonly cap: number; readonly bits: 5 | 10 };

/** Cap and width of every activation of the chip, by id. */
function trainedActivations({ graph, chip }: ChipMapping): ReadonlyMap<string, Trained> {
  const nodes = nodeMap(graph);
  return new Map(
    chip.convolutions.map((one) => {
      const node = nodes.get(one.activation);
      const conv = nodes.get(one.conv);
      if (conv?.op !== "quantConv") throw untrained(conv, one.conv, "QuantConvolution");
      if (node?.op !== "quantRelu" || !node.attrs.quantized) {
        throw untrained(node, one.activation, "QuantReLU with quant_enable");
      }
      return [node.id, trained(node, nodes)];
    }),
  );
}

function untrained(node: Node | undefined, id: string, expected: string): Error {
  return inputError("the layer is not as the kit's training leaves it", {
    node: node === undefined ? `"${id}"` : describe(node),
    expected,
    hint: "Float networks are quantized: inlay quantize --target gti2803 (or gti2801, gti5801)",
  });
}

function trained(node: Node<"quantRelu">, nodes: ReadonlyMap<string, Node>): Trained {
  const cap = constantOf(nodes.get(node.inputs[1] ?? ""));
  const [value] = cap?.dtype === "float32" ? cap.data : [];
  if (value === undefined || !(value > 0 && value < Number.POSITIVE_INFINITY)) {
    throw inputError("the cap of an activation must be above 0", {
      node: describe(node),
      got: `${value}`,
      hint: "Calibrate the network first",
    });
  }
  const { bits } = node.attrs;
  if (bits === 5 || bits === 10) return { cap: value, bits };
  throw inputError("the chip has no activations of this width", {
    node: describe(node),
    expected: "act_bits 5 or 10",
    got: `${bits}`,
  });
}

/** Widths that the network JSON and the layers must agree on. */
function checkWidths(
  mapping: ChipMapping,
  activations: ReadonlyMap<string, Trained>,
  { activationBitMode }: RefinedOptions,
): void {
  const { convolutions } = mapping.chip;
  for (const [at, { activation }] of convolutions.entries()) {
    const isLast = at === convolutions.length - 1;
    const wanted = activationGrid(1, activationBitMode, isLast).bits;
    const found = activations.get(activation)?.bits;
    if (found === wanted) continue;
    throw inputError("the network JSON says another width of activations than the network", {
      node: `"${activation}"`,
      expected: `act_bits ${wanted} (ActivationBitMode ${activationBitMode})`,
      got: `act_bits ${found}`,
    });
  }
}

function checkCaps(mapping: ChipMapping, activations: ReadonlyMap<string, Trained>): void {
  for (const { activation } of mapping.chip.convolutions) {
    const { cap, bits } = activations.get(activation) ?? { cap: 0, bits: 5 };
    const allowed = bits === 5 ? [31] : [1023, 1023 / 32];
    if (allowed.includes(cap)) continue;
    throw inputError("the network is not refined: the cap is not the chip's", {
      node: `"${activation}"`,
      expected: allowed.join(" or "),
      got: `${cap}`,
      hint: "Refine the network first, or convert with --edit_gain=true",
    });
  }
}

/** An identity goes into the sum as it stands: its scale must be that of the sum. */
function checkTies(
  mapping: ChipMapping,
  caps: ReadonlyMap<string, number>,
  onWarning: OnWarning | undefined,
): void {
  for (const { group, caps: found } of untiedGroups(caps, capGroups(mapping))) {
    onWarning?.({
      id: "untied-caps",
      message: `a shortcut ties ${group.join(", ")}, but their caps are ${found.join(", ")}: the sum is wrong`,
    });
  }
}

function withEditedGains(
  mapping: ChipMapping,
  layers: ReadonlyMap<string, ProgramLayer>,
  caps: ReadonlyMap<string, number>,
  { target, activationBitMode, shiftMax, inputScale, likeMdk }: RefinedOptions,
): ChipProgram {
  const options = { caps, activationBitMode, inputScale, likeMdk };
  const edited = editedProgram(mapping, layers, target, {
    ...options,
    shiftMax: shiftMax ?? target.shiftMax,
  });
  const bitsOf = (at: number): 5 | 10 =>
    activationGrid(1, activationBitMode, at === mapping.chip.convolutions.length - 1).bits;
  const grids = new Map(
    mapping.chip.convolutions.map(({ activation }: ChipConvolution, at) => {
      const cap = caps.get(activation) ?? 1;
      const bits = bitsOf(at);
      return [activation, { cap, bits, chipCap: edited.chipCaps.get(activation) ?? 31 }];
    }),
  );
  const rounded = withLayers(mapping.graph, edited.layers);
  const graph = withRealOutputs(withCaps(rounded, grids), mapping, grids);
  return programOf({ ...mapping, graph }, edited.layers, grids, target);
}

type Grids = ReadonlyMap<string, ActivationGrid>;

/** The activations with the chip's caps. */
function withCaps(graph: Graph, grids: Grids): Graph {
  const taken = new Set(nodeMap(graph).keys());
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const grid = grids.get(node.id);
    if (node.op !== "quantRelu" || grid === undefined) return [node];
    const cap = freshId(`${node.id}.chip-cap`, taken);
    taken.add(cap);
    const tensor = float32([1], [grid.chipCap]);
    return [
      { op: "const", id: cap, inputs: [], attrs: { tensor } },
      { ...node, inputs: [node.inputs[0] ?? "", cap] },
    ];
  });
  return { ...graph, nodes };
}

/** The host multiplies what the chip gives by its unit, since its layers were trained on real values. */
function withRealOutputs(graph: Graph, mapping: ChipMapping, grids: Grids): Graph {
  const { chip } = mapping;
  const types = inferTypes(graph);
  const taken = new Set(nodeMap(graph).keys());
  const onChip = new Set(chip.nodes);
  const source = levelSource(mapping);
  const real = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const inputs = node.inputs.map((id) => (onChip.has(node.id) ? id : (real.get(id) ?? id)));
    const moved = { ...node, inputs };
    const grid = chip.outputs.includes(node.id) ? grids.get(source(node.id)) : undefined;
    if (grid === undefined) return [moved];
    const [, channels = 1] = types.get(node.id)?.shape ?? [];
    const factor = freshId(`${node.id}.unit`, taken);
    const id = freshId(`${node.id}.real`, taken);
    taken.add(factor).add(id);
    real.set(node.id, id);
    const units = new Float32Array(channels).fill(grid.cap / grid.chipCap);
    const tensor = float32([channels], units);
    return [
      moved,
      { op: "const", id: factor, inputs: [], attrs: { tensor } },
      { op: "scale", id, inputs: [node.id, factor], attrs: { axis: 1 } },
    ];
  });
  const outputs = graph.outputs.map(({ name, id }) => ({ name, id: real.get(id) ?? id }));
  return { ...graph, nodes, outputs };
}
