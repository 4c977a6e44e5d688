/**
 * LABEL, the last operation of a classifier: the best classes with their names. The names' file is files/labels.ts.
 */
import { inputError, usageError } from "../../../error.ts";
import { type Label, labelsText } from "../files/labels.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import type { JsonFile } from "../json-text.ts";
import { countField, fieldError, textField } from "./layer-fields.ts";
import { sizeKeys } from "./map-size.ts";

const operation = "LABEL";

/** The operation that prints the `top` best classes, and its file. `labels` has one for each output of the last layer. */
export function labelLayer(
  labels: readonly Label[],
  top: number,
): { readonly layer: FullModelLayer; readonly file: JsonFile } {
  checkTop(top, labels.length);
  const file = { name: "labels.txt", text: labelsText(labels) };
  const size = sizeKeys({ channels: top, height: 1, width: 1 });
  const data = { "data file": file.name, "data offset": 0 };
  return { layer: { name: "label", operation, ...size, ...data }, file };
}

/** What the LABEL operation of a full model prints, and from which file; undefined where there is none. */
export function labelOf(
  layers: readonly FullModelLayer[],
): { readonly top: number; readonly dataFile: string } | undefined {
  const layer = layers.at(-1);
  if (layer?.operation !== operation) return undefined;
  const top = countField(layer, "output channels");
  if (top === undefined) throw fieldError(layer, "output channels", "how many to print");
  return { top, dataFile: textField(layer, "data file") };
}

/** What the vendor's runtime gives as JSON text. */
export type LabelResult = {
  readonly result: readonly { readonly label: string; readonly score: number }[];
};

/**
 * The `top` best classes, best first, as `ID NAME` and score; of equal scores the earlier class first. Scores 0.25,
 * 0.5, 0.25 of classes a, b, c, top 2: b, a. Throws where scores and labels differ in number, and for a score that
 * is not a number.
 */
export function printLabels(
  scores: ArrayLike<number>,
  labels: readonly Label[],
  top: number,
): LabelResult {
  checkTop(top, labels.length);
  if (scores.length !== labels.length) {
    throw inputError("scores and labels differ in number", {
      expected: `${labels.length} scores`,
      got: `${scores.length}`,
    });
  }
  const classes = labels.map(({ id, name }, at) => ({
    label: `${id} ${name}`,
    score: scores[at] ?? Number.NaN,
  }));
  const odd = classes.find(({ score }) => Number.isNaN(score));
  if (odd !== undefined)
    throw inputError("a score is not a number", { node: `label "${odd.label}"` });
  const byScore = classes.toSorted((a, b) => Number(b.score > a.score) - Number(b.score < a.score));
  return { result: byScore.slice(0, top) };
}

function checkTop(top: number, classes: number): void {
  if (Number.isInteger(top) && top >= 1 && top <= classes) return;
  throw usageError("the number of classes to print is out of range", {
    expected: classes < 1 ? "labels" : `1 to ${classes}`,
    got: `${top}`,
  });
}
