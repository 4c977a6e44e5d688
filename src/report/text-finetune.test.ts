import { expect, test } from "vitest";
import { sampleFinetune } from "../../test/finetune-sample.ts";
import { plainStyle } from "./table.ts";
import { finetuneText } from "./text-finetune.ts";

test.each([
  ["finetune", false],
  ["finetune-stopped", true],
] as const)("%s", async (name, stopped) => {
  const text = finetuneText(sampleFinetune(stopped), plainStyle);
  await expect(text).toMatchFileSnapshot(`goldens/${name}.txt`);
});
