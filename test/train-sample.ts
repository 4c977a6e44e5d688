/** Reports of training and testing with every field filled. */
import type { TestReport, TrainReport } from "../src/report/train.ts";

export function sampleTrain(): TrainReport {
  return {
    schema: "inlay.train/1",
    solver: "solver.prototxt",
    network: "small <net>",
    nets: ["net.prototxt"],
    images: "train_lmdb",
    from: ["net_iter_100.solverstate", "net_iter_100.caffemodel"],
    began: 100,
    iterations: 300,
    maxIterations: 400,
    stopped: true,
    seconds: 12.5,
    secondsPerIteration: 0.05,
    loss: 0.25,
    outputs: [{ name: "loss", value: 0.25, weight: 1 }],
    tests: [100, 200, 300].map((iteration) => ({
      ...{ iteration, net: 0 },
      outputs: [
        { name: "accuracy", value: iteration / 400, weight: null },
        { name: "loss", value: iteration === 200 ? null : 1 / iteration, weight: 0.5 },
      ],
    })),
    best: { iteration: 300, name: "accuracy", value: 0.75 },
    curve: [0, 100, 200, 300].map((iteration) => ({
      ...{ iteration, rate: iteration < 200 ? 0.1 : 0.001 },
      loss: iteration === 100 ? null : 200 / (iteration + 1),
    })),
    snapshots: ["net_iter_200.solverstate", "net_iter_300.solverstate"],
    files: [
      ...["net.jsonl", "net.html", "net_iter_200.caffemodel", "net_iter_200.solverstate"],
      ...["net_iter_300.caffemodel", "net_iter_300.solverstate"],
    ],
    ...{ seed: 7, threads: 2, device: "cpu" },
    warnings: [{ id: "w", message: "a warning", where: "net.prototxt" }],
  };
}

export function sampleTest(): TestReport {
  return {
    schema: "inlay.test/1",
    model: "net.prototxt",
    weights: ["net.caffemodel"],
    images: "test_lmdb",
    ...{ iterations: 3, samples: 300, loss: 0.4 },
    outputs: [
      { name: "accuracy", value: 0.9, weight: null },
      { name: "loss", value: 0.2, weight: 2 },
    ],
    accuracies: [
      { name: "accuracy", count: 270, total: 300, percent: 90, interval: [86.08, 92.92] },
    ],
    ...{ stopped: false, seconds: 1.5 },
    warnings: [],
  };
}
