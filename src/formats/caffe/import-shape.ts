/**
 * Layers that join, cut and rearrange blobs: Eltwise, Concat, Slice, Flatten, Reshape, Permute, Crop,
 * Interp, Upsample, ArgMax.
 */
import { asNchw, normalizeAxis, type Pair, type Shape } from "../../tensor/shape.ts";
import {
  constant,
  emit,
  fault,
  inputOf,
  type LayerContext,
  type LayerImporter,
  shapeOf,
} from "./context.ts";
import { setting } from "./schema/schema.ts";
import { blobTensor } from "./weights.ts";

const importEltwise: LayerImporter = (context) => {
  const param = context.layer.eltwise_param;
  const operation = setting("EltwiseParameter", param, "operation");
  const coefficients = param?.coeff ?? [];
  inputOf(context, 1);
  if (coefficients.length > 0 && coefficients.length !== context.inputs.length) {
    throw fault(context, "coeff needs one number per blob", {
      expected: `${context.inputs.length}`,
      got: `${coefficients.length}`,
    });
  }
  if (operation === "PROD") return [chain(context, "mul")];
  if (operation === "MAX") return [chain(context, "maximum")];
  const plain = coefficients.every((one) => one === 1);
  return [emit(context, "add", context.inputs, plain ? {} : { coefficients })];
};

/** Blobs combined two by two, from the left. */
function chain(context: LayerContext, op: "mul" | "maximum"): string {
  const { inputs } = context;
  const last = inputs.length - 1;
  return inputs.slice(1).reduce(
    (left, right, at) => {
      return emit(context, op, [left, right], {}, at + 1 === last ? undefined : `part${at + 1}`);
    },
    inputOf(context, 0),
  );
}

function axisOf(context: LayerContext, axis: number): number {
  return normalizeAxis(axis, shapeOf(context, 0).length, context.label);
}

const importConcat: LayerImporter = (context) => {
  const param = context.layer.concat_param;
  const axis = axisOf(context, param?.concat_dim ?? setting("ConcatParameter", param, "axis"));
  if (context.inputs.length === 1) return [emit(context, "identity", context.inputs, {})];
  return [emit(context, "concat", context.inputs, { axis })];
};

/** Copies side by side. */
const importTile: LayerImporter = (context) => {
  const param = context.layer.tile_param;
  const axis = axisOf(context, setting("TileParameter", param, "axis"));
  const tiles = param?.tiles ?? 0;
  if (tiles < 1 || tiles > 10_000) {
    throw fault(context, "tiles is out of range", { expected: "1..10000", got: `${tiles}` });
  }
  const copies = new Array<string>(tiles).fill(inputOf(context, 0));
  return [emit(context, "concat", copies, { axis })];
};

/** Cut at the slice points, or into as many equal parts as there are tops. */
const importSlice: LayerImporter = (context) => {
  const param = context.layer.slice_param;
  const axis = axisOf(context, param?.slice_dim ?? setting("SliceParameter", param, "axis"));
  const size = shapeOf(context, 0)[axis] ?? 0;
  const parts = context.layer.top.length;
  const points = param?.slice_point ?? [];
  if (points.length > 0 && points.length !== parts - 1) {
    throw fault(context, "slice_point needs one number less than there are tops", {
      expected: `${parts - 1}`,
      got: `${points.length}`,
    });
  }
  if (points.length === 0 && size % parts !== 0) {
    throw fault(context, "the blob does not divide evenly", { got: `${size} in ${parts}` });
  }
  const even = Array.from({ length: parts - 1 }, (_, at) => ((at + 1) * size) / parts);
  const cuts = [0, ...(points.length > 0 ? points : even), size];
  return context.layer.top.map((_, at) => {
    const [start = 0, end = size] = cuts.slice(at, at + 2);
    return emit(context, "slice", [inputOf(context, 0)], { axis, start, end });
  });
};

const importFlatten: LayerImporter = (context) => {
  const param = context.layer.flatten_param;
  const axis = axisOf(context, setting("FlattenParameter", param, "axis"));
  const endAxis = setting("FlattenParameter", param, "end_axis");
  return [emit(context, "flatten", [inputOf(context, 0)], { axis, endAxis })];
};

/**
 * `axis` and `num_axes` choose the dimensions that are replaced. A stated batch size that equals the
 * input's is written as 0 (copied), so that the graph runs with other batches.
 */
const importReshape: LayerImporter = (context) => {
  const param = context.layer.reshape_param;
  const from = shapeOf(context, 0);
  const start = setting("ReshapeParameter", param, "axis");
  const first = start < 0 ? from.length + start + 1 : start;
  const axes = setting("ReshapeParameter", param, "num_axes");
  const end = axes === -1 ? from.length : first + axes;
  if (first < 0 || end > from.length || axes < -1) {
    throw fault(context, "axis and num_axes reach beyond the blob", {
      got: `axis ${start}, num_axes ${axes}`,
    });
  }
  const middle = param?.shape?.dim ?? [];
  const shape = [...from.slice(0, first).map(() => 0), ...middle, ...from.slice(end)];
  const batch = shape[0] === from[0] && shape.length > 1 ? shape.with(0, 0) : shape;
  return [emit(context, "reshape", [inputOf(context, 0)], { shape: batch })];
};

/** Axes that `order` does not name follow in their own order. */
const importPermute: LayerImporter = (context) => {
  const order = context.layer.permute_param?.order ?? [];
  const rest = shapeOf(context, 0)
    .map((_, axis) => axis)
    .filter((axis) => !order.includes(axis));
  return [emit(context, "transpose", [inputOf(context, 0)], { perm: [...order, ...rest] })];
};

/** The first blob cut to the second one's size, from `axis` on. */
const importCrop: LayerImporter = (context) => {
  const param = context.layer.crop_param;
  const [from, to] = [shapeOf(context, 0), shapeOf(context, 1)];
  const first = axisOf(context, setting("CropParameter", param, "axis"));
  const offsets = param?.offset ?? [];
  const cuts = from
    .map((size, axis) => ({ axis, size, wanted: to[axis] ?? size }))
    .filter(({ axis, size, wanted }) => axis >= first && size !== wanted)
    .map(({ axis, wanted }) => ({ axis, wanted, start: offsetOf(context, offsets, axis - first) }));
  if (cuts.length === 0) return [emit(context, "identity", [inputOf(context, 0)], {})];
  const last = cuts.at(-1);
  const id = cuts.reduce(
    (input, cut) => {
      const attrs = { axis: cut.axis, start: cut.start, end: cut.start + cut.wanted };
      return emit(context, "slice", [input], attrs, cut === last ? undefined : `axis${cut.axis}`);
    },
    inputOf(context, 0),
  );
  return [id];
};

/** No offset is 0, one is for all axes. */
function offsetOf(context: LayerContext, offsets: readonly number[], at: number): number {
  if (offsets.length === 0) return 0;
  const offset = offsets.length === 1 ? offsets[0] : offsets[at];
  if (offset !== undefined) return offset;
  throw fault(context, "offset needs one number, or one per cropped axis", {
    got: `${offsets.length}`,
  });
}

/** DeepLab's bilinear resize with corners aligned. */
const importInterp: LayerImporter = (context) => {
  const param = context.layer.interp_param;
  const [, , h, w] = asNchw(shapeOf(context, 0), context.label);
  const padded =
    setting("InterpParameter", param, "pad_beg") !== 0 ||
    setting("InterpParameter", param, "pad_end") !== 0;
  if (padded) throw fault(context, "pad_beg and pad_end are not supported");
  const zoom = setting("InterpParameter", param, "zoom_factor");
  const shrink = setting("InterpParameter", param, "shrink_factor");
  if (zoom < 1 || shrink < 1) throw fault(context, "zoom and shrink factors must be at least 1");
  const along = (size: number, wanted: number): number => {
    if (wanted > 0) return wanted;
    const shrunk = Math.floor((size - 1) / shrink) + 1;
    return shrunk + (shrunk - 1) * (zoom - 1);
  };
  const size: Pair = [
    along(h, setting("InterpParameter", param, "height")),
    along(w, setting("InterpParameter", param, "width")),
  ];
  const attrs = { mode: "bilinear" as const, alignCorners: true, size };
  return [emit(context, "resize", [inputOf(context, 0)], attrs)];
};

/** Pixels repeated `scale` times. */
const importUpsample: LayerImporter = (context) => {
  const param = context.layer.upsample_param;
  if (context.inputs.length > 1)
    throw fault(context, "upsampling by a pooling mask is not supported");
  const scale = setting("UpsampleParameter", param, "scale");
  const factor: Pair = [param?.scale_h ?? scale, param?.scale_w ?? scale];
  const attrs = { mode: "nearest" as const, alignCorners: false, factor };
  return [emit(context, "resize", [inputOf(context, 0)], attrs)];
};

const importArgMax: LayerImporter = (context) => {
  const param = context.layer.argmax_param;
  const topK = setting("ArgMaxParameter", param, "top_k");
  const outMaxVal = setting("ArgMaxParameter", param, "out_max_val");
  const axis = param?.axis;
  const attrs =
    axis === undefined ? { topK, outMaxVal } : { axis: axisOf(context, axis), topK, outMaxVal };
  return [emit(context, "argMax", [inputOf(context, 0)], attrs)];
};

/** A blob of the file as a value. */
const importParameter: LayerImporter = (context) => {
  const shape: Shape = context.layer.parameter_param?.shape?.dim ?? [];
  const { store } = context.builder;
  const blob = store.blobs?.get(context.name)?.[0];
  if (blob === undefined)
    throw fault(context, "the parameter has no weights", { expected: `[${shape.join(", ")}]` });
  store.used.add(context.name);
  return [constant(context, "value", blobTensor(blob, context.label))];
};

export const shapeImporters: { readonly [type: string]: LayerImporter } = {
  Eltwise: importEltwise,
  Concat: importConcat,
  Slice: importSlice,
  Tile: importTile,
  Flatten: importFlatten,
  Reshape: importReshape,
  Permute: importPermute,
  Crop: importCrop,
  Interp: importInterp,
  Upsample: importUpsample,
  ArgMax: importArgMax,
  Parameter: importParameter,
  Split: (context) => context.layer.top.map(() => inputOf(context, 0)),
};
