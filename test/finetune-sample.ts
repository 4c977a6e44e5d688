/** A report of `inlay finetune` to render and to check schemas with. */
import type { FinetuneReport } from "../src/report/finetune.ts";
import { sampleConvert } from "./convert-sample.ts";

export function sampleFinetune(stopped = false): FinetuneReport {
  const share = (count: number): NonNullable<FinetuneReport["accuracy"]>["float"] => ({
    count,
    percent: count / 10,
    interval: [count / 10 - 2, Math.min(100, count / 10 + 2)],
  });
  const first = { iteration: 0, correct: 612, samples: 1000, loss: null };
  const best = { iteration: 94, correct: 893, samples: 1000, loss: 0.341 };
  return {
    schema: "inlay.finetune/1",
    model: "vgg_small",
    source: ["vgg_small.prototxt", "float.caffemodel"],
    target: "gti2803",
    train: { images: "train.txt", samples: 3008 },
    test: { images: "test.txt", samples: 1000 },
    batch: 32,
    seed: 0,
    classes: ["circle", "square"],
    stages: [
      {
        ...{ name: "convolutions", iterations: 94, rate: 0.005, seconds: 71.25 },
        ...{ tests: [first, best], best },
      },
      {
        ...{ name: "activations", iterations: 188, rate: 0.005, seconds: 140.5 },
        ...{ tests: stopped ? [] : [first], best: stopped ? null : first },
      },
    ],
    stopped,
    accuracy: stopped
      ? null
      : {
          samples: 1000,
          ...{ float: share(901), trained: share(893), simulated: share(893), differing: 0 },
        },
    bitMatch: stopped ? null : { pictures: 1000, matches: 1000 },
    convert: stopped ? null : sampleConvert(),
    warnings: [{ id: "few-pictures", message: "few pictures", where: "train.txt" }],
  };
}
