/**
 * Asks the engine what its kernels can do; once, when the step is built.
 */
import type { Runtime } from "../engine/runtime.ts";
import { encodeModel } from "../formats/onnx/lower.ts";
import { valueInfo } from "../formats/onnx/value-info.ts";
import { elementCount } from "../tensor/shape.ts";
import { float32 } from "../tensor/tensor.ts";
import { commonKernels, type Kernels, plainKernels } from "./kernels.ts";
import { blockedDomain } from "./rules/blocked-conv.ts";

export async function findKernels(runtime: Runtime): Promise<Kernels> {
  if (runtime.options.device !== "cpu") return commonKernels;
  return { ...plainKernels, channelBlock: await findChannelBlock(runtime) };
}

/** Two pixels of more channels than any block has. */
const shape = [1, 64, 1, 2] as const;

/** The block of this machine's processor; 0 where there is no such layout. */
async function findChannelBlock(runtime: Runtime): Promise<number> {
  const node = { op_type: "ReorderInput", domain: blockedDomain, input: ["x"], output: ["y"] };
  const graph = {
    name: "layout",
    node: [node],
    input: [valueInfo("x", { dtype: "float32", dims: shape })],
    output: [valueInfo("y", undefined)],
  };
  const numbered = float32(
    shape,
    Float32Array.from({ length: elementCount(shape) }, (_, at) => at),
  );
  try {
    const session = await runtime.load(encodeModel(graph, { [blockedDomain]: 1 }));
    const results = await session.run(new Map([["x", numbered]]));
    await session.release();
    // The second pixel of the first channel stands behind the first pixels of its block.
    const block = Array.from(results.get("y")?.data ?? [], Number).indexOf(1);
    return block > 1 ? block : 0;
  } catch {
    // A runtime without the layout does not load the model.
    return 0;
  }
}
