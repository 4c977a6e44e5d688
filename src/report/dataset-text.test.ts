import { describe, expect, it } from "vitest";
import { sampleDatasetLmdb, sampleDatasetShow } from "../../test/dataset-sample.ts";
import { renderDatasetHtml } from "./dataset-page.ts";
import { renderText } from "./text.ts";

describe("data sets as text", () => {
  it("show what is in one", () => {
    expect(renderText(sampleDatasetShow())).toMatchInlineSnapshot(`
      "pictures/<train>

      samples  1000                 256 looked at, evenly spread
      labels   2                    498 to 500 samples each; 2 samples without a label
      mean     125.3, 123.0, 113.9  deviation 63.0, 62.1, 66.7

      size   channels  pictures
      32x24  colour         200
      16x16  colour          55

      label  class       samples    share
          0  cat             500  50.00 %
          1  dog & wolf      498  49.80 %
       none                    2   0.20 %

      first      label  size            channels
      cat/1.jpg      0  32x24           colour
      cat/2.jpg   none  cannot be read

      Cannot be read: 3
        cat/2.jpg: the picture is truncated
        and 2 more

      Warnings
        list.txt:4: 2 lines have no label
      "
    `);
  });

  it("show what was written", () => {
    expect(renderText(sampleDatasetLmdb())).toMatchInlineSnapshot(`
      "train.txt  1000 records of 32x24, colour, shuffled with seed 7; 4.32 MB
      990 picture files as they were, 10 as PNG; 2 labels 0..5 with 4 unused between; mean 113.9, 123.0, 125.3 (blue, green, red)

      Written
        train_lmdb/data.mdb
        train_lmdb/mean.binaryproto
      "
    `);
    const gray = { ...sampleDatasetLmdb(), channels: 1, encoding: "raw", mean: [33.8] } as const;
    expect(renderText(gray)).toContain(
      "raw pixels; 2 labels 0..5 with 4 unused between; mean 33.8 (gray)",
    );
  });

  it("cut long tables", () => {
    const labels = Array.from({ length: 25 }, (_, label) => ({ label, name: null, count: 40 }));
    const text = renderText({ ...sampleDatasetShow(), labels, samples: 1000, labelled: 1000 });
    expect(text).toContain("and 5 more");
    expect(text).toContain("40 samples each");
  });
});

describe("data sets as a page", () => {
  const picture = {
    ...{ name: 'a"><script>.png', caption: "cat", width: 2, height: 2 },
    url: "data:image/png;base64,iVBORw0KGgo=",
  };

  it("hold the pictures, and admit nothing from elsewhere", () => {
    const page = renderDatasetHtml(sampleDatasetShow(), [picture]);
    expect(page).toContain('<img class="small" src="data:image/png;base64,iVBORw0KGgo="');
    expect(page).toContain("img-src data:;");
    expect(page).not.toContain("<script");
    expect(page).not.toMatch(/(?:src|href)="(?!data:image\/png;base64,)/);
    expect(page).toContain("pictures/&lt;train&gt;");
    expect(page).toContain("dog &amp; wolf");
    expect(page).toContain("Cannot be read: 3");
  });

  it("leave out what is not there", () => {
    const unreadable = { count: 0, samples: [] };
    const page = renderDatasetHtml({ ...sampleDatasetShow(), unreadable, mean: null }, []);
    expect(page).not.toContain("Cannot be read");
    expect(page).not.toContain("<h2>Pictures");
    expect(page).not.toContain("deviation");
  });
});
