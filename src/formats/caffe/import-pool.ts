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
 * The GTI chips' `sample`: the top left pixel of each window. That is a window of one pixel, cut to
 * the rows and columns that the real windows have.
 */
function sampled(context: LayerContext, attrs: PoolAttrs, image: Pair): string {
  if (attrs.pads.some((pad) => pad !== 0)) {
    throw fault(context, "sample with pad is not supported", { got: attrs.pads.join(", ") });
  }
  const wanted = poolGeometry(image, attrs, context.label).output;
  const single: PoolAttrs = { ...attrs, kernel: [1, 1], ceil: false };
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

export const poolImporters: { readonly [type: string]: LayerImporter } = { Pooling: importPooling };
