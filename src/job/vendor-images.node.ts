/**
 * A conversion's files with the vendor library's images in place of Inlay's own; the simulator's model stays beside.
 */
import { networkText } from "../chips/gti/network-json.ts";
import type { ChipProgram } from "../chips/gti/program/program.ts";
import { inputError } from "../error.ts";
import { joinBytes } from "../tensor/chunks.ts";
import { type ChipFiles, packedModel } from "./chip/chip-files.ts";
import { coefficientTexts, layersOf } from "./chip/coefficient-files.ts";
import { simulationName } from "./chip-model.node.ts";
import type { FileContent } from "./file-content.ts";
import { vendorImage } from "./vendor-library.node.ts";

/** The log that is kept of the library. */
const logName = "vendor.log";

/** Calls the library once per chip. A network without major layers has nothing to give it. */
export async function withVendorImages(
  library: string,
  program: ChipProgram,
  made: ChipFiles,
  { modelFile, debug }: { readonly modelFile: string; readonly debug: boolean },
): Promise<ReadonlyMap<string, FileContent>> {
  if (made.networks.chips.length === 0) {
    throw inputError("the vendor's library needs a network of major layers", {
      got: program.mapping.noLayout,
    });
  }
  const chips = made.header.fullModel.layers.filter(({ operation }) => operation === "GTICNN");
  const files = new Map(made.files);
  const data = new Map(made.data);
  const logs: string[] = [];
  for (const [at, network] of made.networks.chips.entries()) {
    const layers = layersOf(program, made.images[at]?.convs ?? []);
    const { filter, bias } = coefficientTexts(layers);
    const { chipType } = program.target;
    const encoded = new TextEncoder().encode(networkText(network));
    const texts = { filter: joinBytes([...filter]), bias: joinBytes([...bias]) };
    const input = { network: encoded, ...texts, chipType, debug };
    const { image, log } = await vendorImage(library, input);
    const file = String(chips[at]?.["data file"] ?? "coef.dat");
    logs.push(`chip ${at + 1}\n${log}`);
    data.set(file, [image]);
    for (const name of [file, `debug/${file}`]) if (files.has(name)) files.set(name, image);
  }
  files.delete(modelFile);
  files.set(simulationName, made.model);
  files.set(logName, logs.join("\n"));
  files.set(modelFile, packedModel(made.header, data));
  return files;
}
