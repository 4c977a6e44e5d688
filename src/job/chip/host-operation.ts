/**
 * The operation of our own in a full model: a part of the network that runs on the host, as ONNX. It stands where
 * the vendor's operations cannot say what the host computes. chips/gti/IMAGE.md describes it.
 */
import type { FullModelLayer } from "../../chips/gti/full-model-json.ts";

export const hostOperation = "INLAY_ONNX";

/** `before`: gives the value that enters the first chip. `after`: takes what leaves the chips, in their units. */
export type HostPlace = "before" | "after";

export const hostFiles: Readonly<Record<HostPlace, string>> = {
  before: "host_before.onnx",
  after: "host.onnx",
};

export function hostLayerOf(place: HostPlace): FullModelLayer {
  return {
    name: place === "after" ? "host" : "host_before",
    operation: hostOperation,
    place,
    "data file": hostFiles[place],
    "data offset": 0,
  };
}

export function placeOf({ operation, place }: FullModelLayer): HostPlace | undefined {
  if (operation !== hostOperation) return undefined;
  return place === "before" ? "before" : "after";
}
