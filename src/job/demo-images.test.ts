import { describe, expect, it } from "vitest";
import { parseCifar } from "../data/cifar.ts";
import { demoClasses, demoFile, demoSide, drawDemoImage } from "./demo-images.ts";

describe("drawDemoImage", () => {
  it("depends on seed and index alone", () => {
    const draw = (seed: number, index: number): string =>
      drawDemoImage(seed, index, 16).image.data.join();
    expect(draw(3, 5)).toBe(draw(3, 5));
    expect(draw(3, 5)).not.toBe(draw(4, 5));
    expect(draw(3, 5)).not.toBe(draw(3, 15));
  });

  it("draws two colours without noise, the figure not too small", () => {
    for (let index = 0; index < 100; index += 1) {
      const { image } = drawDemoImage(1, index, 0);
      const counts = new Map<string, number>();
      for (let pixel = 0; pixel < demoSide * demoSide; pixel += 1) {
        const color = image.data.subarray(pixel * 3, pixel * 3 + 3).join();
        counts.set(color, (counts.get(color) ?? 0) + 1);
      }
      expect(counts.size).toBe(2);
      expect(Math.min(...counts.values())).toBeGreaterThan(50);
    }
  });

  it("has as many classes as CIFAR-10", () => {
    expect(demoClasses).toHaveLength(10);
    expect(drawDemoImage(0, 27, 0).label).toBe(7);
  });
});

describe("demoFile", () => {
  it("is read back by the CIFAR reader", () => {
    const records = parseCifar(demoFile(9, 40, 12, 16), "demo");
    expect([records.kind, records.count]).toEqual(["cifar-10", 12]);
    for (let at = 0; at < 12; at += 1) {
      const { image, label } = drawDemoImage(9, 40 + at, 16);
      expect(records.label(at)).toBe(label);
      expect(records.picture(at)).toEqual(image);
    }
  });
});
