/**
 * Made-up reports of a conversion and of a model's run: something to render and check.
 */
import type { ConvertReport } from "../src/report/convert.ts";
import type { PredictReport } from "../src/report/predict.ts";

/** `studied`: with waived rules, several chips, an own operation and edited gains. */
export function sampleConvert(studied = false): ConvertReport {
  const layer = (name: string, at: number) => ({
    name,
    chip: studied ? at : 1,
    major: at,
    sublayer: 1,
    coefficientBits: 2,
    shift: 11 - at,
    maxWeight: 0.46435546875 / at,
    maxBias: 0.25,
    cap: studied ? 6.5 : 31,
    copies: 1,
    accumulatorBits: studied ? 33 : 20 + at,
  });
  return {
    schema: "inlay.convert/1",
    model: "tiny",
    source: ["deploy.prototxt", "net.caffemodel"],
    target: "gti2803",
    out: "output",
    files: ["net.json", "coef.dat", "out.model"],
    modelFile: "out.model",
    image: studied ? "vendor" : "inlay",
    deployable: !studied,
    waived: studied ? ["image-size"] : [],
    chips: studied ? 2 : 1,
    layers: [layer("conv1", 1), layer("conv2", 2)],
    editGain: studied,
    scaleFactor: studied ? 6.5 / 31 : 1,
    hostOperations: studied ? ["INLAY_ONNX"] : ["FC", "SOFTMAX", "LABEL"],
    ownOperation: studied ? 'lrn "norm": a full model has no such operation for the host' : null,
    labels: studied ? null : 10,
    accumulator: { bits: 32, needed: studied ? 33 : 22 },
    calibration: studied ? { method: "minmax", images: "calib/", samples: 250 } : null,
    accuracy: studied
      ? {
          images: "val/",
          samples: 500,
          float: { count: 386, percent: 77.2, interval: [73.3, 80.7] },
          simulated: { count: 381, percent: 76.2, interval: [72.3, 79.7] },
          changedImages: 31,
        }
      : null,
    bitMatch: null,
    warnings: [],
  };
}

export function samplePredict(): PredictReport {
  return {
    schema: "inlay.predict/1",
    model: "tiny",
    target: "gti2803",
    images: "pictures/",
    deployable: true,
    waived: [],
    accumulator: { bits: 20, overflow: "wrap" },
    pictures: [
      {
        name: "a.jpg",
        label: 3,
        best: [
          { index: 3, id: "n3", name: "a cat", score: 0.75 },
          { index: 0, id: null, name: null, score: 0.0625 },
        ],
      },
    ],
    warnings: [],
  };
}
