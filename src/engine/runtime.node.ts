/**
 * ONNX Runtime's native library behind `Runtime`. It is loaded at the first call, so that commands
 * that compute nothing start fast.
 */
import type * as Ort from "onnxruntime-node";
import { workError } from "../error.ts";
import type { DType, Tensor } from "../tensor/tensor.ts";
import type { Runtime, RuntimeOptions, Session, Values } from "./runtime.ts";

const defaults: RuntimeOptions = { device: "cpu", threads: 0 };

/** The runtime of this process. Throws where the native library does not load. */
export async function nodeRuntime(options: Partial<RuntimeOptions> = {}): Promise<Runtime> {
  const ort = await importOrt();
  const chosen = { ...defaults, ...options };
  return {
    options: chosen,
    version: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    load: (model) => loadSession(ort, model, chosen),
  };
}

async function importOrt(): Promise<typeof Ort> {
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    throw workError("the ONNX Runtime library does not load", {
      got: messageOf(cause),
      hint: "Run npm ci again on this machine; Linux, macOS and Windows on x64 or arm64 are supported",
    });
  }
}

async function loadSession(
  ort: typeof Ort,
  model: Uint8Array,
  options: RuntimeOptions,
): Promise<Session> {
  const session = await createSession(ort, model, options);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    run: (feeds) => runSession(ort, session, feeds),
    release: () => session.release(),
  };
}

async function createSession(
  ort: typeof Ort,
  model: Uint8Array,
  options: RuntimeOptions,
): Promise<Ort.InferenceSession> {
  const errorsOnly = 3;
  try {
    return await ort.InferenceSession.create(model, {
      executionProviders: [options.device],
      graphOptimizationLevel: "all",
      logSeverityLevel: errorsOnly,
      // It merges a Pad as wide as the window into a pool, which then refuses its own pads. The pads
      // that are worth merging are merged before (`passes/merge-pad.ts`).
      extra: { optimization: { disable_specified_optimizers: "Pad_Fusion" } },
      ...(options.threads > 0 ? { intraOpNumThreads: options.threads } : {}),
    });
  } catch (cause) {
    throw workError("ONNX Runtime does not take the model", {
      got: messageOf(cause),
      hint:
        options.device === "cpu"
          ? undefined
          : `The device "${options.device}" may not be available here; try --device cpu`,
    });
  }
}

async function runSession(
  ort: typeof Ort,
  session: Ort.InferenceSession,
  feeds: Values,
): Promise<Values> {
  const inputs: Record<string, Ort.Tensor> = {};
  for (const [name, value] of feeds) {
    inputs[name] = new ort.Tensor(value.dtype, value.data as Float32Array, value.shape as number[]);
  }
  try {
    const results = await session.run(inputs);
    return new Map(Object.entries(results).map(([name, value]) => [name, fromOrt(value)]));
  } catch (cause) {
    throw workError("ONNX Runtime stopped while running the model", { got: messageOf(cause) });
  }
}

function fromOrt(value: Ort.Tensor): Tensor {
  // The runtime's names for element types are ours.
  return { dtype: value.type as DType, shape: value.dims, data: value.data } as Tensor;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
