/**
 * ONNX's own operator test cases, through our reader and our lowering: read, lower, run in ONNX
 * Runtime, compare with the outputs that ONNX gives. What does not pass is listed with its reason.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InlayError } from "../src/error.ts";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import { readOnnx } from "../src/formats/onnx/read.ts";
import { readTensor } from "../src/formats/onnx/read-tensor.ts";
import { onnxSchema } from "../src/formats/onnx/schema.ts";
import type { Graph } from "../src/ir/graph.ts";
import { decode } from "../src/protobuf/decode.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { type Reply, type Runner, startRunner, type Wire } from "./onnx-node-child.ts";

const folder = process.env["INLAY_DATA"];
const skip = folder === undefined;
if (skip) process.stderr.write("skipped test/onnx-node.test.ts: INLAY_DATA is unset\n");
const cases = join(folder ?? "", "onnx_node");

const relative = 1e-3;
const absolute = 1e-5;
/** Plain onnxruntime-node reproduces 372 of the 413 cases. */
const wanted = 365;

/** How a case went in: as operators of the table, as opaque ones, or partly. */
type Way = "table" | "opaque" | "constant";
type Outcome = {
  readonly name: string;
  readonly way: Way | undefined;
  /** Undefined where the case passes. */
  readonly reason: string | undefined;
};

function tensorFile(path: string): Tensor | undefined {
  const message = decode(onnxSchema, "TensorProto", new Uint8Array(readFileSync(path)), {
    file: path,
  });
  return readTensor(message, { file: path });
}

/** Tensors of a case's inputs or outputs, in their order. */
function tensorsOf(name: string, kind: "input" | "output"): (Tensor | undefined)[] {
  const list: (Tensor | undefined)[] = [];
  for (let index = 0; ; index += 1) {
    const path = join(cases, name, "test_data_set_0", `${kind}_${index}.pb`);
    if (!existsSync(path)) return list;
    list.push(tensorFile(path));
  }
}

/** A graph's names of all inputs in the file's order, taken from the file itself. */
function namesIn(bytes: Uint8Array, field: "input" | "output"): string[] {
  const model = decode(onnxSchema, "ModelProto", bytes, { file: "model" });
  return (model.graph?.[field] ?? []).map(({ name = "" }) => name);
}

function wayOf(graph: Graph): Way {
  const ops = graph.nodes.map((node) => node.op);
  if (ops.includes("opaque")) return "opaque";
  return ops.some((op) => op !== "input" && op !== "const") ? "table" : "constant";
}

const wireOf = (value: Tensor): Wire => ({
  type: value.dtype,
  data: value.data,
  dims: value.shape,
});

/** Half-precision bits as a number. */
function fromHalf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return (sign * fraction) / 2 ** 24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function close(got: number, expected: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(got);
  if (got === expected) return true;
  return Math.abs(got - expected) <= absolute + relative * Math.abs(expected);
}

/** Equality of two elements: floats within the tolerance, everything else exactly. */
function equal(dtype: string, got: number | bigint | string, expected: number | bigint): boolean {
  if (dtype === "float16") return close(fromHalf(Number(got)), fromHalf(Number(expected)));
  if (dtype.startsWith("float")) return close(Number(got), Number(expected));
  return BigInt(got) === BigInt(expected);
}

/** Why an output differs; undefined where it does not. */
function difference(got: Wire | undefined, expected: Tensor | undefined): string | undefined {
  if (expected === undefined) return "the expected output is of an element type that we lack";
  if (got === undefined) return "an output is missing";
  if (got.type !== expected.dtype) return `gives ${got.type}, not ${expected.dtype}`;
  if (got.dims.join("x") !== expected.shape.join("x")) {
    return `gives shape [${got.dims.join(",")}], not [${expected.shape.join(",")}]`;
  }
  for (const [index, wanted] of expected.data.entries()) {
    const value = got.data[index] ?? Number.NaN;
    if (!equal(expected.dtype, value, wanted)) return `element ${index} is ${value}, not ${wanted}`;
  }
  return undefined;
}

function judge(
  reply: Reply,
  names: readonly string[],
  expected: readonly (Tensor | undefined)[],
): string | undefined {
  if (reply.outputs === undefined) return `onnxruntime-node: ${firstLine(reply.error ?? "")}`;
  for (const [index, name] of names.entries()) {
    const reason = difference(reply.outputs[name], expected[index]);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

const firstLine = (text: string): string => (text.split("\n")[0] ?? "").slice(0, 110);

async function runCase(name: string, runner: Runner): Promise<Outcome> {
  let way: Way | undefined;
  try {
    const bytes = new Uint8Array(readFileSync(join(cases, name, "model.onnx")));
    const graph = readOnnx({ name, bytes });
    way = wayOf(graph);
    const inputs = tensorsOf(name, "input");
    const feeds = Object.fromEntries(
      namesIn(bytes, "input").flatMap((input, index) => {
        const value = inputs[index];
        return value === undefined ? [] : [[input, wireOf(value)] as const];
      }),
    );
    const reply = await runner.run(lowerToOnnx(graph), feeds);
    return { name, way, reason: judge(reply, namesIn(bytes, "output"), tensorsOf(name, "output")) };
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    return { name, way, reason: `inlay: ${firstLine(error.message)}` };
  }
}

/** Two runners in turn, so that reading and running overlap. */
async function runAll(): Promise<Outcome[]> {
  const names = readdirSync(cases).filter((name) => existsSync(join(cases, name, "model.onnx")));
  const outcomes: Outcome[] = [];
  const queue = names.toSorted();
  const worker = async (): Promise<void> => {
    const runner = startRunner();
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      outcomes.push(await runCase(name, runner));
    }
    runner.stop();
  };
  await Promise.all([worker(), worker()]);
  return outcomes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

describe.skipIf(skip)("ONNX's operator cases", () => {
  let outcomes: readonly Outcome[] = [];
  beforeAll(async () => {
    outcomes = await runAll();
  });

  afterAll(() => {
    const failed = outcomes.filter(({ reason }) => reason !== undefined);
    const count = (way: Way): number => outcomes.filter((outcome) => outcome.way === way).length;
    const lines = [
      `${outcomes.length - failed.length} of ${outcomes.length} pass`,
      `in as table operators ${count("table")}, opaque ${count("opaque")}, constant ${count("constant")}`,
      ...failed.map(({ name, way, reason }) => `  ${name} (${way ?? "not read"}): ${reason}`),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  });

  it("holds 413 cases", () => {
    expect(outcomes.length).toBe(413);
  });

  it(`passes at least ${wanted} of them`, () => {
    expect(outcomes.filter(({ reason }) => reason === undefined).length).toBeGreaterThanOrEqual(
      wanted,
    );
  });
});
