/**
 * Collects the nodes that take an integer node's place, each under an unused id.
 */
import { freshId } from "../ir/graph.ts";
import type { Node, Requantize } from "../ir/ops.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

/** Adding and taking away this rounds any |v| <= 2^22 half to even. */
const rounder = 1.5 * 2 ** 23;

/** Emits the nodes that take an integer node's place. */
export class Emitter {
  readonly nodes: Node[] = [];
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  fresh(base: string): string {
    const id = freshId(base, this.#taken);
    this.#taken.add(id);
    return id;
  }

  add(node: Node): string {
    this.nodes.push(node);
    return node.id;
  }

  constant(base: string, tensor: Tensor): string {
    return this.add({ op: "const", id: this.fresh(base), inputs: [], attrs: { tensor } });
  }

  /** `clamp(round_half_even(x), qMin, qMax) - yZero` as node `id`. */
  roundAndClamp(x: string, id: string, output: Requantize): void {
    const [min, max] = [output.qMin - output.yZero, output.qMax - output.yZero];
    const clamped = this.fresh(`${id}.clamped`);
    this.add({ op: "clip", id: clamped, inputs: [x], attrs: { min, max } });
    const big = this.constant(`${id}.rounder`, float32([], [rounder]));
    const lifted = this.fresh(`${id}.lifted`);
    this.add({ op: "add", id: lifted, inputs: [clamped, big], attrs: {} });
    this.add({ op: "sub", id, inputs: [lifted, big], attrs: {} });
  }

  scalarMul(x: string, factor: number, id: string): string {
    const constant = this.constant(`${id}.factor`, float32([], [factor]));
    return this.add({ op: "mul", id, inputs: [x, constant], attrs: {} });
  }
}
