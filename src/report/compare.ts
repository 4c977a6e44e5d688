/**
 * The comparison report from its rows: which layers are worst, and where it first goes wrong.
 */
import type { CompareLayer, CompareReport } from "./reports.ts";

/**
 * The report of the rows in network order. Layers without an SQNR are neither worst nor below;
 * equally bad ones keep the network's order. Fields the rows cannot know pass through.
 */
export function compareReport(
  layers: readonly CompareLayer[],
  about: Pick<CompareReport, "model" | "images" | "samples" | "thresholdDb" | "warnings">,
): CompareReport {
  const measured = layers.flatMap(({ name, sqnrDb }) => (sqnrDb === null ? [] : { name, sqnrDb }));
  const first = measured.find((layer) => layer.sqnrDb < about.thresholdDb);
  return {
    schema: "inlay.compare/1",
    model: about.model,
    images: about.images,
    samples: about.samples,
    layers,
    worst: measured.toSorted((a, b) => a.sqnrDb - b.sqnrDb).map((layer) => layer.name),
    firstBelow: first === undefined ? null : { thresholdDb: about.thresholdDb, name: first.name },
    thresholdDb: about.thresholdDb,
    warnings: about.warnings,
  };
}
