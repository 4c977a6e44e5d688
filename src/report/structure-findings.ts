/**
 * What is unusual about a network's structure: dead ends, window shapes that chips refuse, values
 * of unknown shape, operators that run in float only.
 */
import { type Graph, sweep } from "../ir/graph.ts";
import type { Types } from "../ir/infer.ts";
import type { ConvAttrs, Node } from "../ir/ops.ts";
import type { Shape } from "../tensor/shape.ts";
import { owner } from "./cost.ts";
import type { Finding } from "./reports.ts";

type Message = readonly [kind: string, message: string];
type Windowed = Extract<Node, { op: "conv" | "deconv" | "quantConv" | "intConv" }>;

/** Findings about nodes, in network order. */
export function structureFindings(graph: Graph, types: Types): readonly Finding[] {
  const live = new Set(sweep(graph).nodes.map((node) => node.id));
  const read = new Set(graph.nodes.flatMap((node) => node.inputs));
  const outputs = new Set(graph.outputs.map((output) => output.id));
  const found = graph.nodes.flatMap((node): readonly Finding[] => {
    if (node.op === "const" || node.op === "result") return [];
    const messages = [
      ...deadEnd(node, live, read, outputs),
      ...unknownShape(node, types),
      ...(isWindowed(node) ? windowMessages(node, types.get(node.inputs[1] ?? "")?.shape) : []),
      ...floatOnly(node),
    ];
    return messages.map(([kind, message]) => ({ kind, node: node.id, message }));
  });
  return [...found, ...unusedResults(graph, types, read)];
}

function isWindowed(node: Node): node is Windowed {
  return ["conv", "deconv", "quantConv", "intConv"].includes(node.op);
}

function deadEnd(
  node: Node,
  live: ReadonlySet<string>,
  read: ReadonlySet<string>,
  outputs: ReadonlySet<string>,
): readonly Message[] {
  if (node.op === "input") {
    return read.has(node.id) || outputs.has(node.id)
      ? []
      : [["unused-input", "no layer reads this input"]];
  }
  return live.has(node.id) ? [] : [["dead-output", "no network output needs this layer"]];
}

function unknownShape(node: Node, types: Types): readonly Message[] {
  if (node.op === "opaque" || node.op === "detectionOutput" || types.has(node.id)) return [];
  return [["unknown-shape", "the output shape is not known before the network runs"]];
}

/** Results of opaque nodes whose type the file does not tell. */
function unusedResults(graph: Graph, types: Types, read: ReadonlySet<string>): readonly Finding[] {
  return graph.nodes.flatMap((node) => {
    if (node.op !== "result" || types.has(node.id) || !read.has(node.id)) return [];
    const message = `the shape of "${node.id}" is not known before the network runs`;
    return [{ kind: "unknown-shape", node: owner(node), message }];
  });
}

function windowMessages(node: Windowed, weight: Shape | undefined): readonly Message[] {
  return [
    ...grouping(node.attrs.groups, node.op === "deconv" ? undefined : weight),
    ...kernelMessages(node.attrs, weight?.[2] ?? 0, weight?.[3] ?? 0),
    ...slidingMessages(node.attrs),
  ];
}

function grouping(groups: number, weight: Shape | undefined): readonly Message[] {
  if (groups === 1) return [];
  const [out, inPerGroup] = weight ?? [];
  if (inPerGroup === 1 && out === groups)
    return [["depthwise", `depthwise convolution of ${groups} channels`]];
  return [["grouped", `convolution in ${groups} groups`]];
}

function kernelMessages(attrs: ConvAttrs, rows: number, columns: number): readonly Message[] {
  const messages: Message[] = [];
  const size = `${rows}x${columns}`;
  const strided = Math.max(...attrs.stride) > 1;
  if (rows > 1 && columns > 1 && (rows % 2 === 0 || columns % 2 === 0)) {
    const why = strided ? ` with stride ${attrs.stride.join("x")}` : "";
    messages.push(["even-kernel", `${size} kernel${why}: many chips only hold odd kernels`]);
  }
  if (rows !== columns) messages.push(["oblong-kernel", `${size} kernel`]);
  if (Math.max(rows, columns) > 7) messages.push(["large-kernel", `${size} kernel`]);
  if (attrs.stride[0] > rows || attrs.stride[1] > columns) {
    const stride = attrs.stride.join("x");
    messages.push(["skipped-pixels", `stride ${stride} over a ${size} kernel skips pixels`]);
  }
  return messages;
}

function slidingMessages(attrs: ConvAttrs): readonly Message[] {
  const messages: Message[] = [];
  const [top, left, bottom, right] = attrs.pads;
  if (top !== bottom || left !== right) {
    messages.push(["asymmetric-pads", `pads ${attrs.pads.join(",")} (top, left, bottom, right)`]);
  }
  if (Math.max(...attrs.dilation) > 1) {
    messages.push(["dilated", `dilation ${attrs.dilation.join("x")}`]);
  }
  if (attrs.stride[0] !== attrs.stride[1]) {
    messages.push(["uneven-stride", `stride ${attrs.stride.join("x")}`]);
  }
  return messages;
}

function floatOnly(node: Node): readonly Message[] {
  if (node.op !== "opaque") return [];
  const { domain, opType } = node.attrs;
  const name = domain === "" ? opType : `${domain}.${opType}`;
  return [["float-only", `operator ${name} is not in the table: it runs in float only`]];
}
