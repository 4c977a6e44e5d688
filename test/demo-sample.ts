/** A report of `inlay demo` to render and to check schemas with. */
import type { DemoReport } from "../src/report/reports.ts";
import { sampleConvert } from "./convert-sample.ts";
import { sampleFinetune } from "./finetune-sample.ts";
import { sampleJob } from "./report-sample.ts";

export function sampleDemo(differing = 0): DemoReport {
  const finetune = sampleFinetune();
  const { accuracy } = finetune;
  return {
    schema: "inlay.demo/1",
    out: "demo-out",
    finetune: { ...finetune, accuracy: accuracy && { ...accuracy, differing } },
    untuned: sampleConvert(true),
    int8: sampleJob(),
    seconds: 31.5,
    warnings: [],
  };
}
