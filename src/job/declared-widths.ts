/**
 * Widths that a network's own layers declare, where they are not those that it is checked with: a network trained for
 * the chip says them in its prototxt.
 */
import type { Layout } from "../chips/gti/layout.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { type Graph, nodeMap } from "../ir/graph.ts";
import type { Warning } from "../notice.ts";
import type { CoefficientBits, LayeredTarget } from "../target/layered-target.ts";

/** Warnings that name the flags which check what the layers declare. */
export function declaredWidthWarnings(
  mapping: ChipMapping,
  target: LayeredTarget,
): readonly Warning[] {
  const { chip, graph, layout } = mapping;
  const declared = chip.convolutions.map(({ conv }) => bitsOf(conv, graph, target));
  const used = chip.convolutions.map(({ bits }) => bits);
  const known = declared.flatMap((bits) => bits ?? []);
  const isTold = known.length === used.length && known.some((bits, at) => bits !== used[at]);
  return [
    ...(isTold ? [warningOf("weights", `--bits ${flagOf(known, layout)}`)] : []),
    ...activationWarnings(mapping),
  ];
}

function warningOf(what: string, flag: string): Warning {
  return {
    id: "declared-width",
    message: `the layers on the chip declare ${what} of other widths: ${flag} checks those`,
  };
}

/** Undefined for a layer that declares none, or one that the target has not. */
function bitsOf(id: string, graph: Graph, target: LayeredTarget): CoefficientBits | undefined {
  const node = nodeMap(graph).get(id);
  if (node?.op !== "quantConv") return undefined;
  return target.weightModes.find(({ precision }) => precision === node.attrs.precision)?.bits;
}

/** `2`; `3,3,3,1,1` where each major layer has one width; else a number for each convolution. */
function flagOf(bits: readonly CoefficientBits[], layout: Layout | undefined): string {
  if (new Set(bits).size === 1) return `${bits[0]}`;
  const majors = layout?.majors ?? [];
  let from = 0;
  const perMajor = majors.map(({ sublayers }) => {
    const own = bits.slice(from, from + sublayers.length);
    from += sublayers.length;
    return [...new Set(own)];
  });
  const isPlain = from === bits.length && perMajor.every((own) => own.length === 1);
  return (isPlain ? perMajor.flat() : bits).join(",");
}

/** Quantized activations of 10 bits: of all layers, or of the last one. */
function activationWarnings({ chip, graph, layout }: ChipMapping): readonly Warning[] {
  const nodes = nodeMap(graph);
  const widths = chip.convolutions.flatMap(({ activation }) => {
    const node = nodes.get(activation);
    return node?.op === "quantRelu" && node.attrs.quantized ? [node.attrs.bits] : [];
  });
  const mode = layout?.activationBitMode;
  if (mode === undefined || widths.length === 0 || widths.length < chip.convolutions.length)
    return [];
  const isWide = widths.every((bits) => bits === 10);
  const isLast = !isWide && widths.at(-1) === 10;
  const declared = isWide ? 2 : isLast ? 1 : 0;
  if (declared === mode) return [];
  const flags = ["--activation-bits 5", "--last-ten-bits", "--activation-bits 10"] as const;
  return [warningOf("activations", flags[declared])];
}
