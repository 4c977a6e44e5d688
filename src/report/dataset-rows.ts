/**
 * The figures and rows of a data set's report, shared by its text and its page.
 */
import type { DatasetShowReport, LabelCount } from "./dataset.ts";
import { formatPercent } from "./format.ts";

/** One fact: its name, its value, a remark. */
export type DatasetFact = { readonly name: string; readonly big: string; readonly more: string };

export function factsOf(report: DatasetShowReport): readonly DatasetFact[] {
  const { samples, labelled, labels, looked, mean, std } = report;
  const classes = labels.filter(({ label }) => label !== null);
  const seen = looked === samples ? "all were looked at" : `${looked} looked at, evenly spread`;
  const moments =
    mean === null || std === null
      ? []
      : [{ name: "mean", big: valuesText(mean), more: `deviation ${valuesText(std)}` }];
  return [
    { name: "samples", big: `${samples}`, more: seen },
    { name: "labels", big: `${classes.length}`, more: labelsText(classes, samples - labelled) },
    ...moments,
  ];
}

/** Of one to three channels: `125.3, 123.0, 113.9`. */
export function valuesText(values: readonly number[]): string {
  return values.map((value) => value.toFixed(1)).join(", ");
}

function labelsText(classes: readonly LabelCount[], bare: number): string {
  const missing = bare === 0 ? "" : `${bare} samples without a label`;
  if (classes.length === 0) return missing;
  const counts = classes.map(({ count }) => count);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const each = least === most ? `${least} samples each` : `${least} to ${most} samples each`;
  return missing === "" ? each : `${each}; ${missing}`;
}

/** label, class, samples, share */
export function labelRows({ labels, samples }: DatasetShowReport): readonly (readonly string[])[] {
  return labels.map(({ label, name, count }) => [
    label === null ? "none" : `${label}`,
    name ?? "",
    `${count}`,
    formatPercent((100 * count) / samples),
  ]);
}

/** size, channels, pictures */
export function sizeRows({ sizes }: DatasetShowReport): readonly (readonly string[])[] {
  return sizes.map(({ width, height, channels, count }) => [
    `${width}x${height}`,
    channels === 1 ? "gray" : "colour",
    `${count}`,
  ]);
}
