/**
 * From a converted network to the files of its folder, by name and as what is to be written. Nothing is written here.
 * Weights of the host stand in up to five files: all are views of the same tensors.
 */
import type { Label } from "../../chips/gti/files/labels.ts";
import { composeModel } from "../../chips/gti/files/model.ts";
import { encodeFcParam } from "../../chips/gti/files/params.ts";
import { type FullModel, fullModelText } from "../../chips/gti/full-model-json.ts";
import { type JsonObject, parseJson } from "../../chips/gti/json-text.ts";
import type { Layout } from "../../chips/gti/layout.ts";
import { type NetworkJson, networkText } from "../../chips/gti/network-json.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import { workError } from "../../error.ts";
import type { OnWarning } from "../../notice.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import type { FileContent } from "../file-content.ts";
import { caffeFiles } from "./caffe-files.ts";
import { type ChipImage, chipImages } from "./chip-images.ts";
import { type ChipNetworks, chipNetworks } from "./chip-networks.ts";
import { coefficientTexts, layersOf, parameterFiles } from "./coefficient-files.ts";
import { logFiles, warnAboutDrowned } from "./conversion-logs.ts";
import { hostFiles } from "./host-operation.ts";
import { fcLayers, hostNcnn, hostOnnx, hostPart } from "./host-part.ts";
import { type ModelHeader, modelData, modelHeader } from "./model-header.ts";

export type ChipFilesOptions = {
  /** The network's name. */
  readonly name: string;
  /** `out.model` of a conversion, `NAME.model` of a quantization. */
  readonly modelFile: string;
  /** How pictures become the float network's input. */
  readonly preprocess: Preprocess;
  /** Rules that were waived and are broken. */
  readonly waived: readonly string[];
  /** With the outputs that are asked for; undefined where waived rules leave no major layers. */
  readonly layout: Layout | undefined;
  /** Chips in a row. */
  readonly chips: number;
  readonly labels?: readonly Label[] | undefined;
  /** The user's own JSON files, the first one checked against the network already. */
  readonly network?: NetworkJson | undefined;
  readonly fullModel?: FullModel | undefined;
  /** Intermediate files too, in `debug/`: coefficients as text take 24 bytes a weight. */
  readonly debug: boolean;
  /** The refined network for the vendor's kit: prototxt, caffemodel, network.json. */
  readonly caffe: boolean;
  readonly started: string;
  readonly commands: readonly string[];
  readonly onWarning?: OnWarning | undefined;
};

export type ChipFiles = {
  /** By name below the folder, with `/`: `debug/common_format/filter.txt`. */
  readonly files: ReadonlyMap<string, FileContent>;
  readonly networks: ChipNetworks;
  readonly header: ModelHeader;
  readonly images: readonly ChipImage[];
  /** Data of the model's layers by file. */
  readonly data: ReadonlyMap<string, Chunks>;
  /** The content of `modelFile`. */
  readonly model: Chunks;
};

/** All files of the folder, in the order in which they are to be written: the model last. */
export function chipFiles(program: ChipProgram, options: ChipFilesOptions): ChipFiles {
  const { name, labels, preprocess, waived, onWarning } = options;
  const networks = chipNetworks(program, options);
  const part = hostPart(program.mapping);
  const header = modelHeader(program.target, networks.chips, part, options);
  const imageOptions = { name, preprocess, waived, networks: networks.chips };
  const images = chipImages(program, imageOptions);
  const onnx = hostOnnx(part, onWarning);
  const bytes = images.map((image) => image.bytes);
  const data = modelData(header, bytes, onnx, labels);
  warnAboutDrowned(program, onWarning);
  const onnxFiles = [...onnx].map(([place, content]) => [hostFiles[place], content] as const);
  const chip = new Set(program.mapping.chip.nodes);
  const about = { name, chip, target: program.target.name };
  const model = packedModel(header, data);
  const files = new Map<string, FileContent>([
    ...networkFiles(networks, options),
    ["fullmodel.json", fullModelText(header.fullModel)],
    ...data,
    ...onnxFiles,
    ...hostNcnn(part, onWarning),
    ...(options.caffe ? caffeFiles(program.mapping.graph, about, onWarning) : []),
    ...logFiles(program, options),
    ...(options.debug ? debugFiles(program, images, header, data, networks) : []),
    [options.modelFile, model],
  ]);
  return { files, networks, header, images, data, model };
}

/** The `.model` of a header and data. */
export function packedModel({ fullModel }: ModelHeader, data: ReadonlyMap<string, Chunks>): Chunks {
  const header = parseJson({ name: fullModel.name, text: fullModelText(fullModel) });
  if (typeof header === "object" && header !== null && !Array.isArray(header)) {
    return composeModel(header as JsonObject, data);
  }
  throw workError("a full model is no object", { where: fullModel.name });
}

/** net.json, and net_chipN.json of a cascade; for the vendor's kit also what its converter starts from. */
function networkFiles(
  { template, whole, chips }: ChipNetworks,
  { caffe }: ChipFilesOptions,
): readonly (readonly [string, string])[] {
  return [
    ...(caffe && template !== undefined ? [["network.json", networkText(template)] as const] : []),
    ...(whole === undefined ? [] : [["net.json", networkText(whole)] as const]),
    ...(chips.length < 2
      ? []
      : chips.map((chip, at) => [`net_chip${at + 1}.json`, networkText(chip)] as const)),
  ];
}

/** What the vendor's converter keeps on request, under its names. */
function debugFiles(
  program: ChipProgram,
  images: readonly ChipImage[],
  { fullModel }: ModelHeader,
  data: ReadonlyMap<string, Chunks>,
  networks: ChipNetworks,
): readonly (readonly [string, FileContent])[] {
  const texts = (convs: readonly string[], suffix: string) => {
    const { filter, bias } = coefficientTexts(layersOf(program, convs));
    return [
      [`common_format/filter${suffix}.txt`, filter],
      [`common_format/bias${suffix}.txt`, bias],
    ] as const;
  };
  const whole = images.flatMap((image) => image.convs);
  const layers = layersOf(program, whole);
  const cascade =
    images.length < 2 ? [] : images.flatMap(({ convs }, at) => texts(convs, `_chip${at + 1}`));
  const net =
    networks.whole === undefined ? [] : [["net.json", networkText(networks.whole)] as const];
  const fc = fcLayers(hostPart(program.mapping));
  const inDebug: readonly (readonly [string, FileContent])[] = [
    ...texts(whole, ""),
    ...cascade,
    ...parameterFiles(layers),
    ...(fc.length === 0 ? [] : [["fc.param", encodeFcParam(fc)] as const]),
    ...net,
    ["fullmodel.json", fullModelText(fullModel)],
    ...data,
  ];
  return inDebug.map(([file, content]) => [`debug/${file}`, content] as const);
}
