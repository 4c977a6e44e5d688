/**
 * What Inlay asks of ONNX Runtime, independent of where it runs: load a model, run it, let it go.
 * `runtime.node.ts` binds the native library.
 */
import type { Tensor } from "../tensor/tensor.ts";

export type Device = "cpu" | "webgpu" | "cuda";

export type RuntimeOptions = {
  readonly device: Device;
  /** Threads that one inference may use; 0 leaves the choice to ONNX Runtime. */
  readonly threads: number;
};

/** Values by name. */
export type Values = ReadonlyMap<string, Tensor>;

/** A loaded model. Only one session should work at a time: their thread pools spin. */
export type Session = {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly run: (feeds: Values) => Promise<Values>;
  readonly release: () => Promise<void>;
};

export type Runtime = {
  readonly options: RuntimeOptions;
  /** Library name and version, as recorded in manifests. */
  readonly version: string;
  readonly load: (model: Uint8Array) => Promise<Session>;
};
