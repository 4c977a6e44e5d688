/**
 * A layout against a chip's limits: every violation at once. What comes from the graph itself (kernels, strides, ...) is
 * found where the graph is mapped.
 */
import type { LayeredTarget, RuleName, Violation } from "../../target/layered-target.ts";
import { findCascade } from "./cascade.ts";
import { type Breach, chipBreaches } from "./chip-limits.ts";
import type { Layout } from "./layout.ts";
import { activationBreaches, majorBreaches } from "./major-limits.ts";

export type CheckOptions = {
  /** Rules that the user wants to break; their violations are marked. */
  readonly waive: ReadonlySet<RuleName>;
  /** Chips in a row; the default is one. With more, a cascade has to exist. */
  readonly chips?: number;
};

/** All violations: of single major layers, of the memories, of the outputs, of the chip or the cascade. */
export function checkLayout(
  layout: Layout,
  target: LayeredTarget,
  { waive, chips = 1 }: CheckOptions,
): readonly Violation[] {
  const breaches = [
    ...emptyBreaches(layout),
    ...majorBreaches(layout, target),
    ...activationBreaches(layout, target),
    ...outputBreaches(layout),
    ...activationBitBreaches(layout, target),
    ...(chips === 1 ? chipBreaches(layout.majors, target) : cascadeBreaches(layout, target, chips)),
  ];
  return breaches.map((one) => ({ ...one, waived: waive.has(one.rule) }));
}

function emptyBreaches({ majors }: Layout): readonly Breach[] {
  if (majors.length > 0) return [];
  const hint = "No convolution of the network can go on the chip";
  return [{ rule: "major-layers", node: "the network", limit: "at least one", found: "0", hint }];
}

/** A model gives all sublayers of a major layer or the last one, never both ways. */
function outputBreaches({ majors }: Layout): readonly Breach[] {
  const learning = majors.findIndex((major) => major.learning) + 1;
  const lastOut = majors.findIndex((major) => major.lastLayerOut) + 1;
  if (learning === 0 || lastOut === 0) return [];
  return [
    {
      rule: "output-mode",
      node: `major layer ${lastOut}`,
      limit: "learning or last_layer_out in a model, never both",
      found: `learning in major layer ${learning}, last_layer_out in ${lastOut}`,
      hint: "Take last_layer_out out for learning, or the other way round",
    },
  ];
}

/** 10-bit levels: of a last major layer with one sublayer, or of all layers; and only where the chip has them. */
function activationBitBreaches(
  { majors, activationBitMode: mode }: Layout,
  target: LayeredTarget,
): readonly Breach[] {
  const wide = majors.flatMap((major, at) => (major.tenBits ? [at + 1] : []));
  if (mode === 0 && wide.length === 0) return [];
  const at = (found: string, limit: string, hint: string): Breach => ({
    rule: "activation-bits",
    node: wide.length === 0 ? "the network" : `major layer ${wide.join(", ")}`,
    ...{ limit, found, hint },
  });
  const breaches: Breach[] = [];
  if (!target.activationBits.includes(10)) {
    const limit = `activations of ${target.activationBits.join(" or ")} bits`;
    breaches.push(at("10 bits", limit, "Use 5-bit activations, or another chip"));
  }
  if (mode === 2) return breaches;
  const early = wide.filter((one) => one !== majors.length);
  if (early.length > 0) {
    const limit = "10 bits in the last major layer, or in all of them (ActivationBitMode 2)";
    breaches.push(at(`in ${early.join(", ")}`, limit, "Use 5 bits in the others"));
  }
  const count = majors.at(-1)?.sublayers.length ?? 0;
  if (count > 1) {
    const hint = "Cut the last major layer before its last sublayer";
    breaches.push(at(`${count}`, "exactly one sublayer in a last major layer of 10 bits", hint));
  }
  return breaches;
}

function cascadeBreaches(layout: Layout, target: LayeredTarget, chips: number): readonly Breach[] {
  const found = findCascade(layout, target, { chips });
  if ("chips" in found) return [];
  return [
    {
      rule: "cascade",
      node: found.where,
      limit: found.limit,
      found: found.found,
      hint: found.hint,
    },
  ];
}
