import { describe, expect, it } from "vitest";
import { sampleConvert, samplePredict } from "../../test/convert-sample.ts";
import { renderText } from "./text.ts";

describe("a conversion as text", () => {
  it("says whose image was written", () => {
    expect(renderText(sampleConvert())).toMatchInlineSnapshot(`
      "tiny  target gti2803

      layer  place  bits  shift  max|W|  max|B|  cap  acc. bits
      conv1    1.1     2     10  0.4644    0.25   31         21
      conv2    2.1     2      9  0.2322    0.25   31         22

      Host
        operations: FC, SOFTMAX, LABEL
        labels: 10

      Chip image
        out.model holds Inlay's own image: for the simulator, no device takes it
        accumulators: 22 bits hold every sum, 32 are assumed

      Written
        output: net.json, coef.dat, out.model
      "
    `);
  });

  it("of a study tells what cannot be deployed", () => {
    expect(renderText(sampleConvert(true))).toMatchInlineSnapshot(`
      "tiny  target gti2803, 2 chips

      layer   place  bits  shift  max|W|  max|B|  cap  acc. bits
      conv1  1: 1.1     2     10  0.4644    0.25  6.5         33
      conv2  2: 2.1     2      9  0.2322    0.25  6.5         33

      Host
        operations: INLAY_ONNX
        as ONNX, an operation of Inlay's own: lrn "norm": a full model has no such operation for the host
        labels: none, so no LABEL layer
        1.0 of the chip's last value is 0.2097

      Chip image
        out.model holds the vendor library's image: for the device
        not deployable: waived image-size
        accumulators: 33 bits hold every sum, 32 are assumed

      Written
        output: net.json, coef.dat, out.model
      "
    `);
  });
});

it("a model's classes as text", () => {
  expect(renderText(samplePredict())).toMatchInlineSnapshot(`
    "tiny  integer simulation for gti2803, accumulators of 20 bits that wrap

    a.jpg
            0.75      3  n3 a cat
          0.0625      0
    "
  `);
});
