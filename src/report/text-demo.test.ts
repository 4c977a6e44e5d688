import { expect, test } from "vitest";
import { sampleDemo } from "../../test/demo-sample.ts";
import { plainStyle, type Style } from "./table.ts";
import { demoText } from "./text-demo.ts";

test("the demo as text", async () => {
  await expect(demoText(sampleDemo(), plainStyle)).toMatchFileSnapshot("goldens/demo.txt");
});

test("a simulation that differs does not look good", () => {
  const named: Style = (role, text) => `${role}(${text})`;
  const proof = /(good|bad)\(simulated against trained/;
  expect(proof.exec(demoText(sampleDemo(), named))?.[1]).toBe("good");
  expect(proof.exec(demoText(sampleDemo(3), named))?.[1]).toBe("bad");
});
