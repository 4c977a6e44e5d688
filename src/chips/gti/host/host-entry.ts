/**
 * Operations of the host before they have names: what host-rules.ts makes of nodes, and their writing as layers of
 * a full model with the data that belongs to them.
 */
import { freshId } from "../../../ir/graph.ts";
import type { FcLayer } from "../files/layers.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import type { JsonObject } from "../json-text.ts";
import { type MapSize, sizeKeys } from "./map-size.ts";

/** One operation. `id` is the node that it computes, `size` that of its output. */
export type HostEntry = { readonly id: string; readonly size: MapSize } & (
  | { readonly operation: "POOLING"; readonly mode: "average" | "max" | "sample" }
  | {
      readonly operation: "FC";
      readonly values: Omit<FcLayer, "name">;
      readonly activation?: "relu";
    }
  | { readonly operation: "SOFTMAX" }
  | {
      readonly operation: "ELTWISE";
      readonly mode: "sum" | "product" | "max";
      /** Index of the operation that gives the second value; -1 for the chip. */
      readonly reference: number;
    }
);

/** Operations for the host behind a full model's chips. */
export type HostLayers = {
  readonly layers: readonly FullModelLayer[];
  /** By data file: `fc6.bin` has what the FC operation `fc6` takes. One layer each. */
  readonly fc: ReadonlyMap<string, readonly FcLayer[]>;
};

/**
 * Layers and data. An operation is called as its node. The vendor's converter gathers into an FC operation all layers
 * whose names start with its own; so that this gives one layer each, a name with which another one starts gets a suffix, in
 * the operation and in its data alike: fc1 and fc10 become fc1_2 and fc10.
 */
export function writeEntries(entries: readonly HostEntry[], chip: string): HostLayers {
  const names = entryNames(entries, chip);
  const fc = new Map<string, readonly FcLayer[]>();
  const taken = new Set<string>();
  const layers = entries.map((entry, at): FullModelLayer => {
    const name = names[at] ?? entry.id;
    const file = entry.operation === "FC" ? dataFileOf(name, taken) : "";
    if (entry.operation === "FC") fc.set(file, [{ name, ...entry.values }]);
    const keys = keysOf(entry, file, (index) => names[index] ?? chip);
    return { name, operation: entry.operation, ...sizeKeys(entry.size), ...keys };
  });
  return { layers, fc };
}

function keysOf(entry: HostEntry, file: string, nameOf: (index: number) => string): JsonObject {
  switch (entry.operation) {
    case "POOLING":
      return { mode: entry.mode };
    case "ELTWISE":
      return { mode: entry.mode, "reference layer": nameOf(entry.reference) };
    case "SOFTMAX":
      return {};
    case "FC": {
      const activation = entry.activation === undefined ? {} : { activation: entry.activation };
      return { "data file": file, "data offset": 0, ...activation };
    }
  }
}

/** Names that a full model gives to other layers. */
const reserved = /^(reader|label|cnn\d*)$/;

function entryNames(entries: readonly HostEntry[], chip: string): readonly string[] {
  const names = entries.map(({ id }) => id);
  const taken = new Set([...names, chip]);
  const isFc = (at: number): boolean => entries[at]?.operation === "FC";
  for (const [at, name] of names.entries()) {
    const isStart = names.some(
      (other, index) => index !== at && isFc(index) && other.startsWith(name),
    );
    if (!reserved.test(name) && name !== chip && !(isFc(at) && isStart)) continue;
    const free = freshName(name, names, taken);
    taken.add(free);
    names[at] = free;
  }
  return names;
}

/** `name_2`, `name_3`, ... until it is not the start of another. */
function freshName(name: string, names: readonly string[], taken: ReadonlySet<string>): string {
  for (let count = 2; ; count += 1) {
    const free = `${name}_${count}`;
    if (!taken.has(free) && !names.some((other) => other.startsWith(free))) return free;
  }
}

const longestFile = 100;

/** A name that every file system takes: `/head/fc.1` -> `fc_head_fc.1.bin`. Case alone does not tell two apart. */
function dataFileOf(name: string, taken: Set<string>): string {
  const plain = name.replace(/[^A-Za-z0-9_.-]+/g, "_").slice(0, longestFile);
  const base = /^[A-Za-z0-9]/.test(plain) && !isDevice(plain) ? plain : `fc${plain}`;
  const free = freshId(base.toLowerCase(), taken);
  taken.add(free);
  return `${base}${free.slice(base.length)}.bin`;
}

/** Windows has no files of these names, whatever their extension. */
function isDevice(name: string): boolean {
  return /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name);
}
