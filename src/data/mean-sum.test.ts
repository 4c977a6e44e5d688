import { describe, expect, it } from "vitest";
import { image } from "./image.ts";
import { parseMean } from "./mean.ts";
import { meanSum } from "./mean-sum.ts";

describe("meanSum", () => {
  it("writes what parseMean reads: float32 means of the planes", () => {
    const sum = meanSum({ channels: 3, height: 1, width: 2 });
    sum.add(image(2, 1, 3, Uint8Array.of(1, 2, 3, 4, 5, 6)));
    sum.add(image(2, 1, 3, Uint8Array.of(2, 2, 4, 4, 6, 6)));
    sum.add(image(2, 1, 3, Uint8Array.of(0, 2, 3, 4, 5, 255)));
    const mean = parseMean(sum.file(), "m");
    expect(mean.shape).toEqual([3, 1, 2]);
    expect(mean.values).toEqual([10 / 3, 89, 2, 16 / 3, 1, 4].map(Math.fround));
    expect(sum.perChannel()).toEqual(
      [(10 / 3 + 89) / 2, (2 + 16 / 3) / 2, 2.5].map((v) => expect.closeTo(v, 12)),
    );
  });

  it("is exact where float32 sums are not", () => {
    const sum = meanSum({ channels: 1, height: 1, width: 1 });
    const white = image(1, 1, 1, Uint8Array.of(255));
    for (let count = 0; count < 66_000; count++) sum.add(white);
    sum.add(image(1, 1, 1, Uint8Array.of(254)));
    expect(sum.perChannel()).toEqual([(66_000 * 255 + 254) / 66_001]);
  });
});
