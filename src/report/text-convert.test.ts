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

  it("shows the copies of channels where there are some", () => {
    const plain = sampleConvert();
    const layers = plain.layers.map((layer, at) => ({ ...layer, copies: at === 0 ? 4 : 1 }));
    const text = renderText({ ...plain, layers });
    expect(text).toContain("acc. bits  copies\n");
    expect(text).toMatch(/conv1 .* 21 {7}4\nconv2 .* 22 {7}1\n/);
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

      Accuracy (top-1)
        float      77.20 % (386 of 500; 95 % interval 73.30 to 80.70)
        simulated  76.20 % (381 of 500; 95 % interval 72.30 to 79.70)  not deployable
        change     -1.00 points; 31 images (6.20 %) changed their best class

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
