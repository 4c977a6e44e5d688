/**
 * A made-up report of a check: a network of three layers of which each part has something to say.
 */
import type { CheckReport } from "../src/report/check.ts";

export function sampleCheck(): CheckReport {
  return {
    schema: "inlay.check/1",
    model: "small",
    source: ["deploy.prototxt"],
    target: "gti2803",
    verdict: "does not fit",
    options: {
      bitsFrom: "command",
      bitsNote: "12 bits, as asked",
      activationBits: 5,
      lastTenBits: false,
      chips: 2,
      waived: ["channels"],
    },
    convolutions: { chip: 2, all: 3 },
    violations: [
      {
        rule: "kernel",
        node: "conv3",
        limit: "3x3 or 1x1",
        found: "5x5",
        hint: "Train the layer with 3x3 kernels",
        waived: false,
      },
      {
        rule: "channels",
        node: "conv2",
        limit: "a power of two from 16 to 1024",
        found: "24",
        hint: "Pad the layer",
        waived: true,
      },
    ],
    host: [
      { name: "conv3", op: "conv", why: "kernel: 5x5" },
      { name: "conv3_relu", op: "relu", why: "kernel: 5x5" },
      { name: "prob", op: "softmax", why: "softmax runs on the host" },
    ],
    chipInputs: ["data"],
    chipOutputs: ["conv2_relu"],
    majorLayers: [
      {
        imageSize: 28,
        inputChannels: 3,
        outputChannels: 16,
        coefficientBits: 12,
        pooling: "max",
        upsampling: null,
        shortcutStarts: [],
        gives: "the last sublayer",
        tenBits: false,
        slots: 256,
        largestVolume: 15680,
        sublayers: [
          {
            name: "conv1",
            output: "conv1_relu",
            kind: "full",
            inputChannels: 3,
            outputChannels: 16,
            kernelsPerSlot: 1,
            slots: 256,
            cumulativeSlots: 256,
            volume: 15680,
          },
        ],
      },
      {
        imageSize: 14,
        inputChannels: 16,
        outputChannels: 24,
        coefficientBits: 12,
        pooling: null,
        upsampling: null,
        shortcutStarts: [],
        gives: null,
        tenBits: true,
        slots: 57,
        largestVolume: 9408,
        sublayers: [
          {
            name: "conv2",
            output: "conv2_relu",
            kind: "pointwise",
            inputChannels: 16,
            outputChannels: 24,
            kernelsPerSlot: 9,
            slots: 57,
            cumulativeSlots: 313,
            volume: 9408,
          },
        ],
      },
    ],
    noLayout: null,
    memory: {
      slots: 313,
      slotLimit: { value: 489_216, certain: false },
      largestVolume: 15_680,
      volumeLimit: null,
    },
    cascade: [
      { first: "conv1", last: "conv1", majorLayers: 1, sublayers: 1, slots: 256 },
      { first: "conv2", last: "conv2", majorLayers: 1, sublayers: 1, slots: 57 },
    ],
    noCascade: null,
    network: {
      file: "network.json",
      differences: [{ major: 2, key: "coef_bits", json: "5", network: "12" }],
    },
    warnings: [{ id: "waiver-unused", message: "not broken", where: null }],
  };
}
