/**
 * What tests of `inlay check` share: the job on files and on graphs, its report held to its schema, and what it says as
 * short texts.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect } from "vitest";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import type { Graph } from "../src/ir/graph.ts";
import { checkJob } from "../src/job/check.node.ts";
import type { ChipOptions, JobContext } from "../src/job/options.ts";
import type { CheckReport } from "../src/report/check.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import { reportSchemas } from "../src/report/schema.ts";

const context: JobContext = { device: "cpu", threads: 1, seed: 0, command: [] };

let folder = "";

/** A folder for `write`, there while the calling test file runs. */
export function useFolder(): void {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "inlay-check-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
}

export const folderInUse = (): string => folder;

export type Options = Partial<ChipOptions> & { readonly network?: string };

/** The report on model files. */
export async function check(
  model: readonly string[],
  target: string,
  { network, ...chip }: Options = {},
): Promise<CheckReport> {
  const job = { model, target, network, chip: { waive: [], ...chip } };
  const report = await checkJob(job, context);
  expect(checkSchema(reportSchemas["inlay.check/1"], report)).toEqual([]);
  return report;
}

export function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The report on a graph, written as ONNX. */
export async function checkNet(graph: Graph, options: Options = {}): Promise<CheckReport> {
  return await check([write("net.onnx", lowerToOnnx(graph))], "gti2803", options);
}

export const rulesOf = ({ violations }: CheckReport): readonly string[] =>
  violations.map(
    ({ rule, node, found, waived }) => `${waived ? "~" : ""}${rule} ${node}: ${found}`,
  );

export const warningsOf = ({ warnings }: CheckReport): readonly string[] =>
  warnings.map(({ id, message }) => `${id}: ${message}`);

/** The prototxt of an example network for the chips. */
export const example = (name: string): readonly [string] => [
  fileURLToPath(new URL(`../examples/gti/${name}.prototxt`, import.meta.url)),
];
