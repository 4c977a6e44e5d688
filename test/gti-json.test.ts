/**
 * The GTI network and full-model files against reference vectors: what the vendor's converter adds to them, and how it
 * splits them over chips.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fullModelText, parseFullModel } from "../src/chips/gti/full-model-json.ts";
import {
  type EvaluateKind,
  evaluatedNetwork,
  type NetworkJson,
  networkText,
  parseNetworkJson,
  withShifts,
} from "../src/chips/gti/network-json.ts";
import { splitLines, splitNetwork } from "../src/chips/gti/split.ts";
import { updateFullModel } from "../src/chips/gti/update-full-model.ts";
import { InlayError } from "../src/error.ts";
import { vectorsFolder } from "./vectors.ts";

type JsonCase = {
  readonly template: unknown;
  readonly fullmodel_template: unknown;
  readonly shift_list: readonly number[];
  readonly evaluate: boolean;
  readonly evaluate_path_kind: string;
  readonly net_json: unknown;
  readonly fullmodel_json?: unknown;
  readonly chips?: readonly unknown[];
  readonly filter_split_points?: readonly number[];
  readonly bias_split_points?: readonly number[];
  readonly error?: string;
};

function readCases(folder: string): readonly (readonly [string, JsonCase])[] {
  const text = readFileSync(join(folder, "convert_json.json"), "utf8");
  return Object.entries(JSON.parse(text) as Readonly<Record<string, JsonCase>>);
}

function evaluateOf({ evaluate, evaluate_path_kind: kind }: JsonCase): EvaluateKind {
  if (!evaluate) return "none";
  return kind === "file" ? "file" : "folder";
}

function networkOf(vector: JsonCase): NetworkJson {
  const file = { name: "network.json", text: JSON.stringify(vector.template) };
  return withShifts(
    evaluatedNetwork(parseNetworkJson(file), evaluateOf(vector)),
    vector.shift_list,
  );
}

/** Read back from the text that would be written. */
function written(network: NetworkJson): unknown {
  return JSON.parse(networkText(network));
}

function updated(vector: JsonCase, chips: readonly NetworkJson[]): unknown {
  const text = JSON.stringify(vector.fullmodel_template);
  const full = parseFullModel({ name: "fullmodel.json", text });
  return JSON.parse(fullModelText(updateFullModel(full, chips, { evaluate: evaluateOf(vector) })));
}

/** What the vendor's script says where it gives up, and what is said here. */
const errors: ReadonlyMap<string, RegExp> = new Map([
  [
    "NotImplementedError: Model resnet50 can not support chip number of 5",
    /^network\.json: model\[0\]: .*no cuts of model resnet50 for 5 chips: expected ChipNumber 1, 2, 3, 4, got ChipNumber 5/,
  ],
  [
    "IndexError: list index out of range",
    /^net_chip4\.json: chip 4 has no major layers: expected at least one, got 0/,
  ],
]);

const title = `files${vectorsFolder === undefined ? " (INLAY_VECTORS is unset)" : ""}`;

describe.skipIf(vectorsFolder === undefined)(title, () => {
  const cases = vectorsFolder === undefined ? [] : readCases(vectorsFolder);

  it("are there", () => {
    expect(cases.length).toBeGreaterThanOrEqual(13);
  });

  it.each(cases)("%s", (_, vector) => {
    const network = networkOf(vector);
    expect(written(network)).toEqual(vector.net_json);
    const chips = () => splitNetwork(network);
    if (vector.chips !== undefined) {
      expect(chips().map(written)).toEqual(vector.chips);
      const { filter, bias } = splitLines(network);
      expect(filter).toEqual(vector.filter_split_points);
      expect(bias).toEqual(vector.bias_split_points);
    }
    if (vector.error === undefined) {
      expect(updated(vector, chips())).toEqual(vector.fullmodel_json);
      return;
    }
    const update = () => updated(vector, chips());
    expect(update).toThrow(InlayError);
    expect(update).toThrow(errors.get(vector.error) ?? "an error that is not in the table");
  });
});
