/**
 * The commands of the GTI kit's manual, one after the other, as its user types them: from pictures to a converted network
 * whose simulation says what the trained network says.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BitMatchReport } from "../src/report/bit-match.ts";
import type { PredictReport } from "../src/report/predict.ts";
import {
  classNames,
  deployText,
  labelsText,
  networkJson,
  perClass,
  pictureFolder,
  solverText,
  trainText,
} from "./mdk-flow-net.ts";
import { type Outcome, runCli } from "./run-cli.ts";

const testShare = 1 / 3;
const tested = Math.round(perClass * testShare) * classNames.length;

let folder = "";
beforeAll(() => {
  folder = pictureFolder();
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const conv = "shapes_quantConv_train";
  write("shapes_train.prototxt", trainText("FLOATING_POINT"));
  write(`${conv}.prototxt`, trainText("TWO_BITS"));
  write("solver1.prototxt", solverText("shapes_train.prototxt", 1, 0.01, 120));
  write("solver2.prototxt", solverText(`${conv}.prototxt`, 2, 0.01, 60));
  write("solver3.prototxt", solverText(`QuantRelu/${conv}_quantRelu.prototxt`, 3, 0.005, 40));
  const refined = `Refined/${conv}_quantRelu_refined.prototxt`;
  write("solver4.prototxt", solverText(refined, 4, 0.002, 60));
  write("labels.txt", labelsText);
  write("network2803.json", networkJson);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Types a line in the folder; one thread, so that every machine counts alike. Fails where the command does. */
async function type(line: string): Promise<Outcome> {
  const outcome = await runCli(folder, [...line.split(" "), "--threads", "1"]);
  expect(outcome.code, outcome.err).toBe(0);
  return outcome;
}

const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const refinedPrototxt = "Refined/shapes_quantConv_train_quantRelu_refined.prototxt";

/** What the log's tests say of an output, in order. */
function tests({ out }: Outcome, name: string): readonly number[] {
  const pattern = new RegExp(`Test net output #\\d: ${name} = (\\S+)`, "g");
  return [...out.matchAll(pattern)].map(([, value]) => Number(value));
}

/** The log's lines of a run from these weights; gives the accuracies of its three tests. */
function expectLog(outcome: Outcome, from: string | undefined, step: number, last: number) {
  const { out } = outcome;
  if (from !== undefined) expect(out).toContain(`] Finetuning from ${join(folder, from)}\n`);
  expect(out).toMatch(/\] Solving shapes\n/);
  expect(out).toMatch(/\] Iteration 10 \(\S+ iter\/s, \S+s\/10 iters\), loss = \S+\n/);
  expect(out).toMatch(/\] {5}Train net output #0: loss = \S+ \(\* 1 = \S+ loss\)\n/);
  expect(out).toMatch(new RegExp(`\\] Iteration ${last}, Testing net \\(#0\\)\n`));
  expect(out).toContain(
    `] Snapshotting to binary proto file ${join(folder, `snapshot/step${step}_iter_${last}.caffemodel`)}\n`,
  );
  expect(out).toMatch(/\] Optimization Done\.\n/);
  const accuracies = tests(outcome, "accuracy");
  expect(accuracies).toHaveLength(3);
  return accuracies;
}

describe("the manual's commands, in order", () => {
  const found: { float: number; last: number } = { float: 0, last: 0 };

  it("make the databases", async () => {
    const lmdb = `dataset lmdb pictures/ --resize 28x28 --split ${1 - testShare}`;
    const [command = "", ...words] = lmdb.split(" ");
    const made = (name: string, part: string): string =>
      [command, words[0], words[1], name, ...words.slice(2), "--part", part].join(" ");
    await type(`${made("train_lmdb", "first")} --shuffle`);
    await type(made("test_lmdb", "second"));
    const { out } = await type("dataset show test_lmdb --json");
    expect(JSON.parse(out)).toMatchObject({ samples: tested });
  });

  it("train: step 1, float", async () => {
    const outcome = await type("train --solver=solver1.prototxt -gpu 0");
    const [before = 1, , last = 0] = expectLog(outcome, undefined, 1, 120);
    expect(outcome.err).toContain("--gpu 0 chooses nothing here");
    expect(before).toBeLessThan(0.5);
    expect(last).toBeGreaterThan(0.85);
    found.float = last;
  });

  it("train: step 2, rounded convolutions", async () => {
    const from = "snapshot/step1_iter_120.caffemodel";
    const outcome = await type(`train -solver solver2.prototxt --weights=${from} --gpu 0`);
    const [before = 1, , last = 0] = expectLog(outcome, from, 2, 60);
    // Two bits without training cost accuracy; training wins it back.
    expect(before).toBeLessThan(found.float);
    expect(last).toBeGreaterThan(before);
    expect(last).toBeGreaterThan(found.float - 0.1);
  });

  it("calibrate-quant-relu, train: step 3, rounded activations", async () => {
    const before = "snapshot/step2_iter_60.caffemodel";
    await type(
      `calibrate-quant-relu --prototxt=shapes_quantConv_train.prototxt --caffemodel=${before} --num_batches=5`,
    );
    const prototxt = read("QuantRelu/shapes_quantConv_train_quantRelu.prototxt");
    expect(prototxt.match(/quant_enable: true/g)).toHaveLength(3);
    expect(prototxt.match(/lr_mult: 0/g)).toHaveLength(3);
    expect(read("ReLUAlpha.log")).toMatch(/conv3\/relu +\d/);
    const from = "QuantRelu/step2_iter_60_quantRelu.caffemodel";
    const outcome = await type(`train --solver=solver3.prototxt --weights=${from}`);
    const last = expectLog(outcome, from, 3, 40).at(-1) ?? 0;
    expect(last).toBeGreaterThan(found.float - 0.1);
  });

  it("refine-network, train: step 4, in the chip's units", async () => {
    const before = "snapshot/step3_iter_40.caffemodel";
    await type(
      `refine-network -prototxt=QuantRelu/shapes_quantConv_train_quantRelu.prototxt -caffemodel ${before}`,
    );
    const prototxt = read(refinedPrototxt);
    expect(prototxt.match(/shift_enable: true/g)).toHaveLength(3);
    expect(prototxt).not.toMatch(/BatchNorm|mean_value|lr_mult: 1\n[^}]*quant_relu/);
    // Three activations, and both data layers give levels.
    expect(prototxt.match(/quant_enable: true/g)).toHaveLength(5);
    expect(read("RefineNet.log")).toMatch(/scale factor \d/);
    const from = "Refined/step3_iter_40_refined.caffemodel";
    const outcome = await type(`train --solver=solver4.prototxt -weights ${from}`);
    const [start = 0, , last = 0] = expectLog(outcome, from, 4, 60);
    expect(last).toBeGreaterThanOrEqual(start);
    expect(last).toBeGreaterThan(found.float - 0.1);
    found.last = last;
  });

  const weights = "snapshot/step4_iter_60.caffemodel";

  it("convert: what is simulated is what was trained, picture by picture", async () => {
    writeFileSync(join(folder, "deploy.prototxt"), deployText(read(refinedPrototxt)));
    const { out } = await type(
      `convert deploy.prototxt ${weights} network2803.json -o --label=labels.txt --output_dir=output`,
    );
    expect(out).toContain("operations: FC, SOFTMAX, LABEL\n");
    expect(out).toContain(`labels: ${classNames.length}\n`);
    expect(out).not.toContain("not deployable");

    const match = await type(
      `evaluate output/ --bit-match test_lmdb --reference deploy.prototxt ${weights} --json`,
    );
    const { pictures } = JSON.parse(match.out) as BitMatchReport;
    expect(pictures).toHaveLength(tested);
    expect(pictures.filter(({ isEqual }) => !isEqual)).toEqual([]);

    // One picture a batch: the log then says of each whether it is right.
    writeFileSync(
      join(folder, "single.prototxt"),
      read(refinedPrototxt).replace("batch_size: 20", "batch_size: 1"),
    );
    const test = await type(
      `test -model single.prototxt -weights ${weights} -iterations ${tested}`,
    );
    const trained = [...test.out.matchAll(/Batch \d+, accuracy = (\d)\n/g)].map(
      ([, value]) => value === "1",
    );
    const run = JSON.parse((await type("run output/out.model test_lmdb --json")).out);
    const simulated = (run as PredictReport).pictures.map(
      ({ label, best }) => best[0]?.index === label,
    );
    expect(simulated).toHaveLength(tested);
    expect(simulated).toEqual(trained);
    const right = simulated.filter(Boolean).length;
    expect(right / tested).toBeCloseTo(found.last, 5);
    const judged = JSON.parse(
      (await type("evaluate output/out.model --images test_lmdb --json")).out,
    );
    expect(judged).toMatchObject({ simulated: true, top1: { count: right } });
  });

  it("convert: labels come out right, of the picture files too", async () => {
    const { out } = await type("run output/out.model pictures/ --json");
    const { pictures } = JSON.parse(out) as PredictReport;
    expect(pictures).toHaveLength(perClass * classNames.length);
    const right = pictures.filter(({ name, best: [best] }) => {
      expect(best).toMatchObject({ id: `${best?.index}`, name: classNames[best?.index ?? -1] });
      return name.startsWith(`${best?.name}/`);
    });
    expect(right.length / pictures.length).toBeGreaterThan(0.85);
  });

  it("convert: the files it wrote, the training prototxt, and its slips are taken too", async () => {
    await type(
      `convert deploy.prototxt ${weights} output/net.json output/fullmodel.json -o label=labels.txt --ouput_dir=again --evaluate=pictures/ring`,
    );
    const bytes = (name: string): Buffer => readFileSync(join(folder, name));
    expect(bytes("again/out.model")).toEqual(bytes("output/out.model"));
    const log = read("again/evaluate_output/evaluate_log.txt");
    expect(log).toContain(`${perClass} of ${perClass} pictures match (100.00 %)`);
    // Its data layer reduces pictures to levels itself; the chip does not do it once more.
    await type(
      `convert ${refinedPrototxt} ${weights} --target gti2803 --output_dir=whole --input-shape 1,3,28,28`,
    );
    expect(bytes("whole/coef.dat")).toEqual(bytes("output/coef.dat"));
    expect(bytes("whole/fc.bin")).toEqual(bytes("output/fc.bin"));
    const match = await type(
      `evaluate whole/ --bit-match test_lmdb --reference ${refinedPrototxt} ${weights} --limit 8 --input-shape 1,3,28,28`,
    );
    expect(match.out).toContain("8 of 8 pictures match (100.00 %)");
  });
});
