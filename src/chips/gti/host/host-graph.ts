/**
 * The float network that the host operations of a full model compute. The file may come from anyone; host-layers.ts is
 * the way there.
 */
import { inputError } from "../../../error.ts";
import type { Graph } from "../../../ir/graph.ts";
import type { OnWarning } from "../../../notice.ts";
import { Emitter } from "../../../passes/emitter.ts";
import { elementCount, formatShape, type Shape } from "../../../tensor/shape.ts";
import { decodeFcBin } from "../files/fc-bin.ts";
import type { FcLayer } from "../files/layers.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import { handedOver } from "./handover.ts";
import type { Place } from "./host-builder.ts";
import { type OperationContext, operations } from "./host-operations.ts";
import { countField, fieldError, nameLayer, textField } from "./layer-fields.ts";
import { elementsOf, sizeOfShape } from "./map-size.ts";

export type HostInput = {
  /** Of the chip's value: `[n, c, h, w]` or `[n, k]`. */
  readonly shape: Shape;
  /** Called with what the file leaves open. */
  readonly onWarning?: OnWarning;
};

const mostLayers = 1024;

/**
 * The network behind the chip. `layers` are all layers of a full model or only those of the host; `fc` has the content of every
 * FC file by its "data file". The graph's input is called as the last chip (`cnn` where there is none among the layers) and takes
 * the chip's own values; what mode and scaledown make of them (handover.ts) is part of the graph, as are POOLING, FC,
 * SOFTMAX, ELTWISE and TYPECONVERT. Its output is the value of the last of these; LABEL, which may only be the last, prints it
 * and changes nothing.
 *
 * Throws an input error that names the layer: unknown operations and modes, sizes that do not fit each other or the files,
 * missing or damaged files, weights that are not finite.
 */
export function hostGraphOf(
  layers: readonly FullModelLayer[],
  fc: ReadonlyMap<string, Uint8Array>,
  { shape, onWarning }: HostInput,
): Graph {
  if (layers.length > mostLayers) {
    throw inputError("a full model has too many layers", {
      expected: `at most ${mostLayers}`,
      got: `${layers.length}`,
    });
  }
  const { chip, host } = hostPart(layers);
  const name = chip?.name ?? "cnn";
  const emitter = new Emitter([]);
  const id = emitter.fresh(name);
  emitter.add({ op: "input", id, inputs: [], attrs: { dtype: "float32", shape } });
  const input = inputPlace(id, shape);
  const first = chip === undefined ? input : handedOver(emitter, chip, input);
  const earlier = new Map([[name, first]]);
  const context = { emitter, earlier, fcOf: fcReader(fc), onWarning };
  const last = host.reduce((value, layer, at) => {
    const next = operate(layer, value, context, at === host.length - 1);
    earlier.set(layer.name, next);
    return next;
  }, first);
  const outputs = [{ name: last.id, id: last.id }];
  return { name: "host", nodes: emitter.nodes, outputs, opsets: {} };
}

/** The last chip and what stands behind it; the picture's reader and earlier chips are not the host's. */
function hostPart(layers: readonly FullModelLayer[]): {
  readonly chip: FullModelLayer | undefined;
  readonly host: readonly FullModelLayer[];
} {
  const isChip = ({ operation }: FullModelLayer): boolean => operation === "GTICNN";
  const at = layers.findLastIndex(isChip);
  const early = layers
    .slice(0, Math.max(at, 0))
    .find((layer) => !isChip(layer) && !isReader(layer));
  if (early !== undefined) {
    throw inputError("a host operation in front of a chip is not supported", {
      node: nameLayer(early),
      expected: "IMAGEREADER, or behind the last GTICNN",
    });
  }
  const host = layers.slice(at + 1);
  return { chip: layers[at], host: isReader(host[0]) ? host.slice(1) : host };
}

function isReader(layer: FullModelLayer | undefined): boolean {
  return layer?.operation === "IMAGEREADER";
}

function inputPlace(id: string, shape: Shape): Place {
  const size = sizeOfShape(shape);
  if (size === undefined || (shape.length !== 2 && shape.length !== 4) || elementCount(shape) < 1) {
    throw inputError("the chip gives a map or a list of values", {
      expected: "[n, c, h, w] or [n, k]",
      got: formatShape(shape),
    });
  }
  return { id, size, isList: shape.length === 2 };
}

function operate(
  layer: FullModelLayer,
  value: Place,
  context: OperationContext,
  isLast: boolean,
): Place {
  if (layer.operation === "LABEL") {
    checkLabel(layer, value, isLast);
    return value;
  }
  const operation = operations.get(layer.operation);
  if (operation !== undefined) return operation(layer, value, context);
  throw inputError("the operation is not known", {
    node: nameLayer(layer),
    expected: `one of ${[...operations.keys(), "LABEL"].join(", ")}`,
    got: layer.operation.slice(0, 40),
  });
}

function checkLabel(layer: FullModelLayer, { size }: Place, isLast: boolean): void {
  if (!isLast) {
    throw inputError("a LABEL layer must be the last", { node: nameLayer(layer) });
  }
  const top = countField(layer, "output channels");
  if (top !== undefined && top <= elementsOf(size)) return;
  throw fieldError(layer, "output channels", `how many to print: 1 to ${elementsOf(size)}`);
}

/** Reads each file once, however many layers name it. */
function fcReader(
  files: ReadonlyMap<string, Uint8Array>,
): (layer: FullModelLayer) => readonly Omit<FcLayer, "name">[] {
  const read = new Map<string, readonly Omit<FcLayer, "name">[]>();
  return (layer) => {
    const name = textField(layer, "data file");
    const known = read.get(name);
    if (known !== undefined) return known;
    const bytes = files.get(name);
    if (bytes === undefined) throw fieldError(layer, "data file", "a file of the model");
    const parts = decodeFcBin({ name: `${nameLayer(layer)}: ${name.slice(0, 200)}`, bytes });
    if (
      !parts.every(
        ({ weight, bias }) => weight.every(Number.isFinite) && bias.every(Number.isFinite),
      )
    ) {
      throw inputError("weights are not finite", { where: name, node: nameLayer(layer) });
    }
    read.set(name, parts);
    return parts;
  };
}
