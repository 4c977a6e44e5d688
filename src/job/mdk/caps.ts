/**
 * Caps of QuantReLU layers: read from the caffemodel, and set in both files.
 */
import { inputError } from "../../error.ts";
import { caffeSchema, type LayerParameter, setting } from "../../formats/caffe/schema/schema.ts";
import { create } from "../../protobuf/create.ts";
import { float32 } from "../../tensor/tensor.ts";
import { blobsOf, type Edit, labelOf, type TrainNet } from "./train-net.ts";

/** The layer's one cap. Throws where it is not above 0, or channels have different ones. */
export function capOf(trainNet: TrainNet, layer: LayerParameter): number {
  const { caffemodel } = trainNet.files;
  const node = labelOf(layer);
  const values = blobsOf(trainNet, layer)?.[0]?.data ?? fillerCap(layer);
  const [cap = Number.NaN] = values;
  const other = values.find((value) => value !== cap && !Number.isNaN(cap));
  if (other !== undefined) {
    throw inputError("the chip has one cap for a layer, the network one per channel", {
      ...{ where: caffemodel, node },
      got: `${cap}, ${other}, ...`,
      hint: "Calibrate it again: that gives one",
    });
  }
  if (cap > 0 && cap < Infinity) return cap;
  throw inputError("the cap of an activation must be above 0", {
    ...{ where: caffemodel, node },
    got: `${cap}`,
    hint: "Calibrate the network first: inlay calibrate-quant-relu",
  });
}

function fillerCap({ quant_relu_param: param }: LayerParameter): Float32Array {
  const filler = param?.filler;
  return Float32Array.of(filler ? setting("FillerParameter", filler, "value") : 0.25);
}

/**
 * The layer with a fixed cap and quantization on: `filler.value`, `quant_enable`, the first `lr_mult` 0, and
 * the blob of its shape filled; `actBits` where they change.
 */
export function withCap(
  trainNet: TrainNet,
  layer: LayerParameter,
  cap: number,
  actBits?: number,
): Edit {
  const shape = blobsOf(trainNet, layer)?.[0]?.shape ?? [];
  const count = shape.reduce((a, b) => a * b, 1);
  const [first, ...others] = layer.param;
  const param = create(caffeSchema, "ParamSpec", { ...first, lr_mult: 0 });
  const before = layer.quant_relu_param ?? create(caffeSchema, "QuantReLUParameter", {});
  const filler = create(caffeSchema, "FillerParameter", { value: cap });
  return {
    layer: {
      ...layer,
      param: [param, ...others],
      quant_relu_param: {
        ...before,
        filler,
        quant_enable: true,
        ...(actBits !== undefined && { act_bits: actBits }),
      },
    },
    blobs: [float32(shape, new Float32Array(count).fill(cap))],
  };
}
