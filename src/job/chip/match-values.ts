/**
 * Levels of the chips against those of the reference: which values are compared, and where they first differ.
 */
import { nodeMap } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { BitMatchDifference, BitMatchLayer, BitMatchPicture } from "../../report/bit-match.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AccumulatorOptions } from "../options.ts";
import type { ChipModel } from "./chip-model.ts";
import type { ChipSublayer } from "./chip-sublayers.ts";
import { explainDifference, type Position, type SideValues } from "./explain-difference.ts";
import type { OutputMode } from "./output-modes.ts";
import type { LevelGrid, Reference, ReferenceSublayer } from "./reference-network.ts";
import { type BothValues, type TwoNetworks, tensorOf, type WantedValues } from "./two-runs.ts";

/** A value of the chips and its counterpart. */
export type ValuePair = {
  readonly chips: string;
  readonly reference: string;
  readonly step: number;
};

/**
 * What the chips give to the host, pooled where they pool. A value that the reference does not have under its name is
 * compared before pooling.
 */
export function lastValues(
  { chips }: ChipModel,
  sublayers: readonly ChipSublayer[],
  reference: Reference,
): readonly ValuePair[] {
  const pairs = chips.flatMap(({ graph, meta }): readonly ValuePair[] => {
    const types = inferTypes(graph);
    const last = sublayers.findLast(({ chip }) => chip === meta.chip);
    return meta.outputs.flatMap(({ id }): readonly ValuePair[] => {
      const [own, other] = [types.get(id), reference.types.get(id)];
      const grid = reference.levelsOf(id);
      const isKnown =
        own !== undefined &&
        other !== undefined &&
        sameShape(own.shape.slice(1), other.shape.slice(1));
      if (isKnown && grid !== undefined) return [{ chips: id, reference: id, step: grid.step }];
      return last === undefined ? [] : [pairOf(last, reference)];
    });
  });
  const end = sublayers.at(-1);
  return pairs.length > 0 || end === undefined ? pairs : [pairOf(end, reference)];
}

function pairOf({ conv, node }: ChipSublayer, reference: Reference): ValuePair {
  const own = referenceOf(conv, reference);
  return { chips: node.id, reference: own.output, step: own.step };
}

function referenceOf(conv: string, { sublayers }: Reference): ReferenceSublayer {
  const own = sublayers.get(conv);
  if (own === undefined) throw new Error(`no counterpart of ${conv}`);
  return own;
}

/** Real values as levels: of the picture `at` in a batch of `count`. */
function levelsOf(tensor: Tensor, step: number, at: number, count: number): Float64Array {
  const size = tensor.data.length / count;
  const levels = new Float64Array(size);
  for (let index = 0; index < size; index += 1) {
    levels[index] = Math.round(Number(tensor.data[at * size + index]) / step);
  }
  return levels;
}

/** The last values of each picture of a batch. */
export function matchPictures(
  { names, chips, reference }: BothValues,
  pairs: readonly ValuePair[],
): readonly BitMatchPicture[] {
  return names.map((name, at) => {
    let [values, equalValues] = [0, 0];
    for (const pair of pairs) {
      const got = levelsOf(tensorOf(chips, pair.chips), 1, at, names.length);
      const wanted = levelsOf(tensorOf(reference, pair.reference), pair.step, at, names.length);
      values += got.length;
      equalValues += countEqual(wanted, got);
    }
    return { name, isEqual: equalValues === values, values, equalValues };
  });
}

function countEqual(wanted: ArrayLike<number>, got: ArrayLike<number>): number {
  let equal = 0;
  for (let at = 0; at < wanted.length; at += 1) if (wanted[at] === got[at]) equal += 1;
  return equal;
}

/** All that the comparison of one picture reads, of both. */
export function layerValues(
  { chips }: TwoNetworks,
  sublayers: readonly ChipSublayer[],
  reference: Reference,
): WantedValues {
  const nodes = nodeMap(chips);
  return {
    chips: sublayers.flatMap(({ node }) => {
      const [input = "", , , identity] = nodes.get(node.id)?.inputs ?? [];
      return [node.id, input, ...(identity === undefined ? [] : [identity])];
    }),
    reference: sublayers.flatMap(({ conv }) => {
      const own = referenceOf(conv, reference);
      const added = own.identity === undefined ? [] : [own.identity.id];
      return [own.output, own.conv.inputs[0] ?? "", ...added];
    }),
  };
}

export type MatchedLayer = {
  readonly sublayer: ChipSublayer;
  readonly expected: Float64Array;
  readonly simulated: Float64Array;
  /** The simulated levels, or those of a dump; undefined where there is none. */
  readonly got: ArrayLike<number> | undefined;
};

/** The sublayers of one picture; `dumps` has levels in place of the simulation's. */
export function matchLayers(
  values: BothValues,
  sublayers: readonly ChipSublayer[],
  reference: Reference,
  dumps: ReadonlyMap<string, Uint8Array> | undefined,
): readonly MatchedLayer[] {
  return sublayers.map((sublayer) => {
    const { output, step } = referenceOf(sublayer.conv, reference);
    const simulated = levelsOf(tensorOf(values.chips, sublayer.node.id), 1, 0, 1);
    return {
      sublayer,
      expected: levelsOf(tensorOf(values.reference, output), step, 0, 1),
      simulated,
      got: dumps === undefined ? simulated : dumps.get(sublayer.conv),
    };
  });
}

/** Null for the places of networks without major layers. */
function placeOf({ chip, major, sublayer }: ChipSublayer) {
  return major === 0 ? { chip, major: null, sublayer: null } : { chip, major, sublayer };
}

export function layerReport(
  { sublayer, expected, got }: MatchedLayer,
  modes: ReadonlyMap<string, OutputMode>,
): BitMatchLayer {
  return {
    name: sublayer.conv,
    ...placeOf(sublayer),
    values: expected.length,
    equalValues: got === undefined ? null : countEqual(expected, got),
    output: modes.get(sublayer.conv) ?? null,
  };
}

type Scene = {
  readonly values: BothValues;
  readonly networks: TwoNetworks;
  readonly reference: Reference;
  readonly accumulator: AccumulatorOptions | undefined;
};

/** The first value that differs, in the order of the network, and the sums behind it; null where all agree. */
export function firstDifference(
  layers: readonly MatchedLayer[],
  scene: Scene,
): BitMatchDifference | null {
  const at = layers.findIndex(
    ({ expected, got }) => got !== undefined && countEqual(expected, got) < expected.length,
  );
  const layer = layers[at];
  if (layer?.got === undefined) return null;
  const { got } = layer;
  const first = layer.expected.findIndex((level, index) => level !== got[index]);
  const [, rows, columns] = layer.sublayer.shape;
  const position: Position = [
    Math.floor(first / (rows * columns)),
    Math.floor(first / columns) % rows,
    first % columns,
  ];
  const before = layers.slice(0, at);
  const isFirst = before.every(
    ({ got: earlier, expected, simulated }) =>
      earlier !== undefined && countEqual(expected, simulated) === expected.length,
  );
  const value = {
    position,
    expected: layer.expected[first] ?? 0,
    got: got[first] ?? 0,
    simulated: layer.simulated[first] ?? 0,
  };
  const [channel, row, column] = position;
  return {
    layer: layer.sublayer.conv,
    ...placeOf(layer.sublayer),
    ...{ channel, row, column },
    ...{ expected: value.expected, got: value.got, simulated: value.simulated },
    ...explainDifference(aroundLayer(layer.sublayer, scene, isFirst), value),
  };
}

/** What goes into a layer on both sides. */
function aroundLayer(
  chip: ChipSublayer,
  { values, networks, reference, accumulator }: Scene,
  isFirst: boolean,
) {
  const own = referenceOf(chip.conv, reference);
  const [input = "", , , identity] = nodeMap(networks.chips).get(chip.node.id)?.inputs ?? [];
  const given = tensorOf(values.chips, input);
  const [inputId = ""] = own.conv.inputs;
  const [inputGrid, identityGrid] = [
    reference.levelsOf(inputId),
    own.identity && reference.levelsOf(own.identity.id),
  ];
  const read = (id: string, grid: LevelGrid | undefined): ArrayLike<number> => {
    const tensor = tensorOf(values.reference, id);
    return grid === undefined ? numbersOf(tensor) : levelsOf(tensor, grid.step, 0, 1);
  };
  const expected: SideValues = {
    input: read(inputId, inputGrid),
    identity: own.identity && read(own.identity.id, identityGrid),
  };
  const got: SideValues = {
    input: numbersOf(given),
    identity: identity === undefined ? undefined : numbersOf(tensorOf(values.chips, identity)),
  };
  return {
    ...{ chip, reference: own, expected, got, accumulator, isFirst },
    inputShape: given.shape.slice(1),
    steps: {
      input: inputGrid?.step ?? 1,
      identity: identityGrid?.step ?? 1,
      startCap: (identityGrid?.step ?? 1) * (identityGrid?.top ?? 1),
    },
    addsLevels: identityGrid !== undefined,
  };
}

function numbersOf({ data }: Tensor): Float64Array {
  return Float64Array.from(data as ArrayLike<number>);
}
