/**
 * Pooling, with Caffe's output size (rounded up unless told otherwise) and divisor.
 */
import { poolGeometry } from "../../ir/geometry.ts";
import type { PoolAttrs } from "../../ir/ops.ts";
import { asNchw, type Pair } from "../../tensor/shape.ts";
import { emit, fault, inputOf, type LayerContext, type LayerImporter, shapeOf } from "./context.ts";
import { type LayerParameter, setting } from "./schema/schema.ts";

type PoolingParameter = NonNullable<LayerParameter["pooling_param"]>;

const importPooling: LayerImporter = (context) => {
  const param = context.layer.pooling_param;
  const method = setting("PoolingParameter", param, "pool");
  const [, , h, w] = asNchw(shapeOf(context, 0), context.label);
  const input = [inputOf(context, 0)];
  const isGlobal = setting("PoolingParameter", param, "global_pooling");
  const attrs = isGlobal ? windowOf([h, w]) : attrsOf(context, param);
  if (method === "MAX" && setting("PoolingParameter", param, "sample")) {
    return [sampled(context, attrs, [h, w])];
  }
  switch (method) {
    case "MAX":
      return [
        isGlobal
          ? emit(context, "globalMaxPool", input, {})
          : emit(context, "maxPool", input, attrs),
      ];
    case "AVE":
      if (isGlobal) return [emit(context, "globalAvgPool", input, {})];
      return [emit(context, "avgPool", input, { ...attrs, countPad: true })];
    case "STOCHASTIC":
      return [emit(context, "stochasticPool", input, attrs)];
    default:
      throw fault(context, "unknown pooling method", { got: `${method}` });
  }
};

/** One window over the whole image. */
function windowOf(kernel: Pair): PoolAttrs {
  return { kernel, stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], ceil: true };
}

function attrsOf(context: LayerContext, param: PoolingParameter | undefined): PoolAttrs {
  const size = param?.kernel_size;
  const kernel: Pair = [param?.kernel_h ?? size ?? 0, param?.kernel_w ?? size ?? 0];
  const step = setting("PoolingParameter", param, "stride");
  const stride: Pair = [param?.stride_h ?? step, param?.stride_w ?? step];
  const pad = setting("PoolingParameter", param, "pad");
  const [padH, padW] = [param?.pad_h ?? pad, param?.pad_w ?? pad];
  if ([...kernel, ...stride].some((one) => one === 0)) {
    throw fault(context, "kernel_size and stride must be above 0");
  }
  if (padH >= kernel[0] || padW >= kernel[1]) {
    throw fault(context, "pad must be smaller than the kernel", {
      expected: `below ${kernel.join("x")}`,
      got: `${padH}x${padW}`,
    });
  }
  const ceil = setting("PoolingParameter", param, "round_mode") !== "FLOOR";
  return { kernel, stride, pads: [padH, padW, padH, padW], dilation: [1, 1], ceil };
}

/**
 * The GTI chips' `sample`: the top left pixel of each window, as far as it lies in the image. That is a window of
 * one pixel, cut to the rows and columns that the real windows have. (Its size rounds up as Caffe's own: for one
 * pixel that makes no difference.)
 */
function sampled(context: LayerContext, attrs: PoolAttrs, image: Pair): string {
  const wanted = poolGeometry(image, attrs, context.label).output;
  if (attrs.pads.some((pad) => pad !== 0)) return sampledInPads(context, attrs, wanted);
  const single: PoolAttrs = { ...attrs, kernel: [1, 1], ceil: true };
  const given = poolGeometry(image, single, context.label).output;
  const cuts = ([0, 1] as const).filter((axis) => wanted[axis] !== given[axis]);
  const suffix = cuts.length === 0 ? undefined : "sampled";
  const pixels = emit(context, "maxPool", [inputOf(context, 0)], single, suffix);
  const last = cuts.at(-1);
  return cuts.reduce((input, axis) => {
    const cut = { axis: axis + 2, start: 0, end: wanted[axis] };
    return emit(context, "slice", [input], cut, axis === last ? undefined : "rows");
  }, pixels);
}

/** Windows that start in the pad show the first row or column; an axis with a pad comes last. */
function sampledInPads(context: LayerContext, attrs: PoolAttrs, wanted: Pair): string {
  const axes = attrs.pads[1] === 0 ? ([1, 0] as const) : ([0, 1] as const);
  return axes.reduce(
    (input, axis, at) => {
      const suffix = at === 1 ? undefined : "sampled";
      const [stride, pad, count] = [attrs.stride[axis], attrs.pads[axis], wanted[axis]];
      const inPad = Math.min(Math.ceil(pad / stride), count);
      if (inPad === 0) return everyPixel(context, input, { axis, stride, start: 0, count }, suffix);
      const first = emit(context, "slice", [input], { axis: axis + 2, start: 0, end: 1 }, "first");
      const rest = { axis, stride, start: inPad * stride - pad, count: count - inPad };
      const parts = Array.from({ length: inPad }, () => first);
      if (rest.count > 0) parts.push(everyPixel(context, input, rest, "rest"));
      return emit(context, "concat", parts, { axis: axis + 2 }, suffix);
    },
    inputOf(context, 0),
  );
}

type Steps = {
  readonly axis: 0 | 1;
  readonly stride: number;
  readonly start: number;
  readonly count: number;
};

/** `count` rows or columns from `start` on, each `stride` behind the one before. */
function everyPixel(
  context: LayerContext,
  input: string,
  { axis, stride, start, count }: Steps,
  suffix: string | undefined,
): string {
  const end = start + (count - 1) * stride + 1;
  const part = emit(context, "slice", [input], { axis: axis + 2, start, end }, "part");
  const step: Pair = axis === 0 ? [stride, 1] : [1, stride];
  const window = { kernel: [1, 1], stride: step, dilation: [1, 1] } as const;
  return emit(context, "maxPool", [part], { ...window, pads: [0, 0, 0, 0], ceil: true }, suffix);
}

export const poolImporters: { readonly [type: string]: LayerImporter } = { Pooling: importPooling };
