/**
 * `inlay check`: whether a chip of major layers can hold a network, and every rule that it breaks. Reads no pictures and
 * runs nothing.
 */

import { type NetworkJson, parseNetworkJson } from "../chips/gti/network-json.ts";
import { layoutOfJson } from "../chips/gti/network-layout.ts";
import { layeredTargetNamed } from "../chips/registry.ts";
import { usageError } from "../error.ts";
import { verify } from "../ir/verify.ts";
import type { OnWarning } from "../notice.ts";
import type { CheckReport } from "../report/check.ts";
import type { RuleName, Violation } from "../target/layered-target.ts";
import { cascadeOf, differencesOf, violationsOf, withOutputs } from "./check-findings.ts";
import { checkReport } from "./check-report.ts";
import { chooseMapping } from "./chip-choices.ts";
import { declaredWidthWarnings } from "./declared-widths.ts";
import { readFileBounded } from "./files.node.ts";
import { withoutReduction } from "./level-input.ts";
import { floatNetwork, type LoadedModel, loadModel, modelName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { CheckJob, JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";

/** The check's report. The network may come without weights: only its layers count. */
export function checkJob(job: CheckJob, context: JobContext): Promise<CheckReport> {
  return located(job.model, () => checkModel(job, context));
}

async function checkModel(job: CheckJob, context: JobContext): Promise<CheckReport> {
  const log = warningLog(context);
  const target = layeredTargetNamed(job.target);
  const file = job.network;
  const network = file === undefined ? undefined : await readNetworkJson(file, log.add);
  const model = await loadModel(job.model, {
    onWarning: (warning) => (warning.id === "no-weights" ? undefined : log.add(warning)),
    inputShape: context.inputShape,
  });
  refuseQuantized(model);
  const float = withoutReduction(verify(floatNetwork(model), "canonical"), target);
  const { mapping, choices } = chooseMapping(float, target, job.chip, network, log.add);
  const { chips } = choices;
  const json = network && layoutOfJson(network);
  const layout = mapping.layout && withOutputs(mapping.layout, json);
  const waive = new Set(job.chip.waive);
  const violations = violationsOf(mapping, layout, target, { waive, chips });
  noteUnbroken(waive, violations, log.add);
  declaredWidthWarnings(mapping, target).forEach(log.add);
  return checkReport({
    model: modelName(model),
    source: model.files,
    target,
    choices,
    waive: [...waive],
    mapping,
    layout,
    violations,
    cascade:
      layout === undefined ? { plan: undefined, why: undefined } : cascadeOf(layout, target, chips),
    network: network && {
      file: network.name,
      differences: mapping.layout && differencesOf(network, mapping.layout, target, chips),
    },
    warnings: log.all(),
  });
}

/** Characters that the parser takes, each of up to four bytes. */
const maxJsonBytes = 2 ** 22;

async function readNetworkJson(path: string, onWarning: OnWarning): Promise<NetworkJson> {
  const bytes = await readFileBounded(path, maxJsonBytes);
  return parseNetworkJson({ name: path, text: new TextDecoder().decode(bytes) }, onWarning);
}

function refuseQuantized({ manifest, files }: LoadedModel): void {
  if (manifest === undefined) return;
  throw usageError("a quantized network cannot be checked for another chip", {
    where: files[0],
    hint: "Name the float network: deploy.prototxt and net.caffemodel, or net.onnx",
  });
}

function noteUnbroken(
  waive: ReadonlySet<RuleName>,
  violations: readonly Violation[],
  onWarning: OnWarning,
): void {
  for (const rule of waive) {
    if (violations.some((one) => one.rule === rule)) continue;
    onWarning({ id: "waiver-unused", message: `the rule "${rule}" is waived, but not broken` });
  }
}
