/**
 * What the host computes of a converted network: as ONNX always, as ncnn where its layers can say it, and the fully
 * connected layers apart.
 */
import type { FcLayer } from "../../chips/gti/files/layers.ts";
import { chipPart } from "../../chips/gti/map/chip-part.ts";
import type { ChipMapping } from "../../chips/gti/map/mapping.ts";
import { InlayError } from "../../error.ts";
import { writeNcnn } from "../../formats/ncnn/write.ts";
import { lowerToModel } from "../../formats/onnx/lower.ts";
import { onnxSchema } from "../../formats/onnx/schema.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../../ir/graph.ts";
import type { OnWarning } from "../../notice.ts";
import { cutHost } from "../../passes/cut-host.ts";
import { foldPriorBox } from "../../passes/fold-prior-box.ts";
import { foldQuantLayers } from "../../passes/fold-quant-layers.ts";
import { encodeChunks } from "../../protobuf/binary.ts";
import { takesAnyBatch } from "../../run/session.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import { type HostPlace, hostFiles } from "./host-operation.ts";

export type HostPart = {
  readonly before: Graph | undefined;
  /** Its inputs are the chip's outputs in the chip's units. */
  readonly after: Graph | undefined;
};

export function hostPart(mapping: ChipMapping): HostPart {
  const { before, after } = chipPart(mapping);
  const plain = (graph: Graph | undefined) => graph && foldQuantLayers(foldPriorBox(graph));
  return { before: plain(before), after: plain(after) };
}

/** The parts as ONNX, by the place where they run. DetectionOutput has no ONNX form: what stands before it is given. */
export function hostOnnx(
  part: HostPart,
  onWarning: OnWarning | undefined,
): ReadonlyMap<HostPlace, Chunks> {
  const files = new Map<HostPlace, Chunks>();
  for (const place of ["before", "after"] as const) {
    const whole = part[place];
    if (whole === undefined) continue;
    const graph = cutHost(whole);
    if (graph !== whole) {
      const names = graph.outputs.map(({ name }) => name).join(", ");
      onWarning?.({
        id: "ends-before-host",
        message: `DetectionOutput has no ONNX form: ${hostFiles[place]} ends before it and gives ${names}`,
      });
    }
    const batch = takesAnyBatch(graph) ? ("symbolic" as const) : 1;
    const model = lowerToModel(graph, { batch, outputNames: "outputs" });
    files.set(place, encodeChunks(onnxSchema, "ModelProto", model));
  }
  return files;
}

/** `host.param` and `host.bin`; none, with a warning that says why, where a layer has no ncnn form. */
export function hostNcnn(
  { after }: HostPart,
  onWarning: OnWarning | undefined,
): ReadonlyMap<string, Chunks> {
  if (after === undefined) return new Map();
  try {
    const { param, bin } = writeNcnn(after);
    return new Map<string, Chunks>([
      ["host.param", [new TextEncoder().encode(param)]],
      ["host.bin", bin],
    ]);
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    onWarning?.({ id: "no-ncnn", message: `no host.param is written: ${error.message}` });
    return new Map();
  }
}

/** The fully connected layers of the host, in order, under their layers' names. */
export function fcLayers({ after }: HostPart): readonly FcLayer[] {
  if (after === undefined) return [];
  const nodes = nodeMap(after);
  return nodesOf(after, "linear").flatMap(({ id, inputs }): readonly FcLayer[] => {
    const [weight, bias] = [1, 2].map((at) => constantOf(nodes.get(inputs[at] ?? "")));
    const [outputs = 0, count = 0] = weight?.shape ?? [];
    if (weight?.dtype !== "float32" || (bias !== undefined && bias.dtype !== "float32")) return [];
    const biases = bias?.data ?? new Float32Array(outputs);
    return [{ name: id, outputs, inputs: count, weight: weight.data, bias: biases }];
  });
}
