/**
 * The networks that are measured, by name: files below INLAY_DATA/models and, where pictures are
 * read, the preprocessing.
 */
import { join } from "node:path";

/** Where models and pictures lie, or undefined. */
export const dataFolder = process.env["INLAY_DATA"];

/** A path below the data folder. */
export const dataPath = (...parts) => join(dataFolder ?? "", ...parts);

const calibrated = {
  "SqueezeNet 1.0": {
    files: [
      "squeezenet_v1.0/SqueezeNet_deploy.prototxt",
      "squeezenet_v1.0/decompressed_SqueezeNet.caffemodel",
    ],
    preprocess: {
      color: "auto",
      crop: 227,
      order: "bgr",
      mean: [104, 117, 123],
      scale: 1,
      std: [1],
    },
    inputRange: [-123, 151],
  },
  "MobileNetV1 1.0": {
    files: [
      "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6.prototxt",
      "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6.caffemodel",
    ],
    preprocess: {
      color: "auto",
      crop: 224,
      order: "bgr",
      mean: [127.5],
      scale: 1 / 127.5,
      std: [1],
    },
    inputRange: [-1, 1],
  },
};

const onnxOnly = {
  "MobileNetV1 0.25": {
    files: ["mobilenet_v1_0.25_128/mobilenet_v1_0.25_128.onnx"],
    inputRange: [-1, 1],
  },
  "ResNet-20": { files: ["resnet20_cifar10/resnet20-cifar10.onnx"], inputRange: [-2, 2] },
  "ResNet-8": { files: ["resnet8_cifar10/resnet8-cifar10.onnx"], inputRange: [0, 255] },
  VWW: {
    files: ["vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96.onnx"],
    inputRange: [0, 1],
  },
  UltraFace: {
    files: ["ultraface_rfb_320/version-RFB-320_simplified.onnx"],
    inputRange: [-1, 1],
  },
};

/** Networks that are calibrated on ImageNet pictures. */
export const calibratedNames = Object.keys(calibrated);
/** Networks that exist as ONNX files of another exporter. */
export const onnxNames = Object.keys(onnxOnly);

/** A network's record; its `files` are whole paths. */
export function network(name) {
  const found = calibrated[name] ?? onnxOnly[name];
  if (found === undefined) throw new Error(`no network "${name}"`);
  return { ...found, files: found.files.map((file) => dataPath("models", file)) };
}

/** The pictures that calibration reads, as a list file. */
export const pictureList = () => dataPath("imagenet", "calibrate", "labels.txt");
