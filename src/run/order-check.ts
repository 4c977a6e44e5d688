/**
 * Whether red and blue are the right way round, by the batch norm of the first layer and by a classifier's
 * certainty; and whether a classifier's answers depend on the picture at all.
 */
import type { Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { entropy, pairedT, probabilities, variety } from "./certainty.ts";
import type { Found, Scene } from "./checked-pictures.ts";
import { type Fit, orderGain } from "./first-layer-check.ts";
import { withPictureInput } from "./prepare.ts";
import { type PictureBytes, swapChannels } from "./preprocess-statistics.ts";
import { openSession } from "./session.ts";

/** Below this difference of divergences nothing is said, whatever their ratio. */
const leastOrderGain = 0.008;
/**
 * Paired t of the entropies. Right settings gave -0.4 to -7 on 13 networks and six sets of 64 pictures each. The
 * check as a whole was silent in all 62 runs with right settings and spoke in 50 of 52 with the order wrong (the
 * other two: resnet20).
 */
const leastT = 2.5;
/** Largest variety of the outputs: right settings gave 0.83 to 0.98, inputs of a 100th of the size 0.015 to 0.1. */
const leastVariety = 0.2;
/** Of the largest entropy that the classes allow; what is sure of one class is no sign of a small input. */
const doubt = 0.1;

/** Channel order by batch norm and by certainty, and whether a classifier sees a difference at all. */
export async function compareOrders(
  scene: Scene,
  fit: Fit | undefined,
  more: () => Promise<PictureBytes>,
): Promise<Found> {
  const { channels, preprocess, source } = scene;
  const fitsBetter =
    fit !== undefined &&
    fit.given > orderGain * fit.swapped &&
    fit.given - fit.swapped > leastOrderGain;
  const other = preprocess.order === "rgb" ? "bgr" : "rgb";
  const order = (why: string): Found => ({
    id: "channel-order",
    message: `${why} with --order ${other}`,
    where: source,
  });
  if (!isClassifier(scene.network.float)) {
    return fitsBetter ? order("the pictures fit the first layer's batch norm better") : undefined;
  }
  const [distributions, differences] = await runBoth(scene, more);
  const range = notFinite(distributions, source) ?? sameAnswers(distributions, source);
  if (range !== undefined || channels === 1) return range;
  const t = pairedT(differences);
  if (fitsBetter && t > -1) return order("the pictures fit the first layer's batch norm better");
  const contradicted = fit !== undefined && fit.given <= fit.swapped;
  return t > leastT && !contradicted
    ? order("the network is more certain of these pictures")
    : undefined;
}

/** One output, a vector of scores per picture. */
function isClassifier(graph: Graph): boolean {
  const [output] = graph.outputs;
  if (output === undefined || graph.outputs.length > 1) return false;
  const type = inferTypes(graph).get(output.id);
  const [, ...inner] = type?.shape ?? [];
  return type?.dtype === "float32" && inner.filter((dim) => dim !== 1).length === 1;
}

/**
 * Probabilities as given, and per picture the entropy as given minus that with red and blue exchanged: above 0
 * where the other order is more certain. The second look is taken only where the first favours the other order.
 */
async function runBoth(
  scene: Scene,
  more: () => Promise<PictureBytes>,
): Promise<readonly [distributions: readonly Float64Array[], differences: readonly number[]]> {
  const { network, preprocess, channels, runtime } = scene;
  const session = await openSession(withPictureInput(network.float, preprocess), runtime);
  const output = network.float.outputs[0]?.id ?? "";
  const [input = ""] = session.inputs;
  const distributions: Float64Array[] = [];
  const differences: number[] = [];
  const run = async (images: Tensor<"uint8">): Promise<readonly Float64Array[]> => {
    const scores = (await session.run(new Map([[input, images]]))).get(output);
    return scores?.dtype === "float32" ? probabilities(scores, images.shape[0] ?? 1) : [];
  };
  const look = async (pictures: PictureBytes): Promise<void> => {
    for (const images of pictures) {
      const given = await run(images);
      distributions.push(...given);
      if (channels === 1) continue;
      const swapped = await run(swapChannels(images));
      given.forEach((p, at) => {
        differences.push(entropy(p) - entropy(swapped[at] ?? p));
      });
    }
  };
  try {
    await look(scene.pictures);
    if (pairedT(differences) > 0) await look(await more());
  } finally {
    await session.release();
  }
  return [distributions, differences];
}

function notFinite(distributions: readonly Float64Array[], source: string): Found {
  const bad = distributions.filter((p) => !p.every(Number.isFinite)).length;
  if (bad === 0) return undefined;
  return {
    id: "output-not-finite",
    message: `the network's output is not a number for ${bad} of ${distributions.length} pictures; inspect the weights`,
    where: source,
  };
}

function sameAnswers(distributions: readonly Float64Array[], source: string): Found {
  const classes = distributions[0]?.length ?? 1;
  const mean = distributions.reduce((sum, p) => sum + entropy(p), 0) / distributions.length;
  if (variety(distributions) >= leastVariety || mean < doubt * Math.log(classes)) return undefined;
  return {
    id: "preprocessing-range",
    message:
      "the network says nearly the same of every picture, as it does where its input is too small (check --scale, --mean and --std), or where weights are zeros",
    where: source,
  };
}
