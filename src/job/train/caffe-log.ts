/**
 * The lines that Caffe's solver logs, word by word where scripts read them: `Iteration N`, `Train net output`,
 * `Test net output`, `lr =`, with glog's prefix, from which they take the time.
 */
import type { Displayed, NamedValue } from "../../train/train-loop.ts";

/** `printf("%g")`: six significant digits, exponents of at least two. */
export function formatG(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const exponent = value === 0 ? 0 : Number(value.toExponential(5).split("e")[1]);
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const [mantissa = "", power = ""] = value.toExponential(5).split("e");
  const digits = power.replace(/^[+-]/, "").padStart(2, "0");
  return `${Number(mantissa)}e${power.startsWith("-") ? "-" : "+"}${digits}`;
}

/** What a display is logged as. */
export function displayLines({
  iteration,
  loss,
  outputs,
  rate,
  iterations,
  seconds,
}: Displayed): readonly string[] {
  const speed =
    iterations > 0 && seconds > 0
      ? ` (${formatG(iterations / seconds)} iter/s, ${formatG(seconds)}s/${iterations} iters)`
      : "";
  return [
    `Iteration ${iteration}${speed}, loss = ${formatG(loss)}`,
    ...outputLines("Train", outputs),
    `Iteration ${iteration}, lr = ${formatG(rate)}`,
  ];
}

/** Before a test; `net` is the number of the test network. */
export function testLine(iteration: number, net: number): string {
  return `Iteration ${iteration}, Testing net (#${net})`;
}

/** What a test network gave. */
export function testLines(outputs: readonly NamedValue[]): readonly string[] {
  return outputLines("Test", outputs);
}

function outputLines(kind: "Train" | "Test", outputs: readonly NamedValue[]): readonly string[] {
  return outputs.map((one, at) => `    ${kind} net output #${at}: ${valueText(one)}`);
}

function valueText({ name, value, weight }: NamedValue): string {
  const weighted =
    weight === undefined ? "" : ` (* ${formatG(weight)} = ${formatG(weight * value)} loss)`;
  return `${name} = ${formatG(value)}${weighted}`;
}

/** What a run begins with: scripts take its time from "Solving". */
export function startLines(network: string, policy: string): readonly string[] {
  return [`Solving ${network}`, `Learning Rate Policy: ${policy}`];
}

/** The loss after the last iteration. */
export function finalLossLine(iteration: number, loss: number): string {
  return `Iteration ${iteration}, loss = ${formatG(loss)}`;
}

export function snapshotLines([model, solver]: readonly [string, string]): readonly string[] {
  return [
    `Snapshotting to binary proto file ${model}`,
    `Snapshotting solver state to binary proto file ${solver}`,
  ];
}

/** What a run ends with. */
export function endLines(stopped: boolean): readonly string[] {
  return stopped
    ? ["Optimization stopped early.", "Optimization Done."]
    : ["Optimization Done.", "Optimization Done."];
}

/** A batch of `caffe test`. */
export function batchLines(batch: number, outputs: readonly NamedValue[]): readonly string[] {
  return outputs.map(({ name, value }) => `Batch ${batch}, ${name} = ${formatG(value)}`);
}

/** The end of `caffe test`: the mean loss, and the mean outputs. */
export function meanLines(loss: number, outputs: readonly NamedValue[]): readonly string[] {
  return [`Loss: ${formatG(loss)}`, ...outputs.map(valueText)];
}

/** `I1127 22:33:01.123456  4711 solver.cpp:1] `: level, month and day, time, process, place. */
export function glogPrefix(time: Date, process: number, place = "solver.cpp"): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const date = `${two(time.getMonth() + 1)}${two(time.getDate())}`;
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  const micro = `${String(time.getMilliseconds()).padStart(3, "0")}000`;
  return `I${date} ${clock}.${micro} ${String(process).padStart(5)} ${place}:1] `;
}
