import { describe, expect, test } from "vitest";
import * as sample from "../../test/report-sample.ts";
import { renderText } from "./text.ts";
import { findingLines } from "./text-sections.ts";

describe("text", () => {
  test("inspection", () => {
    expect(renderText(sample.sampleInspect(sample.sampleGraph(1)))).toMatchInlineSnapshot(`
      "mobilenet_v1  deploy.prototxt, net.caffemodel
      input   data  float32 1x3x224x224
      output  prob  float32 1x1000x1x1

      layer            operator       output       parameters    MACs  weights  activations
      conv1            conv           1x8x112x112         224  2.71 M    896 B       401 kB
      relu6_conv1      clip           1x8x112x112                                    401 kB
      conv2/dw         conv           1x8x112x112          80   903 k    320 B       401 kB
      relu6_conv2/dw   clip           1x8x112x112                                    401 kB
      conv2/sep        conv           1x8x112x112          72   803 k    288 B       401 kB
      relu6_conv2/sep  clip           1x8x112x112                                    401 kB
      pool6            globalAvgPool  1x8x1x1                                          32 B
      fc7              conv           1x1000x1x1       8.00 k  8.00 k  32.0 kB      4.00 kB
      prob             softmax        1x1000x1x1                                    4.00 kB

      9 layers, 8.38 k parameters, 4.42 M MACs, 33.5 kB of weights, 1.00 MB of activations at most

      Unusual
        conv2/dw: depthwise convolution of 8 channels
      "
    `);
  });

  test("inspection of a batch says so", () => {
    const graph = sample.sampleGraph(1);
    const nodes = graph.nodes.map((node) =>
      node.op === "input" ? { ...node, attrs: { ...node.attrs, shape: [64, 3, 224, 224] } } : node,
    );
    expect(renderText(sample.sampleInspect({ ...graph, nodes }))).toContain(" for a batch of 64\n");
  });

  test("evaluation", () => {
    expect(renderText(sample.sampleEvaluate(true))).toMatchInlineSnapshot(`
      "out  integer simulation
      top-1          78.40 % (392 of 500; 95 % interval 74.58 to 81.78)
      top-5          95.00 % (475 of 500; 95 % interval 92.72 to 96.59)
      samples        500, 500 of them labelled
      changed        14 images against float
      time           17.1 ms per image
      images         val/labels.txt
      preprocessing  crop=224 order=bgr mean=127.5,127.5,127.5 scale=0.00784313725490196
      device         cpu, 2 threads
      seed           1
      "
    `);
    const unlabelled = { ...sample.sampleEvaluate(false), labelled: 0, top1: null, top5: null };
    expect(renderText(unlabelled)).not.toContain("top-");
  });

  test("calibration", () => {
    const report = sample.sampleCalibrate();
    expect(renderText({ ...report, ranges: report.ranges.slice(0, 4) })).toMatchInlineSnapshot(`
      "mobilenet_v1  method mse, 250 images of calib/, 21.0 ms per image

      layer     tensor            min    max  lo  hi
      conv1     weights       -0.9236  0.333   -   -
      conv1     activations         0  1.995   0   6
      conv2/dw  weights      -0.08184  0.234   -   -
      conv2/dw  activations         0  4.576   0   6
      "
    `);
  });

  test("quantization", () => {
    const report = sample.sampleQuantize();
    expect(renderText({ ...report, layers: report.layers.slice(-2) })).toMatchInlineSnapshot(`
      "mobilenet_v1  target int8 method=mse weights=per channel biasCorrection=true

      layer       operator  bits  weight scale                output scale  zero  acc. bits  exact in   weight SQNR  output SQNR
      conv14/sep  conv         8  0.001068 .. 0.005042 (64)   0.02664          0         19  one plane      39.9 dB            -
      fc7         conv         8  0.0008152 .. 0.006187 (64)  -                          20  one plane      45.7 dB            -

      Stays in float
        prob (softmax): runs on the host

      Size of the weights
        16.9 MB -> 4.31 MB (3.93 times smaller)

      Accuracy (top-1)
        float      79.00 % (395 of 500; 95 % interval 75.22 to 82.34)
        quantized  78.40 % (392 of 500; 95 % interval 74.58 to 81.78)
        change     -0.60 points; 14 images (2.80 %) changed their best class

      Warnings
        conv4/dw: 1.83 % of the values saturate: try another method

      Written
        out: quantized.onnx, ranges.json, report.json, report.html, manifest.json
      "
    `);
  });

  test("comparison", () => {
    const report = sample.sampleCompare();
    const text = renderText(
      { ...report, layers: report.layers.slice(4, 7), worst: ["conv4/dw"] },
      (role, words) => (role === "bad" ? `[${words}]` : words),
    );
    expect(text).toMatchInlineSnapshot(`
      "out  50 images of val/labels.txt

      layer      operator    cosine     SQNR  max error  saturated  underflow  weight SQNR
      conv3/sep  intConv   0.999961  41.1 dB      1.826     0.02 %     1.86 %      43.4 dB
      conv4/dw   intConv   0.993646  [19.0 dB]      1.655     1.83 %     0.12 %      39.4 dB
      conv4/sep  intConv   0.999956  40.5 dB     0.1762     0.03 %     1.11 %      41.4 dB

      Worst layers
         19.0 dB  conv4/dw

      [First layer below 20.0 dB: conv4/dw]
      "
    `);
  });

  test("recipe run", () => {
    expect(renderText(sample.sampleRun())).toMatchInlineSnapshot(`
      "recipe.yaml  12.5 s

      step       status     time
      calibrate  skipped     0 s  nothing has changed
      quantize   done     12.3 s
      compare    failed   200 ms  val/labels.txt: no such file
      "
    `);
  });

  test("a job is its parts", () => {
    const job = sample.sampleJob();
    const text = renderText(job);
    for (const part of [sample.sampleInspect(), sample.sampleQuantize(), sample.sampleCompare()]) {
      expect(text).toContain(renderText(part));
    }
  });
});

test("many findings of a kind become a few lines", () => {
  const findings = Array.from({ length: 9 }, (_, at) => ({
    kind: "sparse",
    node: `conv${at}`,
    message: "70 % of the weights are zero",
  }));
  expect(findingLines(findings)).toEqual([
    "conv0: 70 % of the weights are zero",
    "conv1: 70 % of the weights are zero",
    "and 7 more of this kind (sparse)",
  ]);
  expect(findingLines([{ kind: "k", node: null, message: "whole" }])).toEqual(["whole"]);
});

test("names from files cannot steer the terminal", () => {
  const evil = "conv\u001b]0;owned\u0007\u001b[2J\u202e";
  const graph = sample.sampleGraph(1, evil);
  const inspect = sample.sampleInspect(graph);
  const layer = { ...sample.sampleCompare().layers[0]!, name: evil, op: evil };
  const reports = [
    { ...inspect, source: [evil], layers: [{ ...inspect.layers[0]!, name: evil, op: evil }] },
    { ...sample.sampleCompare(), model: evil, images: evil, layers: [layer], worst: [evil] },
    { ...sample.sampleQuantize(), model: evil, out: evil, files: [evil], target: evil },
    { ...sample.sampleEvaluate(true), model: evil, preprocessing: { [evil]: evil } },
    { ...sample.sampleRun(), recipe: evil },
  ];
  for (const report of reports) {
    expect(renderText(report).replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
});
