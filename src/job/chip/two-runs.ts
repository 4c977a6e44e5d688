/**
 * A model's chips and the reference run on the same pictures, the one in integers, the other in float from the same
 * levels: two computations that share nothing but the picture.
 */
import { batches } from "../../data/batch.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import type { Runtime, Values } from "../../engine/runtime.ts";
import { inputError, workError } from "../../error.ts";
import { reduceBits } from "../../fixed/reduce-bits.ts";
import { type Graph, nodesOf, sweep } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { OnProgress, OnWarning } from "../../notice.ts";
import { batchSize } from "../../run/classify.ts";
import { pictureSize, withPictureInput } from "../../run/prepare.ts";
import { openSession } from "../../run/session.ts";
import { simulationOfIntegers } from "../../run/simulate.ts";
import { asNchw, elementCount, formatShape, sameShape } from "../../tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../../tensor/tensor.ts";
import { entryLevels } from "./chip-sublayers.ts";

export type TwoNetworks = {
  /** The chips in integers, as `chipsAlone` gives them. */
  readonly chips: Graph;
  /** Takes levels, times `inputStep`. */
  readonly reference: Graph;
  readonly inputStep: number;
  /** Of the picture where it enters the chip; undefined where the host computes something before it. */
  readonly inputBits: { readonly from: number; readonly to: number } | undefined;
};

export type Pictures = {
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/** Values of one batch by id; integers of the chips are held as float32. */
export type BothValues = {
  readonly names: readonly string[];
  readonly chips: Values;
  readonly reference: Values;
};

/** Ids that are wanted of each. */
export type WantedValues = {
  readonly chips: readonly string[];
  readonly reference: readonly string[];
};

/** Batch by batch. An input error where the reference takes another input than the chips. */
export async function* runBoth(
  networks: TwoNetworks,
  wanted: WantedValues,
  { dataset, preprocess, runtime, onProgress, onWarning }: Pictures,
): AsyncGenerator<BothValues> {
  const entry = entryLevels(networks.chips);
  checkInputs(networks, entry);
  const chips = simulationOfIntegers(giving(networks.chips, [...wanted.chips, entry])).lowered;
  const [input = ""] = nodesOf(networks.reference, "input").map(({ id }) => id);
  const computed = wanted.reference.filter((id) => id !== input);
  const reference = sweep(giving(networks.reference, computed));
  const sessions = {
    chips: await openSession(withPictureInput(chips, preprocess), runtime),
    reference: await openSession(reference, runtime),
  };
  let done = 0;
  try {
    const batch = Math.min(batchSize(chips), batchSize(reference));
    const reading = { batch, readAhead: 2, onWarning };
    for await (const { images, names } of batches(
      dataset,
      preprocess,
      pictureSize(chips),
      reading,
    )) {
      const [pictures = ""] = sessions.chips.inputs;
      const given = await sessions.chips.run(new Map([[pictures, images]]));
      const levels =
        networks.inputBits === undefined
          ? tensorOf(given, entry)
          : reducedPictures(images, networks.inputBits);
      const fed = scaled(levels, networks.inputStep);
      const results = await sessions.reference.run(new Map([[input, fed]]));
      yield { names, chips: given, reference: new Map([...results, [input, fed]]) };
      done += names.length;
      onProgress?.({ label: "compare", done, total: dataset.samples.length });
    }
  } finally {
    await sessions.chips.release();
    await sessions.reference.release();
  }
}

function giving(graph: Graph, ids: readonly string[]): Graph {
  return { ...graph, outputs: [...new Set(ids)].map((id) => ({ name: id, id })) };
}

export function tensorOf(values: Values, id: string): Tensor {
  const value = values.get(id);
  if (value === undefined) throw workError(`"${id}" was not computed`);
  return value;
}

function checkInputs({ chips, reference }: TwoNetworks, entry: string): void {
  const [, ...levels] = inferTypes(chips).get(entry)?.shape ?? [];
  const [input, ...others] = nodesOf(reference, "input");
  const [, ...own] = input?.attrs.shape ?? [];
  if (others.length === 0 && sameShape(own, levels)) return;
  throw inputError("the reference takes another input than the chip", {
    expected: formatShape(levels),
    got: input === undefined || others.length > 0 ? "not one input" : formatShape(own),
    hint: "The reference must be the network that was converted",
  });
}

/** Picture bytes [n, h, w, c] as levels [n, c, h, w]: the kit's own reduction, apart from the chip's. */
function reducedPictures(
  { shape, data }: Tensor<"uint8">,
  { from, to }: { readonly from: number; readonly to: number },
): Tensor<"float32"> {
  const [n, h, w, c] = asNchw(shape);
  const table = Float32Array.from({ length: 256 }, (_, byte) => reduceBits(byte, from, to));
  const levels = new Float32Array(elementCount(shape));
  const area = h * w;
  for (let at = 0; at < levels.length; at += 1) {
    const channel = Math.floor(at / area) % c;
    const pixel = Math.floor(at / (area * c)) * area + (at % area);
    levels[at] = table[data[pixel * c + channel] ?? 0] ?? 0;
  }
  return float32([n, c, h, w], levels);
}

function scaled(levels: Tensor, step: number): Tensor<"float32"> {
  return float32(
    levels.shape,
    Float32Array.from(toNumbers(levels), (level) => level * step),
  );
}
