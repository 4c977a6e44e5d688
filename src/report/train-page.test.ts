import { describe, expect, it } from "vitest";
import { sampleTest, sampleTrain } from "../../test/train-sample.ts";
import { lineChart } from "./html/chart-lines.ts";
import { markupText } from "./html/markup.ts";
import { renderText } from "./text.ts";
import { renderTrainHtml } from "./train-page.ts";

describe("the page of a training run", () => {
  const page = renderTrainHtml(sampleTrain());

  it("draws loss, tests and rate, and escapes names", () => {
    // Training loss, test loss; accuracy; rate.
    expect(page.match(/<polyline/g)).toHaveLength(4);
    expect(page).toContain("small &lt;net&gt;");
    expect(page).not.toContain("<net>");
    expect(page).toContain("stopped at 300 of 400 iterations · resumed at 100");
    expect(page).toContain("Best test, accuracy");
  });

  it("is the same for the same report, and stands without any curve", () => {
    expect(renderTrainHtml(sampleTrain())).toBe(page);
    const bare = { ...sampleTrain(), curve: [], tests: [], best: null, loss: null, warnings: [] };
    expect(renderTrainHtml(bare)).not.toContain("polyline");
  });
});

describe("a line chart", () => {
  const ys = (points: readonly (readonly [number, number])[]): readonly number[] => {
    const chart = markupText(
      lineChart({ title: "t", lines: [{ name: "l", points }], span: [0, 2] }),
    );
    const [, list = ""] = /points="([^"]*)"/.exec(chart) ?? [];
    return list.split(" ").map((pair) => Number(pair.split(",")[1]));
  };

  it("puts the largest value on top, far apart ones by their logarithm", () => {
    expect(
      ys([
        [0, 0],
        [1, 0.5],
        [2, 1],
      ]),
    ).toEqual([194, 102, 10]);
    expect(
      ys([
        [0, 0.001],
        [1, 0.1],
        [2, 10],
      ]),
    ).toEqual([194, 102, 10]);
    expect(
      ys([
        [0, 3],
        [1, 3],
      ]),
    ).toEqual([102, 102]);
  });
});

describe("text", () => {
  it("of a run and of a test", async () => {
    await expect(renderText(sampleTrain())).toMatchFileSnapshot("goldens/train.txt");
    await expect(renderText(sampleTest())).toMatchFileSnapshot("goldens/test.txt");
  });
});
