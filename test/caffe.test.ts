/**
 * Caffe's files from the development data: every prototxt and caffemodel reads, is written back
 * the same, and imports to a graph of the right shapes.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InlayError } from "../src/error.ts";
import {
  readCaffemodel,
  readPrototxt,
  writeCaffemodel,
  writePrototxt,
} from "../src/formats/caffe/files.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import { verify } from "../src/ir/verify.ts";
import type { Warning } from "../src/notice.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { structureOf } from "./caffe-structure.ts";

const data = process.env["INLAY_DATA"];
const title = (what: string) => (data ? what : `${what} (INLAY_DATA is unset)`);

function filesUnder(folder: string, ending: string): string[] {
  if (!data) return [];
  return readdirSync(join(data, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(data, folder, path))
    .toSorted();
}

const named = (path: string) => ({ name: basename(path), bytes: readFileSync(path) });
const text = (content: string) => ({
  name: "again.prototxt",
  bytes: new TextEncoder().encode(content),
});

function kindOf(content: string): "NetParameter" | "SolverParameter" | "LabelMap" {
  if (/^\s*item\b/m.test(content)) return "LabelMap";
  return /^\s*(?:base_lr|train_net|net)\s*:/m.test(content) ? "SolverParameter" : "NetParameter";
}

describe.skipIf(!data)(title("messages"), () => {
  const prototxts = ["prototxt", "models", "lmdb", "voc_samples"].flatMap((folder) =>
    filesUnder(folder, ".prototxt"),
  );

  test.each(prototxts)("%s reads, and again after writing", (path) => {
    const warnings: Warning[] = [];
    const file = named(path);
    const kind = kindOf(file.bytes.toString());
    const first = readPrototxt(kind, file, (warning) => warnings.push(warning));
    const again = readPrototxt(kind, text(writePrototxt(kind, first)), (w) => warnings.push(w));
    expect(again).toEqual(first);
    expect(warnings).toEqual([]);
  });

  test.each(filesUnder("models", ".caffemodel"))("%s reads the same after writing", (path) => {
    const file = named(path);
    const first = readCaffemodel(file);
    const written = writeCaffemodel(first);
    const again = readCaffemodel({ name: "again.caffemodel", bytes: written });
    expect(structureOfMessage(again)).toBe(structureOfMessage(first));
    expect(written.length).toBe(file.bytes.length);
    // Caffe writes fields in the order of their numbers; other tools do not.
    if (inFieldOrder.test(path)) expect(Buffer.compare(written, file.bytes)).toBe(0);
  });
});

const inFieldOrder = /cifar10_quick|lenet_iter|mtcnn|RFB-320|wechat_qr/;

/** A message as text, typed arrays as digests. */
function structureOfMessage(message: unknown): string {
  return JSON.stringify(message, (_key, value) => {
    if (!ArrayBuffer.isView(value)) return value;
    return createHash("sha1")
      .update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
      .digest("hex");
  });
}

/** A copy with some of its first `range` bytes replaced. */
function changed(
  bytes: Uint8Array,
  changes: readonly (readonly [at: number, byte: number])[],
  range: number,
): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const [at, byte] of changes) copy[at % Math.min(range, copy.length)] = byte;
  return copy;
}

describe.skipIf(!data)(title("damaged and lone files"), () => {
  test("a caffemodel alone holds the training network, which becomes the one to deploy", () => {
    const path = join(data ?? "", "models/lenet/lenet_iter_10000.caffemodel");
    const graph = readCaffe({ caffemodel: named(path), inputShape: [1, 1, 28, 28] });
    expect(graph.outputs).toEqual([{ name: "loss", id: "loss" }]);
    expect(inferTypes(verify(graph, "imported")).get("loss")?.shape).toEqual([1, 10]);
  });

  test.each([
    ["mtcnn/det1", "mtcnn/det1"],
    ["wechat_qr_ssd/detect", "wechat_qr_ssd/detect"],
    ["lenet/lenet_train_test", "lenet/lenet_iter_10000"],
  ])("%s with bytes changed is read or refused, never a crash", (net, weights) => {
    const file = (path: string) => readFileSync(join(data ?? "", "models", path));
    const [text, model] = [file(`${net}.prototxt`), file(`${weights}.caffemodel`)];
    const change = fc.tuple(fc.nat(), fc.nat(255));
    const changes = fc.array(change, { maxLength: 4 });
    fc.assert(
      fc.property(changes, changes, (inText, inModel) => {
        const prototxt = { name: "p", bytes: changed(text, inText, text.length) };
        const caffemodel = { name: "c", bytes: changed(model, inModel, 4000) };
        try {
          writeCaffe(readCaffe({ prototxt, caffemodel, inputShape: [1, 1, 64, 64] }));
        } catch (error) {
          if (!(error instanceof InlayError)) throw error;
        }
      }),
      { numRuns: 150 },
    );
  });

  test("cut off anywhere it is one error with a byte offset", () => {
    const { bytes } = named(join(data ?? "", "models/mtcnn/det1.caffemodel"));
    const messages: string[] = [];
    for (let length = 1; length < bytes.length; length += 997) {
      const caffemodel = { name: "cut.caffemodel", bytes: bytes.subarray(0, length) };
      try {
        readCaffe({ caffemodel, inputShape: [1, 3, 12, 12] });
      } catch (error) {
        if (!(error instanceof InlayError)) throw error;
        messages.push(error.message);
      }
    }
    expect(messages.length).toBeGreaterThan(20);
    expect(messages.every((message) => /cut\.caffemodel: byte \d+/.test(message))).toBe(true);
  });
});

/** Prototxt and caffemodel under `models`, parameters, and outputs with their shapes. */
const models: readonly (readonly [string, string, number, readonly string[]])[] = [
  ["cifar10_quick/cifar10_quick", "cifar10_quick/cifar10_quick_iter_5000", 145578, ["prob=1x10"]],
  ["lenet/lenet", "lenet/lenet_iter_10000", 431080, ["prob=64x10"]],
  [
    "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128",
    "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128",
    467336,
    ["prob=1x1000x1x1"],
  ],
  [
    "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128_relu6",
    "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128",
    467336,
    ["prob=1x1000x1x1"],
  ],
  [
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_clip",
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6",
    4228424,
    ["prob=1x1000x1x1"],
  ],
  [
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6",
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6",
    4228424,
    ["prob=1x1000x1x1"],
  ],
  [
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_relu6",
    "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224",
    4221032,
    ["prob=1x1000x1x1"],
  ],
  ["mtcnn/det1", "mtcnn/det1", 6632, ["conv4-2=1x4x1x1", "prob1=1x2x1x1"]],
  ["mtcnn/det2", "mtcnn/det2", 100178, ["conv5-2=1x4", "prob1=1x2"]],
  ["mtcnn/det3", "mtcnn/det3", 389040, ["conv6-2=1x4", "conv6-3=1x10", "prob1=1x2"]],
  ["resnet20_cifar10/resnet20-cifar10", "resnet20_cifar10/resnet20-cifar10", 273658, ["fc=1x10"]],
  [
    "resnet8_cifar10/resnet8-cifar10_exact",
    "resnet8_cifar10/resnet8-cifar10_exact",
    96586,
    ["prob=1x10"],
  ],
  [
    "squeezenet_v1.0/SqueezeNet_deploy",
    "squeezenet_v1.0/decompressed_SqueezeNet",
    1248424,
    ["pool_final=1x1000x1x1"],
  ],
  [
    "squeezenet_v1.0/SqueezeNet_trainval",
    "squeezenet_v1.0/decompressed_SqueezeNet",
    1248424,
    ["loss=50x1000x1x1"],
  ],
  [
    "ultraface_rfb_320/RFB-320",
    "ultraface_rfb_320/RFB-320",
    273888,
    ["boxes=1x4420x4", "scores=1x4420x2"],
  ],
  [
    "vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96_exact",
    "vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96_exact",
    223642,
    ["prob=1x2"],
  ],
  ["wechat_qr_ssd/detect", "wechat_qr_ssd/detect", 235656, ["detection_output=?"]],
  ["wechat_qr_ssd/sr", "wechat_qr_ssd/sr", 5301, ["fc=1x1x447x447"]],
];

describe.skipIf(!data)(title("graphs"), () => {
  test.each(models)("%s with %s", (net, weights, parameters, outputs) => {
    const warnings: Warning[] = [];
    const caffemodel = named(join(data ?? "", "models", `${weights}.caffemodel`));
    const graph = readCaffe({
      prototxt: named(join(data ?? "", "models", `${net}.prototxt`)),
      caffemodel,
      onWarning: (warning) => warnings.push(warning),
    });
    const types = inferTypes(verify(graph, "imported"));
    expect(
      graph.outputs.map(({ name, id }) => `${name}=${types.get(id)?.shape.join("x") ?? "?"}`),
    ).toEqual(outputs);
    const count = nodesOf(graph, "const").reduce((n, { attrs }) => n + attrs.tensor.data.length, 0);
    expect(count).toBe(parameters);
    expect(count).toBe(storedParameters(caffemodel, net));
    expect(warnings.map(({ id }) => id)).toEqual(net.endsWith("det2") ? ["unused-weights"] : []);

    const written = writeCaffe(graph);
    const again = readCaffe({
      prototxt: text(written.prototxt),
      caffemodel: { name: "again.caffemodel", bytes: written.caffemodel },
    });
    expect(structureOf(again)).toEqual(structureOf(graph));
  });

  const networks = filesUnder("prototxt", ".prototxt").filter(
    (path) => kindOf(readFileSync(path, "utf8")) === "NetParameter" && !path.includes("hdf5"),
  );

  test.each(networks)("%s imports without weights", (path) => {
    const prototxt = named(path);
    const graph = readWithoutWeights(prototxt, undefined);
    expect(graph.outputs.length).toBeGreaterThan(0);
    verify(graph, "imported");
  });

  /** Networks that read a database do not tell their input's shape: a small one serves. */
  function readWithoutWeights(prototxt: { name: string; bytes: Uint8Array }, shape?: Shape): Graph {
    try {
      return readCaffe({ prototxt, inputShape: shape });
    } catch (error) {
      const isShapeless =
        error instanceof InlayError && /the shape of its input/.test(error.message);
      if (!isShapeless || shape !== undefined) throw error;
      const pairs = prototxt.name.includes("siamese_train") ? 2 : 0;
      const channels = pairs || (/mnist|lenet/.test(prototxt.name) ? 1 : 3);
      return readWithoutWeights(prototxt, [2, channels, 32, 32]);
    }
  }
});

/** Values in the file, without batch norms' counts and without a layer that the network lacks. */
function storedParameters(caffemodel: { name: string; bytes: Uint8Array }, net: string): number {
  const file = readCaffemodel(caffemodel);
  return [...file.layer, ...file.layers]
    .filter((layer) => !(net.endsWith("det2") && layer.name === "conv5-3"))
    .flatMap((layer) => (layer.type === "BatchNorm" ? layer.blobs.slice(0, 2) : layer.blobs))
    .reduce((sum, blob) => sum + blob.data.length, 0);
}
