/**
 * What a manifest holds, as plain data. `manifest.node.ts` writes and reads it.
 */
import type { Preprocess } from "../data/preprocess.ts";
import type { Device } from "../engine/runtime.ts";
import type { QuantizeOptions } from "../quantize/options.ts";
import type { CalibrationMethod } from "./options.ts";

/** One input of a job: a file, or a set of files (pictures) under one hash. */
export type InputHash = {
  /** The path as the user gave it. */
  readonly file: string;
  /** 64 hexadecimal digits. Of a set: over the sorted lines `name size sha256`. */
  readonly sha256: string;
  readonly bytes: number;
  /** How many files the set has; 1 for a file. */
  readonly files: number;
};

export type Manifest = {
  readonly schema: "inlay.manifest/1";
  readonly versions: {
    readonly inlay: string;
    readonly node: string;
    /** Library name and version: `onnxruntime-node 1.30.0`. */
    readonly engine: string;
  };
  /** The command line, as words. */
  readonly command: readonly string[];
  readonly seed: number;
  /** 0: ONNX Runtime's own choice. */
  readonly threads: number;
  readonly device: Device;
  readonly target: string;
  readonly preprocess: Preprocess;
  readonly calibration: {
    readonly method: CalibrationMethod;
    /** The image source, as the user gave it. */
    readonly images: string;
    readonly samples: number;
  };
  readonly options: QuantizeOptions;
  /** Model files, picture sets, a mean file: everything that was read. */
  readonly inputs: readonly InputHash[];
  /** The files beside the manifest, by their plain names; a later change is found by these. */
  readonly outputs: readonly InputHash[];
};
