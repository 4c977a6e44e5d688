/**
 * The demo as text: what was trained, how good each of its forms is, and where they lie.
 */
import { formatSeconds, harmless } from "./format.ts";
import type { DemoReport } from "./reports.ts";
import type { Style } from "./table.ts";
import { finetuneText } from "./text-finetune.ts";
import { accuracyText, section, warningsText } from "./text-sections.ts";

export function demoText(report: DemoReport, style: Style): string {
  const { finetune, out, seconds } = report;
  const steps = { ...finetune, accuracy: null, bitMatch: null, convert: null, warnings: [] };
  const title = `Written to ${harmless(out)}, all in ${formatSeconds(seconds)}`;
  return [
    finetuneText(steps, style),
    section("Accuracy (top-1, test pictures)", accuracyLines(report, style), style),
    section(title, fileLines(report), style),
    warningsText(report.warnings, style),
  ].join("");
}

function accuracyLines({ finetune, untuned, int8 }: DemoReport, style: Style): readonly string[] {
  const { accuracy, bitMatch, convert, target } = finetune;
  if (accuracy === null || convert === null) return [];
  const { float, trained, simulated, samples, differing } = accuracy;
  const bits = [...new Set(convert.layers.map(({ coefficientBits }) => coefficientBits))];
  const chip = `${harmless(target)}, ${bits.join(" and ")} bits`;
  const [before, integers] = [untuned.accuracy, int8.quantize?.accuracy ?? null];
  const rows = [
    ["float", accuracyText(float, samples)],
    [
      "int8, quantized after training",
      integers && accuracyText(integers.quantized, integers.samples),
    ],
    [`${chip}, quantized after training`, before && accuracyText(before.simulated, before.samples)],
    [`${chip}, trained in all steps`, accuracyText(trained, samples)],
    ["the same, simulated from its file", style("strong", accuracyText(simulated, samples))],
  ] as const;
  const width = Math.max(...rows.map(([what]) => what.length));
  const lines = rows.map(([what, text]) => `${what.padEnd(width)}  ${text ?? "-"}`);
  const { matches = 0, pictures = 0 } = bitMatch ?? {};
  const isSame = differing === 0 && matches === pictures;
  const proof = `simulated against trained: ${differing} of ${samples} pictures differ in their class, ${matches} of ${pictures} match bit for bit`;
  return [...lines, style(isSame ? "good" : "bad", proof)];
}

function fileLines({ finetune }: DemoReport): readonly string[] {
  const modelFile = harmless(finetune.convert?.modelFile ?? "");
  const rows = [
    ["train.bin, test.bin", "the pictures, as CIFAR-10's; batches.meta.txt has the classes"],
    ["network.prototxt", "the network as it began"],
    ["network.onnx", "the float network, trained"],
    ["tuned/", `after all steps, for the chip: ${modelFile} and its other files`],
    ["untuned/", "the float network quantized for the chip"],
    ["quantized/", "the float network as int8: quantized.onnx, report.html"],
  ] as const;
  return rows.map(([name, what]) => `${name.padEnd(19)}  ${what}`);
}
