import { expect, it } from "vitest";
import type { Output } from "../../ir/graph.ts";
import { renameOutputs } from "./rename-outputs.ts";
import type { OnnxInit } from "./schema.ts";

/** `y` is computed from the input `x`; both are outputs under the given names. */
function renamed(...outputs: readonly Output[]): OnnxInit<"GraphProto"> {
  const ids = [...new Set(outputs.map(({ id }) => id))];
  return renameOutputs(
    {
      input: [{ name: "x" }],
      node: [{ op_type: "Relu", input: ["x"], output: ["y"] }],
      output: ids.map((name) => ({ name })),
    },
    outputs,
  );
}

const wires = ({ node = [] }: OnnxInit<"GraphProto">): readonly string[] =>
  node.map(({ op_type, input = [], output = [] }) => `${op_type} ${input} -> ${output}`);
const names = ({ output = [] }: OnnxInit<"GraphProto">): readonly (string | undefined)[] =>
  output.map(({ name }) => name);

it("an input that is an output under its own name stays as it is", () => {
  const graph = renamed({ name: "x", id: "x" }, { name: "result", id: "y" });
  expect(wires(graph)).toEqual(["Relu x -> result"]);
  expect(names(graph)).toEqual(["x", "result"]);
});

it("an input that is an output under two names keeps its own and gets a copy", () => {
  const graph = renamed({ name: "x", id: "x" }, { name: "copy", id: "x" }, { name: "y", id: "y" });
  expect(wires(graph)).toEqual(["Relu x -> y", "Identity x -> copy"]);
  expect(names(graph)?.toSorted()).toEqual(["copy", "x", "y"]);
});
