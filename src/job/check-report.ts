/**
 * The report of a check from what was found: plain data, names and numbers alone.
 */
import type { CascadePlan } from "../chips/gti/cascade.ts";
import type { LayoutDifference } from "../chips/gti/compare-layouts.ts";
import type { Layout, MajorLayer } from "../chips/gti/layout.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { type MemoryTable, memoryTable } from "../chips/gti/memory.ts";
import { nodeMap } from "../ir/graph.ts";
import type { CheckChip, CheckMajorLayer, CheckReport, CheckSublayer } from "../report/check.ts";
import type { LayeredTarget, RuleName, Violation } from "../target/layered-target.ts";
import type { CascadeFinding } from "./check-findings.ts";
import type { ChipChoices } from "./chip-choices.ts";

type CheckResults = {
  readonly model: string;
  readonly source: readonly string[];
  readonly target: LayeredTarget;
  readonly choices: ChipChoices;
  readonly waive: readonly RuleName[];
  readonly mapping: ChipMapping;
  /** With the outputs that are asked for. */
  readonly layout: Layout | undefined;
  readonly violations: readonly Violation[];
  readonly cascade: CascadeFinding;
  /** Differences are undefined where there is no layout. */
  readonly network:
    | { readonly file: string; readonly differences: readonly LayoutDifference[] | undefined }
    | undefined;
  readonly warnings: CheckReport["warnings"];
};

export function checkReport(results: CheckResults): CheckReport {
  const { model, source, target, choices, waive, mapping, layout, violations, cascade } = results;
  const table = layout && memoryTable(layout, target);
  const { bitsFrom, bitsNote, activationBits, lastTenBits, chips } = choices;
  const nodes = nodeMap(mapping.graph);
  return {
    schema: "inlay.check/1",
    model,
    source,
    target: target.name,
    verdict: verdictOf(results),
    options: { bitsFrom, bitsNote, activationBits, lastTenBits, chips, waived: waive },
    convolutions: convolutionsOf(mapping),
    violations,
    host: mapping.host.map(({ node, why }) => ({
      name: node,
      op: nodes.get(node)?.op ?? "",
      why,
    })),
    chipInputs: mapping.chip.inputs,
    chipOutputs: mapping.chip.outputs,
    majorLayers: layout === undefined || table === undefined ? [] : majorsOf(layout, table),
    noLayout: mapping.noLayout ?? null,
    memory: table === undefined ? null : memoryOf(table),
    cascade: cascade.plan === undefined ? null : chipsOf(cascade.plan),
    noCascade: cascade.why ?? null,
    network: networkOf(results),
    warnings: results.warnings,
  };
}

/** Projections of shortcuts count where they run. */
function convolutionsOf({ graph, chip }: ChipMapping): CheckReport["convolutions"] {
  const all = graph.nodes.filter(({ op }) => op === "conv" || op === "quantConv");
  const onChip = new Set(chip.nodes);
  return { chip: all.filter(({ id }) => onChip.has(id)).length, all: all.length };
}

function verdictOf({ violations, mapping, network }: CheckResults): CheckReport["verdict"] {
  const contradicts = (network?.differences?.length ?? 0) > 0;
  const isBroken = violations.some(({ waived }) => !waived);
  if (isBroken || contradicts || mapping.chip.nodes.length === 0) return "does not fit";
  return violations.length > 0 ? "not deployable" : "fits";
}

function majorsOf({ majors }: Layout, { rows }: MemoryTable): readonly CheckMajorLayer[] {
  return majors.map((major, at) => {
    const own = rows.filter((row) => row.major === at + 1);
    const sublayers = major.sublayers.flatMap(({ output }, index): readonly CheckSublayer[] => {
      const row = own[index];
      return row === undefined ? [] : [sublayerOf(row, output)];
    });
    return {
      imageSize: major.imageSize,
      inputChannels: major.inputChannels,
      outputChannels: major.outputChannels,
      coefficientBits: major.coefficientBits,
      pooling: major.pooling ?? null,
      upsampling: major.upsampling ?? null,
      shortcutStarts: major.shortcutStarts,
      gives: givesOf(major),
      tenBits: major.tenBits,
      slots: own.reduce((sum, { slots }) => sum + slots, 0),
      largestVolume: own.reduce((most, { volume }) => Math.max(most, volume), 0),
      sublayers,
    };
  });
}

function givesOf({ learning, lastLayerOut }: MajorLayer): CheckMajorLayer["gives"] {
  if (learning) return "all sublayers";
  return lastLayerOut ? "the last sublayer" : null;
}

function sublayerOf(row: MemoryTable["rows"][number], output: string): CheckSublayer {
  return {
    name: row.conv,
    output,
    kind: row.kind,
    inputChannels: row.inputChannels,
    outputChannels: row.outputChannels,
    kernelsPerSlot: row.ratio,
    slots: row.slots,
    cumulativeSlots: row.cumulative,
    volume: row.volume,
  };
}

function memoryOf(table: MemoryTable): NonNullable<CheckReport["memory"]> {
  return {
    slots: table.slots,
    slotLimit: table.weightSlots,
    largestVolume: table.largestVolume,
    volumeLimit: table.activationVolume ?? null,
  };
}

function chipsOf({ chips }: CascadePlan): readonly CheckChip[] {
  return chips.map(({ layout: { majors }, slots }) => {
    const sublayers = majors.flatMap((major) => major.sublayers);
    return {
      first: sublayers[0]?.conv ?? "",
      last: sublayers.at(-1)?.conv ?? "",
      majorLayers: majors.length,
      sublayers: sublayers.length,
      slots,
    };
  });
}

function networkOf({ network }: CheckResults): CheckReport["network"] {
  if (network === undefined) return null;
  const differences = network.differences?.map(({ major, key, json, graph }) => ({
    major: major ?? null,
    key,
    json,
    network: graph,
  }));
  return { file: network.file, differences: differences ?? null };
}
