/**
 * Layers that work element by element on one blob: rectifiers and their kin, Power, Exp, Log.
 */
import {
  constant,
  emit,
  fault,
  inputOf,
  type LayerContext,
  type LayerImporter,
  shapeOf,
  weight,
} from "./context.ts";
import { setting } from "./schema/schema.ts";
import { layerWeight } from "./weights.ts";

const importReLU: LayerImporter = (context) => {
  const slope = setting("ReLUParameter", context.layer.relu_param, "negative_slope");
  return [emit(context, "relu", [inputOf(context, 0)], { slope })];
};

const importReLU6: LayerImporter = (context) => [
  emit(context, "clip", [inputOf(context, 0)], { min: 0, max: 6 }),
];

const importClip: LayerImporter = (context) => {
  const { min, max } = context.layer.clip_param ?? {};
  if (min === undefined || max === undefined || min > max) {
    throw fault(context, "clip_param needs min and max", { got: `min ${min}, max ${max}` });
  }
  return [emit(context, "clip", [inputOf(context, 0)], { min, max })];
};

/** One number per channel, or a single one. */
function perChannel(context: LayerContext, shared: boolean): readonly number[] {
  return [shared ? 1 : (shapeOf(context, 0)[1] ?? 1)];
}

const importPReLU: LayerImporter = (context) => {
  const param = context.layer.prelu_param;
  const shape = perChannel(context, setting("PReLUParameter", param, "channel_shared"));
  const slope = weight(context, "slope", { index: 0, count: 1, shape, filler: param?.filler });
  return [emit(context, "prelu", [inputOf(context, 0), slope], {})];
};

/** The GTI chips' activation: a cap for the whole layer, or one per channel. */
const importQuantReLU: LayerImporter = (context) => {
  const param = context.layer.quant_relu_param;
  const spec = {
    index: 0,
    count: 1,
    shape: perChannel(context, setting("QuantReLUParameter", param, "channel_shared")),
    filler: param?.filler ?? { type: "constant", value: 0.25 },
  };
  const caps = layerWeight(context.builder.store, context.layer, spec);
  const bits = setting("QuantReLUParameter", param, "act_bits");
  const quantized = setting("QuantReLUParameter", param, "quant_enable");
  if (quantized) checkQuantized(context, bits, caps.data);
  const slope = setting("QuantReLUParameter", param, "negative_slope");
  const inputs = [inputOf(context, 0), constant(context, "cap", caps)];
  return [emit(context, "quantRelu", inputs, { slope, bits, quantized })];
};

/** Widest activation: its largest level still is an int32. */
const maxActivationBits = 31;

/** Throws where the reference would divide by zero, or give one value whatever it reads. */
function checkQuantized(context: LayerContext, bits: number, caps: Float32Array): void {
  if (bits < 1 || bits > maxActivationBits) {
    throw fault(context, "act_bits is out of range", {
      expected: `1..${maxActivationBits} (5 or 10 on the chips)`,
      got: `${bits}`,
    });
  }
  const wrong = caps.find((cap) => !(cap > 0 && cap < Infinity));
  if (wrong === undefined) return;
  throw fault(context, "the cap of a quantized activation must be above 0", {
    got: `${wrong}`,
    hint: "Calibrate the network, or set quant_enable to false",
  });
}

const importELU: LayerImporter = (context) => {
  const alpha = setting("ELUParameter", context.layer.elu_param, "alpha");
  return [emit(context, "elu", [inputOf(context, 0)], { alpha })];
};

const importPower: LayerImporter = (context) => {
  const param = context.layer.power_param;
  const attrs = {
    power: setting("PowerParameter", param, "power"),
    scale: setting("PowerParameter", param, "scale"),
    shift: setting("PowerParameter", param, "shift"),
  };
  return [emit(context, "power", [inputOf(context, 0)], attrs)];
};

const importExp: LayerImporter = (context) => {
  const param = context.layer.exp_param;
  const base = checkedBase(context, setting("ExpParameter", param, "base"));
  const scale = setting("ExpParameter", param, "scale");
  const shift = setting("ExpParameter", param, "shift");
  return [emit(context, "exp", [inputOf(context, 0)], { base, scale, shift })];
};

const importLog: LayerImporter = (context) => {
  const param = context.layer.log_param;
  const base = checkedBase(context, setting("LogParameter", param, "base"));
  const scale = setting("LogParameter", param, "scale");
  const shift = setting("LogParameter", param, "shift");
  return [emit(context, "log", [inputOf(context, 0)], { base, scale, shift })];
};

function checkedBase(context: LayerContext, base: number): number {
  if (base === -1 || base > 0) return base;
  throw fault(context, "base must be above 0, or -1 for e", { got: `${base}` });
}

/** With `scale_train: false` (a fork's) the scaling is left to test time. */
const importDropout: LayerImporter = (context) => {
  const param = context.layer.dropout_param;
  const ratio = setting("DropoutParameter", param, "dropout_ratio");
  if (!setting("DropoutParameter", param, "scale_train")) {
    const attrs = { power: 1, scale: 1 - ratio, shift: 0 };
    return [emit(context, "power", [inputOf(context, 0)], attrs)];
  }
  return [emit(context, "dropout", [inputOf(context, 0)], { ratio })];
};

const importSoftmax: LayerImporter = (context) => {
  const axis = setting("SoftmaxParameter", context.layer.softmax_param, "axis");
  return [emit(context, "softmax", [inputOf(context, 0)], { axis })];
};

export const activationImporters: { readonly [type: string]: LayerImporter } = {
  ReLU: importReLU,
  ReLU6: importReLU6,
  Clip: importClip,
  PReLU: importPReLU,
  QuantReLU: importQuantReLU,
  ELU: importELU,
  Sigmoid: (context) => [emit(context, "sigmoid", [inputOf(context, 0)], {})],
  TanH: (context) => [emit(context, "tanh", [inputOf(context, 0)], {})],
  AbsVal: (context) => [emit(context, "abs", [inputOf(context, 0)], {})],
  Power: importPower,
  Exp: importExp,
  Log: importLog,
  Dropout: importDropout,
  Softmax: importSoftmax,
};
