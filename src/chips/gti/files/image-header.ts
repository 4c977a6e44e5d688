/**
 * The JSON header of a chip image: text to checked nodes. Constants have their type, shape and packing here;
 * their values are in the data behind it.
 */
import { inputError } from "../../../error.ts";
import type { Output } from "../../../ir/graph.ts";
import type { JsonObject } from "../json-text.ts";
import { damaged, type NamedBytes } from "./bytes.ts";
import { deepestJson, isWithinLevels } from "./compact-json.ts";
import {
  either,
  type Guard,
  isCount,
  isPositive,
  isString,
  listOf,
  oneOf,
  recordOf,
} from "./guards.ts";
import { attrGuards, type ImageOp, isImageOp, maxRank } from "./image-attrs.ts";
import { imageDTypes, type PackedTensor, type Packing } from "./packed-tensor.ts";

/** A node with attributes that its operator's guard took; a constant's are checked like them. */
export type ImageNode =
  | {
      readonly op: "const";
      readonly id: string;
      readonly inputs: readonly string[];
      readonly attrs: PackedTensor;
    }
  | {
      readonly op: ImageOp;
      readonly id: string;
      readonly inputs: readonly string[];
      readonly attrs: unknown;
    };

export type ImageHeader = {
  readonly graph: {
    readonly name: string;
    readonly nodes: readonly ImageNode[];
    readonly outputs: readonly Output[];
    readonly opsets: Readonly<Record<string, number>>;
  };
  readonly meta: JsonObject;
};

const mostNodes = 100_000;
const mostInputs = 1000;

const isPacking: Guard<Packing> = either(
  recordOf<Extract<Packing, { kind: "masked" }>>({
    kind: oneOf("masked"),
    maskBits: oneOf(1, 2, 3, 5),
    magnitudeBits: isBits,
  }),
  either(
    recordOf<Extract<Packing, { kind: "fixed" }>>({ kind: oneOf("fixed"), bits: isBits }),
    recordOf<Extract<Packing, { kind: "raw" }>>({ kind: oneOf("raw") }),
  ),
);

const isPackedTensor: Guard<PackedTensor> = recordOf<PackedTensor>({
  dtype: oneOf(...imageDTypes),
  shape: listOf(isCount, maxRank),
  packing: isPacking,
});

const isInputs: Guard<readonly string[]> = listOf(isString, mostInputs);
const isOutputs: Guard<readonly Output[]> = listOf(
  recordOf<Output>({ name: isString, id: isString }),
  mostNodes,
);

type RawGraph = {
  readonly name: string;
  readonly nodes: readonly unknown[];
  readonly outputs: readonly Output[];
  readonly opsets: Readonly<Record<string, number>>;
};

const isAnything: Guard<unknown> = (value): value is unknown => value !== undefined;

const isHeader: Guard<{ readonly graph: RawGraph; readonly meta: JsonObject }> = recordOf<{
  readonly graph: RawGraph;
  readonly meta: JsonObject;
}>({
  graph: recordOf<RawGraph>({
    name: isString,
    nodes: listOf(isAnything, mostNodes),
    outputs: isOutputs,
    opsets: (value): value is Readonly<Record<string, number>> =>
      isRecord(value) && Object.values(value).every(isPositive),
  }),
  meta: (value): value is JsonObject => isRecord(value) && isWithinLevels(value, deepestJson),
});

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** 1..32. */
function isBits(value: unknown): value is number {
  return isPositive(value) && value <= 32;
}

/** The header's text lies at `offset` of the file; it is not longer than its writer's limit. */
export function parseHeader(file: NamedBytes, offset: number, text: Uint8Array): ImageHeader {
  const header = parseJson(file, offset, text);
  if (!isHeader(header)) {
    throw damaged(file, offset, "the header is not that of a chip image", {
      expected: "graph {name, nodes, outputs, opsets} and meta",
    });
  }
  const nodes = header.graph.nodes.map((node, index) => checkedNode(file, node, index));
  return { ...header, graph: { ...header.graph, nodes } };
}

function parseJson(file: NamedBytes, offset: number, text: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    throw damaged(file, offset, "the header is not JSON", {
      got: error instanceof Error ? error.message : String(error),
    });
  }
}

function checkedNode(file: NamedBytes, value: unknown, index: number): ImageNode {
  const fail = (what: string, node: string, expected?: string): Error =>
    inputError(what, { where: file.name, node, expected });
  if (!isRecord(value) || !isString(value["id"]) || !isInputs(value["inputs"]))
    throw fail("a node of the header is not whole", `node ${index}`, "op, id, inputs and attrs");
  const { op, id, inputs, attrs } = value as Readonly<Record<string, unknown>>;
  const node = `${String(op)} "${String(id)}"`;
  if (op === "const" && isPackedTensor(attrs))
    return { op, id: id as string, inputs: inputs as readonly string[], attrs };
  if (isString(op) && isImageOp(op) && attrGuards[op](attrs))
    return { op, id: id as string, inputs: inputs as readonly string[], attrs };
  if (op !== "const" && !(isString(op) && isImageOp(op)))
    throw fail("a chip image does not hold this operator", node);
  throw fail("a node's attributes are not those of its operator", node);
}
