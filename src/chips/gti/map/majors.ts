/**
 * The chain of steps as major layers: runs of convolutions of one resolution, one count of output channels and
 * one width of coefficients.
 */
import type { CoefficientBits, LayeredTarget } from "../../../target/layered-target.ts";
import type { Layout, MajorLayer, Sublayer } from "../layout.ts";
import { geometryOf, kindOf } from "./conv-rules.ts";
import type { ConvUnit, Unit } from "./units.ts";
import type { View } from "./view.ts";

export type MajorOptions = {
  readonly target: LayeredTarget;
  /** Bits per convolution, by its id; undefined where they part no layers. */
  readonly bitsOf: (conv: string) => CoefficientBits | undefined;
  /** True for values that the host reads too. */
  readonly isTapped: (id: string) => boolean;
  /** The last convolution stands in a major layer of its own. */
  readonly lastAlone: boolean;
};

/** A major layer in the making. */
export type Run = {
  readonly upsampling: MajorLayer["upsampling"];
  readonly convs: readonly ConvUnit[];
  readonly pooling: MajorLayer["pooling"];
};

/** Convolutions that must not be parted: two under a shortcut, else one. */
type Block = readonly ConvUnit[];

/**
 * The chain's convolutions in runs. A run ends at a pooling, before an upsampling, and where channels, bits or the
 * meaning of a 3x3 kernel (full or depthwise) change; behind a value that the host reads; and where it would grow
 * beyond the chip's sublayers. A depthwise convolution may lead with the channels of its input.
 */
export function runsOf(chain: readonly Unit[], view: View, options: MajorOptions): readonly Run[] {
  const runs: Run[] = [];
  let upsampling: MajorLayer["upsampling"];
  for (const step of stepsOf(chain)) {
    const last = runs.at(-1);
    if ("convs" in step) {
      const isLast = step.convs.at(-1)?.output === lastConv(chain)?.output;
      const alone = options.lastAlone && isLast && step.convs.length === 1;
      if (
        last !== undefined &&
        upsampling === undefined &&
        !alone &&
        joins(last, step.convs, view, options)
      ) {
        runs[runs.length - 1] = { ...last, convs: [...last.convs, ...step.convs] };
      } else {
        runs.push({ upsampling, convs: step.convs, pooling: undefined });
      }
      upsampling = undefined;
    } else if (step.form === "pool" && last !== undefined && step.kind !== "other") {
      runs[runs.length - 1] = { ...last, pooling: step.kind };
    } else if (step.form === "upsampling" && step.kind !== "other") {
      upsampling = step.kind;
    }
  }
  return runs;
}

type StepOrBlock = { readonly convs: Block } | Exclude<Unit, ConvUnit>;

/** The chain with convolutions under one shortcut held together. */
function stepsOf(chain: readonly Unit[]): readonly StepOrBlock[] {
  const steps: StepOrBlock[] = [];
  chain.forEach((unit, at) => {
    if (unit.form !== "conv") {
      steps.push(unit);
      return;
    }
    const next = chain[at + 1];
    if (spans(next, unit)) return;
    const before = chain[at - 1];
    const isPair = before?.form === "conv" && spans(unit, before);
    steps.push({ convs: isPair ? [before, unit] : [unit] });
  });
  return steps;
}

/** True where `unit` ends the shortcut that starts at the input of `first`. */
function spans(unit: Unit | undefined, first: Unit): boolean {
  return unit?.form === "conv" && unit.shortcut?.start === first.input;
}

function lastConv(chain: readonly Unit[]): ConvUnit | undefined {
  return chain.findLast((unit): unit is ConvUnit => unit.form === "conv");
}

function joins(run: Run, block: Block, view: View, options: MajorOptions): boolean {
  const last = run.convs.at(-1);
  if (run.pooling !== undefined || last === undefined || options.isTapped(last.output))
    return false;
  if (run.convs.length + block.length > options.target.sublayers.value) return false;
  const kinds = new Set([...run.convs, ...block].map(({ conv }) => kindOf(conv, view)));
  if (kinds.has("full") && kinds.has("depthwise")) return false;
  const bits = options.bitsOf(last.conv.id);
  if (block.some(({ conv }) => options.bitsOf(conv.id) !== bits)) return false;
  const wanted = geometryOf(last.conv, view).outputChannels;
  const [first] = block;
  const leads = run.convs.length === 1 && kindOf(last.conv, view) === "depthwise";
  if (leads && first !== undefined && kindOf(first.conv, view) === "pointwise") return true;
  return block.every(({ conv }) => geometryOf(conv, view).outputChannels === wanted);
}

/** The layout of runs whose bits are known. */
export function layoutOf(
  runs: readonly Run[],
  view: View,
  options: MajorOptions & { readonly activationBitMode: Layout["activationBitMode"] },
): Layout {
  const { activationBitMode: mode } = options;
  const majors = runs.map((run, at): MajorLayer => {
    const isLast = at === runs.length - 1;
    const sublayers = run.convs.map((unit) => sublayerOf(unit, view));
    const [first, last] = [run.convs[0], run.convs.at(-1)];
    const size = first === undefined ? 0 : geometryOf(first.conv, view).map[0];
    return {
      imageSize: run.upsampling === undefined ? size : size / 2,
      inputChannels: sublayers[0]?.inputChannels ?? 0,
      outputChannels: sublayers.at(-1)?.outputChannels ?? 0,
      coefficientBits:
        options.bitsOf(first?.conv.id ?? "") ?? options.target.weightModes[0]?.bits ?? 1,
      sublayers,
      pooling: run.pooling,
      upsampling: run.upsampling,
      shortcutStarts: run.convs.flatMap((unit, index) =>
        unit.shortcut !== undefined && index > 0 ? [index] : [],
      ),
      learning: false,
      lastLayerOut: !isLast && last !== undefined && options.isTapped(last.output),
      tenBits: mode === 2 || (mode === 1 && isLast),
    };
  });
  return { majors, activationBitMode: mode };
}

function sublayerOf({ conv, output }: ConvUnit, view: View): Sublayer {
  const { inputChannels, outputChannels } = geometryOf(conv, view);
  return { conv: conv.id, output, kind: kindOf(conv, view), inputChannels, outputChannels };
}
