/** What central differences cannot say: where the gradient of a maximum goes when operands are equal. */
import { describe, expect, it } from "vitest";
import { runModel } from "../../../test/gradient-check.ts";
import { smallGraph } from "../../../test/small-graph.ts";
import { float32, type Tensor, toNumbers } from "../../tensor/tensor.ts";
import { gradientModel, gradientName } from "../gradient-model.ts";

async function gradientsOf(operands: readonly (readonly number[])[]): Promise<readonly number[][]> {
  const tensors = operands.map((values) => float32([values.length], values));
  const { graph, feeds } = smallGraph("maximum", {}, tensors);
  const ids = [...feeds.keys()];
  const length = operands[0]?.length ?? 0;
  const dy = float32(
    [length],
    Float32Array.from({ length }, (_, at) => at + 1),
  );
  const model = gradientModel(graph, ids);
  const got = await runModel(model, new Map<string, Tensor>([...feeds, [gradientName("y"), dy]]));
  return ids.map((id) => toNumbers(got.get(gradientName(id)) ?? float32([0], [])));
}

describe("the gradient of a maximum", () => {
  it("goes to the second of two equal operands, as in Caffe", async () => {
    const [first, second] = await gradientsOf([
      [1, 2, 0],
      [1, 1, 3],
    ]);
    expect(first).toEqual([0, 2, 0]);
    expect(second).toEqual([1, 0, 3]);
  });

  it("goes to a third operand only where it is larger", async () => {
    const gradients = await gradientsOf([
      [1, 0, 2, 1],
      [1, 2, 0, 1],
      [1, 2, 2, 3],
    ]);
    expect(gradients).toEqual([
      [0, 0, 3, 0],
      [1, 2, 0, 0],
      [0, 0, 0, 4],
    ]);
  });
});
