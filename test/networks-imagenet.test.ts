/**
 * Real ImageNet networks: float counts, int8 accuracy, and the proofs of the simulation.
 */
import { afterAll, describe, expect, it } from "vitest";
import {
  changedByKernels,
  checkFloat,
  checkKernels,
  checkScalar,
  int8Operators,
  type Quantized,
  quantizeNetwork,
} from "./check-network.ts";
import { dataDir, imagenetNetworks } from "./networks.ts";
import { say } from "./say.ts";

describe.skipIf(dataDir === undefined)("ImageNet networks (INLAY_DATA)", () => {
  const losses: number[] = [];

  // Those in int8 have theirs counted while they are quantized; two have a twin in another format for the best five.
  const twins = new Set(["MobileNetV1 1.0", "MobileNetV1 0.25"]);
  const counted = imagenetNetworks.filter(({ name }) => !twins.has(name));
  it.each(counted)("$name: float counts", checkFloat, 120_000);

  describe.each(imagenetNetworks.filter((network) => network.maxLoss !== undefined))(
    "$name in int8",
    (network) => {
      let quantized: Quantized | undefined;
      afterAll(() => quantized?.remove());

      it("loses little", async () => {
        quantized = await quantizeNetwork(network);
        say(quantized.line);
        losses.push(quantized.loss);
        expect(quantized.loss).toBeLessThanOrEqual(network.maxLoss ?? 0);
      }, 180_000);

      it("simulates to the same integers by definition and on the engine", async () => {
        const compared = await checkScalar(network, quantized?.out ?? "", 4);
        say(`${network.name}: ${compared} integers equal`);
        expect(compared).toBeGreaterThan(0);
      }, 120_000);

      it("agrees with ONNX Runtime's int8 kernels", async () => {
        const { worst, worstLayer, largest, layers } = await checkKernels(
          network,
          quantized?.out ?? "",
          2,
        );
        say(`${network.name}: ${layers} layers, worst ${worstLayer} ${worst}, off by ${largest}`);
        // The comparison means something only where these kernels really run.
        expect(await int8Operators(quantized?.out ?? "")).toBeGreaterThanOrEqual(layers);
        expect(worst).toBeGreaterThanOrEqual(0.999);
        expect(largest).toBeLessThanOrEqual(1);
        const { changed, samples } = await changedByKernels(network, quantized as Quantized);
        say(`${network.name}: int8 kernels change ${changed} of ${samples} pictures`);
        expect(changed).toBeLessThanOrEqual(samples / 100);
      }, 120_000);
    },
  );

  it("loses at most 0.6 points on average", () => {
    const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
    expect(losses).toHaveLength(3);
    expect(mean).toBeLessThanOrEqual(0.6);
  });
});
