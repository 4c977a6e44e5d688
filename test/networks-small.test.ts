/**
 * Real CIFAR-10 and MNIST networks: float counts, int8 accuracy, and the proofs of the simulation.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  changedByKernels,
  checkEvaluate,
  checkFloat,
  checkKernels,
  checkScalar,
  int8Operators,
  type Quantized,
  quantizeNetwork,
} from "./check-network.ts";
import {
  type CifarFolder,
  cifarNetworks,
  dataDir,
  lenet,
  type NetworkCase,
  unpackCifar,
} from "./networks.ts";
import { say } from "./say.ts";

const floatNames = [
  "LeNet",
  "cifar10_quick",
  "resnet20",
  "resnet8",
  "resnet20, Caffe",
  "resnet8, Caffe",
] as const;

describe.skipIf(dataDir === undefined)("CIFAR-10 and MNIST networks (INLAY_DATA)", () => {
  let cifar: CifarFolder;
  beforeAll(() => {
    cifar = unpackCifar();
  }, 60_000);
  afterAll(() => cifar.remove());
  const named = (name: string): NetworkCase => {
    const found = [lenet, ...cifarNetworks(cifar)].find((network) => network.name === name);
    if (found === undefined) throw new Error(`no network ${name}`);
    return found;
  };

  // Those in int8 have theirs counted while they are quantized.
  it.each(floatNames.slice(4))("%s: float counts", (name) => checkFloat(named(name)), 120_000);

  describe.each(floatNames.slice(0, 4))("%s in int8", (name) => {
    let quantized: Quantized | undefined;
    afterAll(() => quantized?.remove());

    it("loses at most 0.6 points", async () => {
      quantized = await quantizeNetwork(named(name));
      say(quantized.line);
      expect(quantized.loss).toBeLessThanOrEqual(named(name).maxLoss ?? 0);
    }, 180_000);

    it.runIf(name === "LeNet")("counts alike when its folder is evaluated", async () => {
      await checkEvaluate(named(name), quantized as Quantized);
    });

    it("simulates to the same integers by definition and on the engine", async () => {
      const compared = await checkScalar(named(name), quantized?.out ?? "", 8);
      say(`${name}: ${compared} integers equal`);
      expect(compared).toBeGreaterThan(0);
    }, 120_000);

    it("agrees with ONNX Runtime's int8 kernels", async () => {
      const network = named(name);
      const out = quantized?.out ?? "";
      const { worst, worstLayer, largest, layers } = await checkKernels(network, out, 8);
      say(`${name}: ${layers} layers, worst ${worstLayer} ${worst}, off by ${largest}`);
      // The comparison means something only where these kernels really run.
      expect(await int8Operators(out)).toBeGreaterThanOrEqual(layers);
      expect(worst).toBeGreaterThanOrEqual(0.999);
      expect(largest).toBeLessThanOrEqual(1);
      const { changed, samples } = await changedByKernels(network, quantized as Quantized);
      say(`${name}: int8 kernels change ${changed} of ${samples} pictures`);
      expect(changed).toBeLessThanOrEqual(samples / 100);
    }, 120_000);
  });
});
