/**
 * The text of docs/support.md, made from the readers' own tables, the lowering's and the int8 target's.
 */
import { int8 } from "../src/chips/int8/target.ts";
import { dataTypes } from "../src/formats/caffe/deploy.ts";
import { activationImporters } from "../src/formats/caffe/import-activation.ts";
import { kernelImporters } from "../src/formats/caffe/import-conv.ts";
import { normImporters } from "../src/formats/caffe/import-norm.ts";
import { poolImporters } from "../src/formats/caffe/import-pool.ts";
import { shapeImporters } from "../src/formats/caffe/import-shape.ts";
import { ssdImporters } from "../src/formats/caffe/import-ssd.ts";
import { refuseHost } from "../src/formats/onnx/lower-host.ts";
import { integerRules } from "../src/formats/onnx/lower-integer.ts";
import { needsFold } from "../src/formats/onnx/lower-quant-layers.ts";
import { loweringRules } from "../src/formats/onnx/lower-rules.ts";
import { elementwiseReadRules } from "../src/formats/onnx/read-elementwise.ts";
import { linearReadRules } from "../src/formats/onnx/read-linear.ts";
import { quantizeReadRules } from "../src/formats/onnx/read-quantize.ts";
import { resizeReadRules } from "../src/formats/onnx/read-resize.ts";
import { shapeReadRules } from "../src/formats/onnx/read-shape.ts";
import { windowReadRules } from "../src/formats/onnx/read-window.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Op } from "../src/ir/ops.ts";
import { caffeExamples, onnxExamples } from "./support-examples.ts";
import { caffeSketch, fateOf, onnxSketch } from "./support-sketch.ts";

/** Every Caffe layer type that has an importer. */
export const caffeTypes: readonly string[] = [
  ...[kernelImporters, poolImporters, activationImporters, normImporters, shapeImporters],
  ssdImporters,
].flatMap((importers) => Object.keys(importers));

/** Every ONNX operator that has a row in the table of operators. */
export const onnxTypes: readonly string[] = [
  ...[windowReadRules, linearReadRules, elementwiseReadRules, shapeReadRules],
  ...[resizeReadRules, quantizeReadRules],
].flatMap((rules) => Object.keys(rules));

type Row = readonly string[];

function table(head: Row, rows: readonly Row[]): string {
  const line = (row: Row): string => `| ${row.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const code = (name: string): string => `\`${name}\``;

function fateRows<T>(
  types: readonly string[],
  examples: Readonly<Record<string, Readonly<Record<string, T>>>>,
  read: (example: T) => Graph,
): readonly Row[] {
  return types.toSorted().flatMap((type): readonly Row[] => {
    const variants = Object.entries(examples[type] ?? {});
    return variants.map(([settings, example]) => {
      const fate = fateOf(read(example));
      const name = settings === "" ? code(type) : `${code(type)}, ${settings}`;
      return [name, fate.operators.map(code).join(", ") || "no operator", fate.int8];
    });
  });
}

function computedBy(op: string): string {
  if (op in integerRules) return "ONNX Runtime, lowered to exact float32";
  const rule: unknown = loweringRules[op as Op];
  if (rule === refuseHost) return "the scalar kernels, on the host";
  if (rule === needsFold) return "ONNX Runtime, as `conv`";
  return "ONNX Runtime";
}

/** Written by hand: what has no example, and why. */
export const withoutExample: Readonly<Record<string, string>> = {
  Parameter: "A blob of the caffemodel, read as a constant.",
  DetectionOutput: "Runs as the host operator `detectionOutput`; nothing stands behind it.",
  QuantizeLinear: "Read as `quantize`.",
  DequantizeLinear: "Read as `dequantize`.",
};

export function supportTable(): string {
  const structure = new Set(["input", "const", "opaque", "result"]);
  const operators = Object.keys(loweringRules)
    .filter((op) => !structure.has(op))
    .toSorted()
    .map((op) => [code(op), computedBy(op), int8.integerOperators.has(op as Op) ? "yes" : ""]);
  const notes = Object.entries(withoutExample).map(([type, note]) => `- ${code(type)}: ${note}`);
  return `# What is supported

Made from the code by \`test/support-table.test.ts\`; do not edit. To make it again:
\`npx vitest run test/support-table.test.ts -u\`.

Each row of the first two tables is an experiment: a small network with this operator between two
layers goes through the reader and the quantization plan, and the row says what became of it.

- "read as" names operators of the table in \`src/ir/ops.ts\`.
- "integers" means that the int8 target computes it in integers, "float" that it stays in float
  between them, "folded away" that the canonical form does not have it any more.

Settings matter. An ONNX operator whose settings do not fit the table exactly is read as \`opaque\`:
ONNX Runtime runs it in float, and a warning names it. A Caffe layer that does not fit is an error.

What a GTI chip takes depends on the network around a layer: \`inlay check\` says it ([gti.md](gti.md)).
\`QuantConvolution\` and \`QuantReLU\` are float layers to the int8 target, rounded as the GTI kit rounds
them; \`quantConv\`, \`quantRelu\`, \`reduceBits\`, \`toLevels\`, \`shiftConv\` and \`zeroInsert\` are the chips'
own operators.

## Caffe layers

${table(["layer", "read as", "with target int8"], fateRows(caffeTypes, caffeExamples, caffeSketch))}

These become inputs: ${[...dataTypes].toSorted().map(code).join(", ")}.

Softmax and sigmoid losses become the activation in them; other losses and measures are left out, and so are \`Silence\`
and what only training needs. Any other layer type is an error that names it.

## ONNX operators

${table(["operator", "read as", "with target int8"], fateRows(onnxTypes, onnxExamples, onnxSketch))}

Operators of constants only (shape arithmetic of exporters) are computed while reading. All other
operators that ONNX Runtime knows are read as \`opaque\`.

## Without a row above

${notes.join("\n")}

## The operator table

${table(["operator", "computed by", "integer form in int8"], operators)}

An operator has its integer form only where its inputs allow it: \`conv\` and \`linear\` need constant
weights, \`add\` two values of one shape, \`relu\` a slope of 0, \`avgPool\` a divisor that counts no
padding. What stands behind the last convolution or fully connected layer stays in float.
`;
}
