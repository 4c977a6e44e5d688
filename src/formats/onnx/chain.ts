/**
 * A chain of ONNX nodes, each reading the one before: the common shape of a lowering.
 */
import type { Attributes } from "./attribute.ts";
import type { Builder } from "./builder.ts";

/** One link: the operator, its inputs behind the first, its attributes. */
export type Link = {
  readonly op: string;
  readonly inputs?: readonly string[] | undefined;
  readonly attributes?: Attributes | undefined;
};

/**
 * Emits the links one behind the other; the last one gives `output`. `undefined` links are left
 * out, and a chain without links is an Identity.
 */
export function emitChain(
  builder: Builder,
  input: string,
  links: readonly (Link | undefined)[],
  output: string,
): void {
  const present = links.filter((link) => link !== undefined);
  const all = present.length === 0 ? [{ op: "Identity" }] : present;
  let value = input;
  for (const [index, link] of all.entries()) {
    const last = index === all.length - 1;
    value = builder.emit(
      link.op,
      [value, ...(link.inputs ?? [])],
      link.attributes,
      last ? output : undefined,
    );
  }
}
