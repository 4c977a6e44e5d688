import { describe, expect, it } from "vitest";
import { displayLines, formatG, glogPrefix, testLines } from "./caffe-log.ts";

describe("formatG", () => {
  it.each([
    [0, "0"],
    [1, "1"],
    [0.1, "0.1"],
    [0.0090204029, "0.0090204"],
    [0.0001, "0.0001"],
    [0.00001234567, "1.23457e-05"],
    [123456, "123456"],
    [999999.5, "1e+06"],
    [1234567, "1.23457e+06"],
    [-2.5, "-2.5"],
    [1e-10, "1e-10"],
    [1.5e300, "1.5e+300"],
    [Number.NaN, "nan"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
  ])("%d is %s, as C prints it", (value, text) => {
    expect(formatG(value)).toBe(text);
  });
});

describe("lines", () => {
  it("tell speed, loss, outputs and rate", () => {
    const shown = {
      ...{ iteration: 20, loss: 0.5, rate: 0.01, iterations: 20, seconds: 4 },
      outputs: [
        { name: "accuracy", value: 0.75 },
        { name: "loss", value: 0.25, weight: 2 },
      ],
    };
    expect(displayLines(shown)).toEqual([
      "Iteration 20 (5 iter/s, 4s/20 iters), loss = 0.5",
      "    Train net output #0: accuracy = 0.75",
      "    Train net output #1: loss = 0.25 (* 2 = 0.5 loss)",
      "Iteration 20, lr = 0.01",
    ]);
    expect(testLines(shown.outputs)[1]).toBe(
      "    Test net output #1: loss = 0.25 (* 2 = 0.5 loss)",
    );
  });

  it("begin as glog's", () => {
    const time = new Date(2026, 10, 7, 4, 5, 6, 78);
    expect(glogPrefix(time, 42)).toBe("I1107 04:05:06.078000    42 solver.cpp:1] ");
    expect(glogPrefix(time, 123456, "caffe.cpp")).toMatch(/ 123456 caffe\.cpp:1\] $/);
  });
});
