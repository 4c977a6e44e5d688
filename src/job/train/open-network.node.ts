/**
 * A training prototxt opened for a phase: the network with picture bytes as its input, and the pictures of its own data
 * layer.
 */
import { isMeanImage } from "../../data/preprocess.ts";
import { type NamedBytes, writePrototxt } from "../../formats/caffe/files.ts";
import type { Phase } from "../../formats/caffe/phase.ts";
import { readTraining, trainingNet } from "../../formats/caffe/read-training.ts";
import type { LayerParameter, NetParameter } from "../../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../../notice.ts";
import { type FedNetwork, feedPictures } from "../../train/fed-network.ts";
import type { SolverNets } from "../../train/solver/nets.ts";
import { type DataLayer, openDataLayer } from "../data-layer.node.ts";
import { located } from "../located.ts";

export type OpenNetwork = {
  /** The layers of the phase, as the prototxt has them. */
  readonly net: NetParameter;
  readonly fed: FedNetwork;
  readonly data: DataLayer;
};

export type OpenNetworkOptions = {
  readonly phase: Phase;
  readonly state: SolverNets["train"]["state"];
  /** As in `TrainJob`. */
  readonly folder: string;
  readonly seed: number;
  /** How many batches will be read; undefined for all pictures. */
  readonly batches?: number | undefined;
  /** Whether pictures are cropped and mirrored by chance, as the data layer says. */
  readonly augmented?: boolean;
  /** Layers that get their weights from elsewhere: random fillers of theirs are not computed. */
  readonly weighted?: ReadonlySet<string>;
  readonly caffemodel?: NamedBytes | undefined;
  readonly ignoreShapeMismatch?: boolean | undefined;
  readonly onWarning: OnWarning;
};

/** More than anybody tests with: a slip of the pen. */
const maxPictures = 10_000_000;

/** Reads the network and opens its data layer. Throws where files can not feed it. */
export function openNetwork(
  prototxt: NamedBytes,
  options: OpenNetworkOptions,
): Promise<OpenNetwork> {
  const { caffemodel } = options;
  const files = [prototxt.name, ...(caffemodel === undefined ? [] : [caffemodel.name])];
  return located(files, () => open(prototxt, options));
}

async function open(prototxt: NamedBytes, options: OpenNetworkOptions): Promise<OpenNetwork> {
  const { phase, state, folder, batches, onWarning } = options;
  const chosen = { phase, level: state.level || undefined, stages: state.stages };
  const net = trainingNet({ prototxt, ...chosen, onWarning });
  const data = await openDataLayer(withoutRules(net), {
    ...{ phase, prototxt: prototxt.name, folder, batches, maxPictures, onWarning },
  });
  const { channels, height, width } = data.size;
  const [top = "data"] = data.layer.top;
  const network = readTraining({
    ...{ ...chosen, seed: options.seed, onWarning },
    prototxt: withoutFillers(net, prototxt, options.weighted),
    caffemodel: options.caffemodel,
    ignoreShapeMismatch: options.ignoreShapeMismatch,
    inputShapes: new Map([[top, [data.batchSize, channels, height, width]]]),
  });
  return {
    net,
    data,
    fed: feedPictures(network, data, options.augmented === true && movesMean(data)),
  };
}

/** The prototxt with zeros in place of the large random fillers of these layers. */
function withoutFillers(
  net: NetParameter,
  prototxt: NamedBytes,
  weighted: ReadonlySet<string> | undefined,
): NamedBytes {
  if (weighted === undefined) return prototxt;
  const layer = net.layer.map((one): LayerParameter => {
    const { convolution_param: conv, inner_product_param: product } = one;
    if (!weighted.has(one.name ?? "")) return one;
    return {
      ...one,
      ...(conv && { convolution_param: { ...conv, weight_filler: undefined } }),
      ...(product && { inner_product_param: { ...product, weight_filler: undefined } }),
    };
  });
  const text = writePrototxt("NetParameter", { ...net, layer });
  return { name: prototxt.name, bytes: new TextEncoder().encode(text) };
}

/** The phase's layers are chosen already. */
function withoutRules(net: NetParameter): NetParameter {
  return { ...net, layer: net.layer.map((layer) => ({ ...layer, include: [], exclude: [] })) };
}

/** True where chance decides which part of a mean image belongs to a picture. */
function movesMean({ preprocess, mirror }: DataLayer): boolean {
  return isMeanImage(preprocess.mean) && (mirror || preprocess.crop !== undefined);
}
