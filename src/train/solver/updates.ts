/**
 * The update as ONNX nodes: clipping, then each blob's rule. A node costs about 5 microseconds however small its
 * tensors are, and a network has hundreds of small vectors (biases, factors of batch norms): those are joined, updated
 * as one and split again.
 */
import { int } from "../../formats/onnx/attribute.ts";
import type { Shape } from "../../tensor/shape.ts";
import { emitSlice } from "../rules/slices.ts";
import type { Tape } from "../tape.ts";
import type { UpdateSettings } from "./settings.ts";
import { type Arithmetic, type Moved, type Multipliers, move } from "./update-rules.ts";

export { historiesOf, stepScalars } from "./update-rules.ts";

/** A blob to update: its value, summed gradient and histories are names of values of one shape. */
export type UpdateInput = Moved<string> &
  Multipliers & { readonly key: string; readonly gradient: string; readonly shape: Shape };

export type UpdateOutput = Moved<string> & { readonly key: string };

/**
 * Writes the update of all blobs that are learned in this step. Scalars that it reads are named as `stepScalars` names
 * them. The result is in another order than the input.
 */
export function emitUpdates(
  settings: UpdateSettings,
  blobs: readonly UpdateInput[],
  tape: Tape,
): readonly UpdateOutput[] {
  const groups = groupVectors(blobs).map((group) => joinGroup(group, tape));
  const clipped = emitClip(
    settings.clipGradients,
    groups.map(({ gradient }) => gradient),
    tape,
  );
  const on = nodeArithmetic(tape);
  return groups.flatMap((group, at) => {
    const { value, histories, decayMult } = group;
    const gradient = clipped[at] ?? group.gradient;
    const rate = on.rate(group.lrMult);
    const moved = move(on, settings, { value, gradient, histories, rate, decayMult });
    return splitGroup(group.members, moved, tape);
  });
}

/** Blobs that are updated as one. */
type Group = readonly UpdateInput[];

/** Vectors with the same multipliers together, every other blob alone. */
function groupVectors(blobs: readonly UpdateInput[]): readonly Group[] {
  const groups = new Map<string, UpdateInput[]>();
  for (const blob of blobs) {
    const { key, shape, lrMult, decayMult } = blob;
    const name = shape.length === 1 ? `${lrMult} ${decayMult}` : key;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [blob]);
    else group.push(blob);
  }
  return [...groups.values()];
}

type Joined = Omit<UpdateInput, "key" | "shape"> & { readonly members: Group };

function joinGroup(members: Group, tape: Tape): Joined {
  const [first] = members;
  const join = (names: readonly string[]): string =>
    names.length === 1 ? `${names[0]}` : tape.emit("Concat", names, { axis: int(0) });
  return {
    value: join(members.map(({ value }) => value)),
    gradient: join(members.map(({ gradient }) => gradient)),
    histories: (first?.histories ?? []).map((_, index) =>
      join(members.map(({ histories }) => histories[index] ?? "")),
    ),
    lrMult: first?.lrMult ?? 1,
    decayMult: first?.decayMult ?? 1,
    members,
  };
}

function splitGroup(members: Group, moved: Moved<string>, tape: Tape): readonly UpdateOutput[] {
  const sizes = members.map(({ shape }) => shape[0] ?? 1);
  const split = (name: string): readonly string[] => {
    if (members.length === 1) return [name];
    if (!tape.kernels.manyOutputs) return slices(name, sizes, tape);
    const suffixes = members.map(({ key }) => `${key}/split`);
    return tape.emitMany(
      "Split",
      [name, tape.integers(sizes, "sizes")],
      { axis: int(0) },
      suffixes,
    );
  };
  const values = split(moved.value);
  const histories = moved.histories.map(split);
  return members.map(({ key }, at) => ({
    key,
    value: values[at] ?? "",
    histories: histories.map((parts) => parts[at] ?? ""),
  }));
}

function slices(name: string, sizes: readonly number[], tape: Tape): readonly string[] {
  let end = 0;
  return sizes.map((size) => {
    const start = end;
    end += size;
    return emitSlice(tape, name, [{ axis: 0, start, end }]);
  });
}

/** Gradients times `limit / max(norm, limit)`, which is exactly 1 where nothing is to be clipped. */
function emitClip(
  limit: number | undefined,
  gradients: readonly string[],
  tape: Tape,
): readonly string[] {
  if (limit === undefined || gradients.length === 0) return gradients;
  const squares = gradients.map((name) =>
    tape.emit("ReduceSumSquare", [name], { keepdims: int(0) }),
  );
  const norm = tape.emit("Sqrt", [tape.emit("Sum", squares)]);
  const bound = tape.number(limit);
  const scale = tape.div(bound, tape.emit("Max", [norm, bound]));
  return gradients.map((name) => tape.mul(name, scale));
}

/** Names of ONNX nodes. Rates are computed once for each multiplier. */
function nodeArithmetic(
  tape: Tape,
): Arithmetic<string> & { readonly rate: (lrMult: number) => string } {
  const rates = new Map<number, string>([[1, "solver/rate"]]);
  return {
    rate: (lrMult) => {
      const known = rates.get(lrMult);
      if (known !== undefined) return known;
      const name = tape.mul("solver/rate", tape.number(lrMult));
      rates.set(lrMult, name);
      return name;
    },
    number: tape.number,
    scalar: (name) => name,
    add: tape.add,
    sub: tape.sub,
    mul: tape.mul,
    div: tape.div,
    sqrt: (a) => tape.emit("Sqrt", [a]),
    sign: (a) => tape.emit("Sign", [a]),
  };
}
