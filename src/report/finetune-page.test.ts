import { expect, test } from "vitest";
import { sampleFinetune } from "../../test/finetune-sample.ts";
import { renderFinetuneHtml } from "./finetune-page.ts";

test("shows accuracy, and curves for each step that was tested", () => {
  const page = renderFinetuneHtml(sampleFinetune());
  expect(page).toContain("89.30 %");
  expect(page).toContain("1000 of 1000");
  // Accuracy of both steps, loss of the first.
  expect(page.match(/<polyline/g)).toHaveLength(3);
  expect(page).not.toContain("stopped");
  expect(renderFinetuneHtml(sampleFinetune())).toBe(page);
});

test("of a run that was stopped shows what there is", () => {
  const page = renderFinetuneHtml(sampleFinetune(true));
  expect(page).toContain("stopped");
  expect(page).not.toContain("Simulated");
});

test("escapes what the files say", () => {
  const page = renderFinetuneHtml({ ...sampleFinetune(), model: "<script>alert(1)</script>" });
  expect(page).not.toContain("<script>alert");
});
