/**
 * What happens in a run, told three ways: as Caffe's log lines, as records, and as what the report shows. Lines and
 * records go out as they come; nothing here reads a clock or writes a file.
 */
import { finite } from "../../report/json.ts";
import type { CurvePoint, TrainOutput, TrainReport, TrainTest } from "../../report/train.ts";
import type { Displayed, NamedValue } from "../../train/train-loop.ts";
import {
  displayLines,
  endLines,
  finalLossLine,
  snapshotLines,
  startLines,
  testLine,
  testLines,
} from "./caffe-log.ts";
import type { RecordValues, RunRecord } from "./run-record.ts";

export type RunLogOptions = {
  readonly onLines: (lines: readonly string[]) => void;
  readonly onRecord: (record: RunRecord) => void;
  /** Records of the run before it was resumed. */
  readonly earlier: readonly RunRecord[];
  /** Of losses, for tests in earlier records. */
  readonly weights: ReadonlyMap<string, number>;
  /** Seconds since the run began. */
  readonly clock: () => number;
};

/** What a report takes from the log. */
type LoggedParts = Pick<TrainReport, "loss" | "outputs" | "tests" | "curve" | "snapshots">;

export type RunLog = {
  readonly start: (record: RunRecord & { readonly type: "start" }, texts: StartTexts) => void;
  readonly display: (shown: Displayed) => void;
  readonly finalLoss: (iteration: number, loss: number) => void;
  readonly testBegins: (iteration: number, net: number) => void;
  readonly tested: (iteration: number, net: number, outputs: readonly NamedValue[]) => void;
  readonly snapshot: (iteration: number, paths: readonly [string, string]) => void;
  readonly end: (stopped: boolean) => void;
  readonly parts: () => LoggedParts;
};

type StartTexts = {
  readonly network: string;
  readonly policy: string;
  /** `Resuming from ...`, `Finetuning from ...` */
  readonly from: readonly string[];
};

/** Points of the curve that are kept: where there are more, every second one is dropped. */
const maxPoints = 2000;

export function createRunLog(options: RunLogOptions): RunLog {
  const { onLines, onRecord, clock } = options;
  const curve = curveOf(options.earlier);
  const tests: TrainTest[] = testsOf(options);
  const snapshots: string[] = [];
  let shown: Displayed | undefined;
  const seconds = (): number => Number(clock().toFixed(3));
  return {
    start: (record, { network, policy, from }) => {
      onRecord(record);
      onLines([...from, "Starting Optimization", ...startLines(network, policy)]);
    },
    display: (display) => {
      shown = display;
      const { iteration, rate, outputs } = display;
      const loss = finite(display.loss);
      curve.add({ iteration, loss, rate });
      const values = recordValues(outputs);
      onRecord({ type: "display", iteration, loss, rate, outputs: values, seconds: seconds() });
      onLines(displayLines(display));
    },
    finalLoss: (iteration, loss) => onLines([finalLossLine(iteration, loss)]),
    testBegins: (iteration, net) => onLines([testLine(iteration, net)]),
    tested: (iteration, net, outputs) => {
      tests.push({ iteration, net, outputs: outputs.map(reported) });
      const values = recordValues(outputs);
      onRecord({ type: "test", iteration, net, outputs: values, seconds: seconds() });
      onLines(testLines(outputs));
    },
    snapshot: (iteration, files) => {
      snapshots.push(files[1]);
      onRecord({ type: "snapshot", iteration, files, seconds: seconds() });
      onLines(snapshotLines(files));
    },
    end: (stopped) => onLines(endLines(stopped)),
    parts: () => ({
      loss: finite(shown?.loss),
      outputs: (shown?.outputs ?? []).map(reported),
      tests: [...tests],
      curve: curve.points(),
      snapshots: [...snapshots],
    }),
  };
}

function reported({ name, value, weight }: NamedValue): TrainOutput {
  return { name, value: finite(value), weight: weight ?? null };
}

/** Of an output with several values `name`, `name.1`, `name.2`, .... */
function recordValues(outputs: readonly NamedValue[]): RecordValues {
  const values: Record<string, number | null> = {};
  for (const { name, value } of outputs) {
    let key = name;
    for (let at = 1; Object.hasOwn(values, key); at += 1) key = `${name}.${at}`;
    values[key] = finite(value);
  }
  return values;
}

type Curve = {
  readonly add: (point: CurvePoint) => void;
  readonly points: () => readonly CurvePoint[];
};

function curveOf(earlier: readonly RunRecord[]): Curve {
  let points: CurvePoint[] = [];
  let [stride, seen] = [1, 0];
  const add = (point: CurvePoint): void => {
    if (seen++ % stride === 0) points.push(point);
    if (points.length < maxPoints) return;
    points = points.filter((_, at) => at % 2 === 0);
    stride *= 2;
  };
  for (const record of earlier) {
    if (record.type !== "display") continue;
    add({ iteration: record.iteration, loss: record.loss, rate: record.rate });
  }
  return { add, points: () => [...points] };
}

function testsOf({ earlier, weights }: RunLogOptions): TrainTest[] {
  return earlier.flatMap((record): readonly TrainTest[] => {
    if (record.type !== "test") return [];
    const outputs = Object.entries(record.outputs).map(([name, value]) => ({
      ...{ name, value, weight: weights.get(name) ?? null },
    }));
    return [{ iteration: record.iteration, net: record.net, outputs }];
  });
}

/** The first test network's best test: the highest value of an accuracy, else the lowest of a loss. */
export function bestTest(
  tests: readonly TrainTest[],
  measure: { readonly name: string; readonly rises: boolean } | undefined,
): TrainReport["best"] {
  if (measure === undefined) return null;
  const { name, rises } = measure;
  let best: TrainReport["best"] = null;
  for (const { iteration, net, outputs } of tests) {
    const value = outputs.find((output) => output.name === name)?.value;
    if (net !== 0 || value === undefined || value === null) continue;
    const isBetter = best === null || (rises ? value > best.value : value < best.value);
    if (isBetter) best = { iteration, name, value };
  }
  return best;
}
