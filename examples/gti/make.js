/**
 * Writes the example networks for the GTI chips and their table: `node examples/gti/make.js`. The networks are
 * tables of major layers here, so that the .prototxt files and the README cannot drift apart.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * A run of convolutions of one resolution on the chip.
 * @typedef {object} Major
 * @property {number} size rows and columns, before upsampling
 * @property {number} inputs channels that come in
 * @property {number} outputs channels of every sublayer (but of a depthwise one that comes first)
 * @property {readonly ("full" | "pointwise" | "depthwise")[]} kinds its sublayers
 * @property {number} bits of a coefficient
 * @property {boolean} pooled
 * @property {readonly number[]} [shortcuts] sublayers (from 1) at whose input a shortcut starts
 * @property {"repeat" | "zeros"} [upsampling] in front of the sublayers
 * @property {boolean} [wide] its activations have 10 bits
 */

/**
 * @typedef {object} Network
 * @property {string} file
 * @property {string} title
 * @property {2801 | 2803 | 5801} chip
 * @property {"max" | "sample"} pooling
 * @property {readonly Major[]} majors
 * @property {(net: Writer) => void} host appends the host's layers
 * @property {string} hostText
 */

const pooled = true;
const full = (count) => Array(count).fill("full");
/** Depthwise and pointwise convolutions in turn, from the given one on. */
const alternating = (first, count) => {
  const second = first === "depthwise" ? "pointwise" : "depthwise";
  return Array.from({ length: count }, (_, at) => (at % 2 === 0 ? first : second));
};

const major = (size, inputs, outputs, kinds, bits, isPooled = false, more = {}) => {
  return { size, inputs, outputs, kinds, bits, pooled: isPooled, ...more };
};

/** Thirteen 3x3 convolutions; coefficient bits of the first three and of the last two blocks. */
const vgg16 = (early, late) => [
  major(224, 3, 64, full(2), early, pooled),
  major(112, 64, 128, full(2), early, pooled),
  major(56, 128, 256, full(3), early, pooled),
  major(28, 256, 512, full(3), late, pooled),
  major(14, 512, 512, full(3), late, pooled),
];

/** Ten convolutions of whole coefficients; with `wide` the last is one of 10-bit activations, not pooled. */
const vggLike = (bits, wide = false) => [
  major(224, 3, 64, full(2), bits, pooled),
  major(112, 64, 128, full(2), bits, pooled),
  major(56, 128, 256, full(2), bits, pooled),
  major(28, 256, 256, full(2), bits, pooled),
  wide
    ? major(14, 256, 256, full(1), bits, false, { wide })
    : major(14, 256, 256, full(2), bits, pooled),
];

/** MobileNet of the given input size; channels of the first two blocks. */
const mobileNet = (size, bits, first, second) => [
  major(size, 3, first, full(1), bits, pooled),
  major(size / 2, first, second, alternating("depthwise", 3), bits, pooled),
  major(size / 4, second, 128, alternating("pointwise", 4), bits, pooled),
  major(size / 8, 128, 256, alternating("pointwise", 4), bits, pooled),
  major(size / 16, 256, 512, alternating("pointwise", 12), bits, pooled),
  major(size / 32, 512, 1024, alternating("pointwise", 3), bits),
];

const resNet18 = (bits) => [
  major(224, 3, 64, full(2), bits, pooled),
  major(112, 64, 64, full(2), bits, pooled),
  major(56, 64, 64, full(4), bits, pooled, { shortcuts: [1, 3] }),
  major(28, 64, 128, full(4), bits, pooled, { shortcuts: [3] }),
  major(14, 128, 256, full(4), bits, pooled, { shortcuts: [3] }),
  major(7, 256, 512, full(4), bits, false, { shortcuts: [3] }),
];

/** Ten major layers, more than one chip takes. */
const resNet50 = (bits) => [
  major(224, 3, 64, full(2), bits, pooled),
  major(112, 64, 64, full(2), bits, pooled),
  major(56, 64, 64, full(6), bits, pooled, { shortcuts: [1, 3, 5] }),
  major(28, 64, 128, full(8), bits, pooled, { shortcuts: [3, 5, 7] }),
  major(14, 128, 256, full(4), bits),
  major(14, 256, 256, full(6), bits, false, { shortcuts: [1, 3, 5] }),
  major(14, 256, 256, full(6), bits, false, { shortcuts: [1, 3, 5] }),
  major(14, 256, 512, full(1), bits, pooled),
  major(7, 512, 512, full(1), bits),
  major(7, 512, 512, full(4), bits, false, { shortcuts: [1, 3] }),
];

/** An image to an image of the same size: three times down, three times up. */
const upsampler = (bits, upsampling) => [
  major(448, 3, 16, full(1), bits, pooled),
  major(224, 16, 32, full(1), bits, pooled),
  major(112, 32, 64, full(1), bits, pooled),
  major(56, 64, 32, full(1), bits, false, { upsampling }),
  major(112, 32, 16, full(1), bits, false, { upsampling }),
  major(224, 16, 3, full(1), bits, false, { upsampling }),
];

const detector = () => [
  major(448, 3, 64, full(1), 3, pooled),
  major(224, 64, 64, full(1), 3, pooled),
  major(112, 64, 128, full(2), 3, pooled),
  major(56, 128, 256, full(3), 3, pooled),
  major(28, 256, 256, full(3), 3, pooled),
  major(14, 256, 256, full(3), 3),
  major(14, 256, 256, full(3), 8),
];

/** Appends layers to a text, and knows the blob that the last one gave. */
class Writer {
  /** @param {number} size rows and columns of the input */
  constructor(size) {
    this.text = "";
    this.blob = "data";
    this.add("data", "Input", `input_param { shape { dim: 1 dim: 3 dim: ${size} dim: ${size} } }`, []);
  }

  /** A layer of one top (its name, or the bottom's own where it works in place). */
  add(name, type, body = "", bottoms = [this.blob], tops = [name]) {
    const blobs = [
      ...bottoms.map((bottom) => `bottom: "${bottom}"`),
      ...tops.map((top) => `top: "${top}"`),
    ];
    const lines = [`name: "${name}"`, `type: "${type}"`, ...blobs, ...body.split("\n").filter(Boolean)];
    this.text += `layer {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;
    this.blob = tops[0];
    return this.blob;
  }

  addInPlace(name, type, body) {
    return this.add(name, type, body, [this.blob], [this.blob]);
  }
}

const precisions = {
  1: "ONE_BIT",
  2: "TWO_BITS",
  3: "THREE_BITS",
  8: "DYNAMIC_FIXED_POINT",
  12: "DYNAMIC_FIXED_POINT",
};

const zeroBias = 'bias_filler { type: "constant" value: 0 }';

function convolutionText(kind, inputs, outputs) {
  if (kind === "depthwise") {
    const window = `kernel_size: 3 pad: 1 group: ${inputs}`;
    return `convolution_param { num_output: ${inputs} ${window} weight_filler { type: "xavier" } ${zeroBias} }`;
  }
  const window = kind === "full" ? "kernel_size: 3 pad: 1" : "kernel_size: 1";
  return `convolution_param { num_output: ${outputs} ${window} weight_filler { type: "msra" } ${zeroBias} }`;
}

/** Each channel by itself to twice the rows and columns. Its weights are no parameters: it is frozen. */
function upsamplingText(channels, mode) {
  const filler =
    mode === "repeat"
      ? 'type: "constant" value: 1'
      : 'type: "constant_array" value_array: 1 value_array: 0 value_array: 0 value_array: 0';
  const window = `num_output: ${channels} group: ${channels} kernel_size: 2 stride: 2 bias_term: false`;
  return `param { lr_mult: 0 decay_mult: 0 }\nconvolution_param { ${window} weight_filler { ${filler} } }`;
}

/** Activations are 0..31 in steps of 1; wide ones 0..31.96875 in steps of 1/32. */
function activationText(wide) {
  const [bits, cap] = wide ? [10, 31.96875] : [5, 31];
  const filler = `filler { type: "constant" value: ${cap} }`;
  return `param { lr_mult: 0 decay_mult: 0 }
quant_relu_param { act_bits: ${bits} quant_enable: true channel_shared: true ${filler} }`;
}

function addMajor(net, network, one, number) {
  const stage = `stage${number}`;
  const coefficients = `quant_convolution_param { coef_precision: ${precisions[one.bits]} bw_params: ${
    network.chip === 5801 ? 8 : 12
  } shift_enable: true }`;
  if (one.upsampling !== undefined) {
    net.add(`${stage}_up`, "Deconvolution", upsamplingText(one.inputs, one.upsampling));
  }
  let channels = one.inputs;
  let identity;
  one.kinds.forEach((kind, at) => {
    const place = at + 1;
    if (one.shortcuts?.includes(place)) identity = net.blob;
    const text = `${convolutionText(kind, channels, one.outputs)}\n${coefficients}`;
    net.add(`${stage}_conv${place}`, "QuantConvolution", text);
    if (kind !== "depthwise") channels = one.outputs;
    if (one.shortcuts?.includes(place - 1)) {
      const bottoms = [net.blob, identity];
      net.add(`${stage}_sum${place}`, "Eltwise", "eltwise_param { operation: SUM }", bottoms);
    }
    net.addInPlace(`${stage}_act${place}`, "QuantReLU", activationText(one.wide ?? false));
  });
  if (!one.pooled) return;
  const sample = network.pooling === "sample" ? " sample: true" : "";
  net.add(`${stage}_pool`, "Pooling", `pooling_param { pool: MAX kernel_size: 2 stride: 2${sample} }`);
}

/** The last cap before the chip's caps all became 31, over 31. */
const hostFactor = 0.2;

function addHostScale(net, name, blob = net.blob) {
  const filler = `filler { type: "constant" value: ${hostFactor} }`;
  const body = `param { lr_mult: 0 decay_mult: 0 }\nscale_param { axis: 0 num_axes: 0 ${filler} }`;
  return net.add(name, "Scale", body, [blob]);
}

const innerProduct = (outputs) =>
  `inner_product_param { num_output: ${outputs} weight_filler { type: "xavier" } ${zeroBias} }`;

/** Two fully connected layers on all pixels. */
function denseHost(net) {
  addHostScale(net, "host_scale");
  net.add("host_fc1", "InnerProduct", innerProduct(256));
  net.addInPlace("host_relu1", "ReLU");
  net.add("host_fc2", "InnerProduct", innerProduct(1000));
  net.add("prob", "Softmax");
}

/** The mean of each channel, and one fully connected layer. */
function averageHost(net) {
  addHostScale(net, "host_scale");
  net.add("host_average", "Pooling", "pooling_param { pool: AVE global_pooling: true }");
  net.add("host_fc", "InnerProduct", innerProduct(1000));
  net.add("prob", "Softmax");
}

const imageHost = (net) => void addHostScale(net, "image");

/** Maps of twenty classes and two boxes of five numbers; the chip's other channels are padding. */
function mapsHost(net) {
  addHostScale(net, "host_scale");
  const cut = "slice_param { axis: 1 slice_point: 30 }";
  net.add("host_slice", "Slice", cut, [net.blob], ["host_maps", "host_padding"]);
  net.add("host_order", "Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }");
  net.add("detections", "Flatten");
  net.add("host_silence", "Silence", "", ["host_padding"], []);
}

const hostConvolution = (outputs) =>
  `convolution_param { num_output: ${outputs} kernel_size: 3 pad: 1 weight_filler { type: "xavier" } ${zeroBias} }`;

/** Locations, confidences and default boxes of one feature map; four boxes a pixel, two classes. */
function addHead(net, name, blob, [min, max]) {
  const ordered = (kind, outputs) => {
    net.add(`${name}_${kind}`, "Convolution", hostConvolution(outputs), [blob]);
    net.add(`${name}_${kind}_order`, "Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }");
    return net.add(`${name}_${kind}_flat`, "Flatten");
  };
  const [locations, confidences] = [ordered("loc", 16), ordered("conf", 8)];
  const sizes = `min_size: ${min} max_size: ${max} aspect_ratio: 2 flip: true clip: false`;
  const variances = [0.1, 0.1, 0.2, 0.2].map((one) => `variance: ${one}`).join(" ");
  const body = `prior_box_param { ${sizes} ${variances} offset: 0.5 }`;
  const boxes = net.add(`${name}_boxes`, "PriorBox", body, [blob, "data"]);
  return { locations, confidences, boxes };
}

/** SSD on the fourth block before its pooling and on the pooled fifth. */
function ssdHost(net) {
  const last = net.blob;
  const heads = [
    addHead(net, "head1", addHostScale(net, "host_scale1", "stage4_conv3"), [20, 45]),
    addHead(net, "head2", addHostScale(net, "host_scale2", last), [90, 150]),
  ];
  const joined = (name, key, axis) =>
    net.add(
      name,
      "Concat",
      `concat_param { axis: ${axis} }`,
      heads.map((head) => head[key]),
    );
  const locations = joined("host_locations", "locations", 1);
  joined("host_confidences", "confidences", 1);
  net.add("host_rows", "Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 2 } }");
  net.add("host_softmax", "Softmax", "softmax_param { axis: 2 }");
  const confidences = net.add("host_scores", "Flatten", "flatten_param { axis: 1 }");
  const boxes = joined("host_boxes", "boxes", 2);
  const nms = "nms_param { nms_threshold: 0.45 top_k: 400 }";
  const text = `num_classes: 2 share_location: true background_label_id: 0 ${nms} code_type: CENTER_SIZE`;
  const body = `detection_output_param { ${text} keep_top_k: 200 confidence_threshold: 0.01 }`;
  net.add("found", "DetectionOutput", body, [locations, confidences, boxes]);
}

const dense = { host: denseHost, hostText: "two fully connected layers, softmax" };
const average = { host: averageHost, hostText: "average, fully connected layer, softmax" };

/** @type {(title: string, file: string, chip: number, majors: readonly Major[], more: object) => Network} */
const network = (title, file, chip, majors, more) => {
  return { title, file: `${file}-${chip}.prototxt`, chip, majors, pooling: "max", ...more };
};
const sampled = { ...average, pooling: "sample" };
const image = { host: imageHost, hostText: "none but the scale" };

/** @type {readonly Network[]} */
const networks = [
  network("VGG16", "vgg16", 2801, vgg16(3, 1), dense),
  network("VGG16", "vgg16", 2803, vgg16(2, 2), dense),
  network("VGG16", "vgg16", 5801, vgg16(3, 1), dense),
  network("VGG-like, 10 convolutions", "vgg-like", 2803, vggLike(12), dense),
  network("VGG-like, 10 convolutions", "vgg-like", 5801, vggLike(8), dense),
  network("VGG-like, the last activation 10 bits", "vgg-like-10bit", 2803, vggLike(12, true), dense),
  network("VGG-like, the last activation 10 bits", "vgg-like-10bit", 5801, vggLike(8, true), dense),
  network("MobileNet 224", "mobilenet-224", 2803, mobileNet(224, 12, 32, 64), sampled),
  network("MobileNet 224", "mobilenet-224", 5801, mobileNet(224, 8, 32, 64), sampled),
  network("MobileNet 448", "mobilenet-448", 2803, mobileNet(448, 12, 16, 32), sampled),
  network("MobileNet 448", "mobilenet-448", 5801, mobileNet(448, 8, 32, 64), sampled),
  network("ResNet18", "resnet18", 2803, resNet18(2), average),
  network("ResNet18", "resnet18", 5801, resNet18(1), average),
  network("ResNet50, for several chips", "resnet50", 2803, resNet50(2), average),
  network("Image to image, repeated pixels", "upsample-repeat", 5801, upsampler(8, "repeat"), image),
  network("Image to image, inserted zeros", "upsample-zeros", 5801, upsampler(8, "zeros"), {
    ...{ ...image, pooling: "sample" },
  }),
  network("Detector 448", "detector-448", 5801, detector(), {
    ...{ host: mapsHost, hostText: "padding channels dropped, pixels in order" },
  }),
  network("VGG16-SSD", "vgg16-ssd", 5801, vgg16(3, 1), {
    ...{ host: ssdHost, hostText: "SSD heads on stage 4 (before pooling) and 5" },
  }),
];

function prototxt(one) {
  const net = new Writer(one.majors[0].size);
  one.majors.forEach((each, at) => addMajor(net, one, each, at + 1));
  one.host(net);
  const comment = `# ${one.title} for the GTI ${one.chip}. Made by examples/gti/make.js; do not edit.`;
  return `${comment}\nname: "${one.file.replace(".prototxt", "")}"\n${net.text}`;
}

const letters = { full: "3", pointwise: "1", depthwise: "d" };

/** `224: 3→64 ×2 P`, `112 d1d`: where kernels differ, 3 (3x3), 1 (1x1) and d (depthwise) name the sublayers. */
function majorText({ size, inputs, outputs, kinds, pooled: isPooled, shortcuts, upsampling }) {
  const isPlain = kinds.every((kind) => kind === "full");
  const sublayers = isPlain ? `×${kinds.length}` : kinds.map((kind) => letters[kind]).join("");
  return [
    `${size}: ${inputs}→${outputs} ${sublayers}`,
    ...(shortcuts === undefined ? [] : [`s${shortcuts.join(",")}`]),
    ...(upsampling === undefined ? [] : ["U"]),
    ...(isPooled ? ["P"] : []),
  ].join(" ");
}

function bitsText(majors) {
  const runs = majors.map(({ bits }) => bits);
  return new Set(runs).size === 1 ? `${runs[0]}` : runs.join(", ");
}

function readme() {
  const rows = networks.map((one) => {
    const majors = one.majors.map(majorText).join("; ");
    const cells = [one.title, one.chip, bitsText(one.majors), one.pooling, majors, one.hostText];
    return `| [${one.file}](${one.file}) | ${cells.join(" | ")} |`;
  });
  return `# Example networks for the GTI chips

Networks in the shapes that the 2801, 2803 and 5801 run, as a deploy prototxt each, without weights: fillers stand for them.
\`node make.js\` writes these files and this page.

What they have in common, as a network has after its last training step: coefficients with \`shift_enable\`, activations of 5 bits
with a cap of 31 (10-bit ones 31.96875), batch norms folded away. Behind the chip's last layer a Scale of ${hostFactor} brings its levels back to
the network's own numbers (the last cap was 6.2 before it became 31), and the rest runs on the host. A stride of 2 is a convolution
of stride 1 and a pooling that takes the top left pixel (\`sample\`).

A major layer is written \`rows: channels in→out ×sublayers\`. P: pooled 2x2. U: upsampled 2x2 first. s1,3: shortcuts start at the inputs of
sublayers 1 and 3, and end behind the next one. Of mixed kernels d is 3x3 depthwise, 1 is 1x1.

| file | network | chip | coefficient bits | pooling | major layers | on the host |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

/** Content by file name. */
export function exampleFiles() {
  const files = networks.map((one) => [one.file, prototxt(one)]);
  return new Map([...files, ["README.md", readme()]]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of exampleFiles()) {
    writeFileSync(new URL(name, import.meta.url), text);
  }
}
