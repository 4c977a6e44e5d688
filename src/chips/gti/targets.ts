/**
 * The GTI chips as data. Each number has its evidence beside it; NOTES.md says how far to trust it. A limit
 * is `certain` where the vendor printed it or ships a script that holds it.
 */
import type { LayeredTarget, WeightMode } from "../../target/layered-target.ts";

/** Slots of 3x3 kernels at full precision: printed for the 5801 alone, as "below 489216". */
const printedSlots = 489_216;

/** What all chips share. */
const common = {
  form: "layered",
  // A shift takes four bits of a register word (seen in the words that the converter prints).
  shiftRegisterMax: 15,
  // Pictures enter as 8 bits and are reduced to 5 by the chip: the data layer and the simulator agree.
  inputBits: { from: 8, to: 5 },
  maxChannels: 1024,
  // A merged major layer must stay below 13 sublayers (the vendor's splitter); the MobileNet templates use 12.
  sublayers: { value: 12, certain: true },
  // Inferred: MobileNet-224 has 3.139 million 1x1 coefficients and is shipped for one chip.
  pointwisePerSlot: 9,
  poolings: ["max", "sample"],
  // Nobody has published the accumulator: wide enough for every layer that the other limits allow.
  accumulatorBits: 32,
} as const;

/** Masked schemes of the 2801, with 12-bit magnitudes. */
const modes2801: readonly WeightMode[] = [
  { bits: 1, precision: "oneBit", biasBits: 12, kernelsPerSlot: 4 },
  { bits: 3, precision: "threeBits", biasBits: 18, kernelsPerSlot: 2 },
];

const modes2803: readonly WeightMode[] = [
  { bits: 2, precision: "twoBits", biasBits: 12, kernelsPerSlot: 4 },
  { bits: 5, precision: "fiveBits", biasBits: 16, kernelsPerSlot: 2 },
  { bits: 12, precision: "dynamic", biasBits: 20, kernelsPerSlot: 1 },
];

const modes5801: readonly WeightMode[] = [
  { bits: 1, precision: "oneBit", biasBits: 20, kernelsPerSlot: 4 },
  { bits: 3, precision: "threeBits", biasBits: 20, kernelsPerSlot: 2 },
  { bits: 8, precision: "dynamic", biasBits: 20, kernelsPerSlot: 1 },
];

/** VGG-like networks, 1 and 3 bits. */
export const gti2801: LayeredTarget = {
  ...common,
  name: "gti2801",
  description: "GTI Lightspeeur 2801: 1- and 3-bit weights, 5-bit activations, VGG-like networks",
  chipType: 2801,
  parameterBits: 12,
  weightModes: modes2801,
  // The converter's own default; `--shift_max` overrides it there.
  shiftMax: 13,
  activationBits: [5],
  inputChannels: [3],
  // 3 -> 16 at the input makes the sum of VGG16 the vendor's.
  minChannels: { input: 16, output: 16 },
  // An independent tool's table; 7 is reached by pooling 14 alone.
  imageSizes: [448, 224, 112, 56, 28, 14],
  majorLayers: { value: 6, certain: false },
  // Not printed for this chip; its shipped networks stay below the 5801's (457216 at most).
  weightSlots: { value: printedSlots, certain: false },
  // Not printed, and nothing to infer it from but that VGG16 (4014080) runs.
  activationVolume: undefined,
  // The manual gives MobileNet and ResNet to the other two chips only.
  pointwise: false,
  depthwise: false,
  shortcuts: false,
  // No evidence of it on this chip.
  upsampling: false,
};

/** 2, 5 and 12 bits; MobileNet, ResNet and cascades. */
export const gti2803: LayeredTarget = {
  ...common,
  name: "gti2803",
  description: "GTI Lightspeeur 2803: 2-, 5- and 12-bit weights, 5- or 10-bit activations",
  chipType: 2803,
  parameterBits: 12,
  weightModes: modes2803,
  shiftMax: 13,
  activationBits: [5, 10],
  // 4 channels since a release note of 3.2.2.
  inputChannels: [3, 4],
  // The manual's ResNet50 table counts the first convolution as 16 x 64.
  minChannels: { input: 16, output: 16 },
  imageSizes: [448, 224, 112, 56, 28, 14, 7],
  // The vendor's splitter merges a seventh.
  majorLayers: { value: 6, certain: true },
  weightSlots: { value: printedSlots, certain: false },
  // The largest template needs exactly this, and the 5801's was narrowed to get there: a lower bound.
  activationVolume: { value: 80 * 224 * 224, certain: false },
  pointwise: true,
  depthwise: true,
  shortcuts: true,
  upsampling: true,
};

/** 1, 3 and 8 bits. */
export const gti5801: LayeredTarget = {
  ...common,
  name: "gti5801",
  description: "GTI Lightspeeur 5801: 1-, 3- and 8-bit weights, 5- or 10-bit activations",
  chipType: 5801,
  parameterBits: 8,
  weightModes: modes5801,
  shiftMax: 15,
  activationBits: [5, 10],
  inputChannels: [3, 4],
  // 3 -> 4 makes VGG16 456832, four times the filter length of the converter's log.
  minChannels: { input: 4, output: 4 },
  // 7 at the input too: the ResNet18 and MobileNet templates have such layers.
  imageSizes: [896, 448, 224, 112, 56, 28, 14, 7],
  // A detection network of seven was shipped.
  majorLayers: { value: 7, certain: false },
  // Printed; yet a network of 489600 was shipped.
  weightSlots: { value: printedSlots, certain: true },
  // Printed: 96 planes of 224 x 224. The MobileNet-448 template needs exactly that.
  activationVolume: { value: 96 * 224 * 224, certain: true },
  pointwise: true,
  depthwise: true,
  shortcuts: true,
  upsampling: true,
};

/** All of them, by the number of the vendor's files. */
const gtiTargets: readonly LayeredTarget[] = [gti2801, gti2803, gti5801];

/** The target of a `ChipType`; undefined where there is none. */
export function targetOfChipType(chipType: number): LayeredTarget | undefined {
  return gtiTargets.find((target) => target.chipType === chipType);
}
