/**
 * An ONNX graph whose outputs carry the names that users know them by, for files.
 */
import { freshId, type Output } from "../../ir/graph.ts";
import type { OnnxInit } from "./schema.ts";

type GraphMessage = OnnxInit<"GraphProto">;

/** New names of values, and outputs that need a copy of a value that has its name already. */
type Plan = {
  readonly names: ReadonlyMap<string, string>;
  readonly copies: readonly Output[];
};

/**
 * Values renamed after the outputs that they are. An inner value that has such a name moves out of
 * the way; a second name for the same value, or another name for an input, becomes an Identity.
 */
export function renameOutputs(message: GraphMessage, outputs: readonly Output[]): GraphMessage {
  const inputs = new Set((message.input ?? []).map((input) => input.name ?? ""));
  const { names, copies } = planNames(message, outputs, inputs);
  const rename = (name: string): string => names.get(name) ?? name;
  const named = <T extends { readonly name?: string | undefined }>(list: readonly T[] = []): T[] =>
    list.map((item) => ({ ...item, name: rename(item.name ?? "") }));
  const nodes = (message.node ?? []).map((node) => ({
    ...node,
    input: (node.input ?? []).map(rename),
    output: (node.output ?? []).map(rename),
  }));
  const identities = copies.map(({ name, id }) => ({
    op_type: "Identity",
    name,
    input: [rename(id)],
    output: [name],
  }));
  // An input that is an output under another name only is represented by its copy alone.
  const asItself = new Set(outputs.flatMap(({ name, id }) => (name === id ? [id] : [])));
  const hidden = new Set(
    copies.flatMap(({ id }) => (inputs.has(id) && !asItself.has(id) ? [id] : [])),
  );
  return {
    ...message,
    node: [...nodes, ...identities],
    initializer: named(message.initializer),
    value_info: named(message.value_info),
    output: [
      ...named((message.output ?? []).filter(({ name }) => !hidden.has(name ?? ""))),
      ...copies.map(({ name }) => ({ name })),
    ],
  };
}

function planNames(
  message: GraphMessage,
  outputs: readonly Output[],
  inputs: ReadonlySet<string>,
): Plan {
  const names = new Map<string, string>();
  const copies: Output[] = [];
  const used = new Set(inputs);
  for (const { name, id } of outputs) {
    if (inputs.has(id) && id === name) continue;
    const free = freshId(name, used);
    used.add(free);
    if (names.has(id) || (inputs.has(id) && id !== name)) copies.push({ name: free, id });
    else names.set(id, free);
  }
  const values = (message.node ?? []).flatMap((node) => node.output ?? []);
  const constants = (message.initializer ?? []).map(({ name }) => name ?? "");
  const taken = new Set([...values, ...constants, ...used]);
  for (const value of [...values, ...constants]) {
    if (used.has(value) && !names.has(value) && !inputs.has(value)) {
      const free = freshId(`${value}.inner`, taken);
      taken.add(free);
      names.set(value, free);
    }
  }
  return { names, copies };
}
