/**
 * Calibration, refining and the converter's gain editing against what the GTI kit's scripts computed.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { editGainOnGrid } from "../src/chips/gti/mdk/edit-gain-on-grid.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { type ResliceRule, resliceCoefficients } from "../src/fixed/coefficients.ts";
import { readPrototxt, writeCaffemodel } from "../src/formats/caffe/files.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import type { LayerParameter } from "../src/formats/caffe/schema/schema.ts";
import { calibrateQuantReluJob } from "../src/job/calibrate-quant-relu.node.ts";
import { withCap } from "../src/job/mdk/caps.ts";
import { editGains } from "../src/job/mdk/edit-gains.ts";
import { mergeBatchNorms } from "../src/job/mdk/merge-batch-norms.ts";
import { mergeInputMeans } from "../src/job/mdk/merge-input-means.ts";
import {
  blobsOf,
  edited,
  readTrainNet,
  type TrainNet,
  writeTrainNet,
} from "../src/job/mdk/train-net.ts";
import type { JobContext } from "../src/job/options.ts";
import { refineNetworkJob } from "../src/job/refine-network.node.ts";
import type { Warning } from "../src/notice.ts";
import { openSession } from "../src/run/session.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";
import { type Picture, writeLmdb } from "./write-lmdb.ts";

const scripts = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "scripts");
const refined = scripts.filter(({ params }) => params["calls"] !== undefined);
const gains =
  vectorsFolder === undefined
    ? []
    : readVectors(vectorsFolder, "convert").filter(({ params }) => params["edit_gain"] === true);

/** Float32 sums in another order. */
const sumTolerance = 1e-6;
const context: JobContext = { device: "cpu", threads: 1, seed: 0, command: [] };
const silent = (): void => {};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-scripts-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const title = (name: string, count: number): string =>
  count > 0 ? `${name}: ${count} cases` : `${name} (INLAY_VECTORS is unset)`;

function floats(tensors: VectorCase["inputs"], key: string): Float32Array {
  const found = tensors[key];
  if (found?.dtype !== "float32") throw new Error(`${key} is no float32 tensor`);
  return found.data;
}

/** Tensors under `prefix`, as blobs by layer. */
function blobsUnder(tensors: VectorCase["inputs"], prefix: string): Map<string, Tensor[]> {
  const blobs = new Map<string, Tensor[]>();
  for (const [key, tensor] of Object.entries(tensors)) {
    const [first, layer = "", index = ""] = key.split("/");
    if (first !== prefix) continue;
    blobs.set(layer, [...(blobs.get(layer) ?? [])]);
    blobs.get(layer)![Number(index)] = tensor;
  }
  return blobs;
}

/** The case's network before anything was done. */
function networkOf({ params, inputs }: VectorCase): TrainNet {
  const text = String(params["prototxt"]);
  const types = new Map(
    [...text.matchAll(/name:"(\w+)" type:"(\w+)"/g)].map(([, name = "", type = ""]) => [
      name,
      type,
    ]),
  );
  const layer = [...blobsUnder(inputs, "init")].map(([name, blobs]) => ({
    name,
    type: types.get(name) ?? "",
    blobs: blobs.map(({ shape, data }) => ({ shape: { dim: shape }, data: data as Float32Array })),
  }));
  const bytes = writeCaffemodel({ layer });
  const prototxt = { name: "net.prototxt", bytes: new TextEncoder().encode(text) };
  return readTrainNet(prototxt, { name: "net.caffemodel", bytes }, silent);
}

/** The network with these caps, as the kit's script leaves it. */
function withCaps(trainNet: TrainNet, caps: readonly number[]): TrainNet {
  const relus = trainNet.net.layer.filter(({ type }) => type === "QuantReLU");
  const edits = relus.map((relu, at) => [relu, withCap(trainNet, relu, caps[at]!)] as const);
  return edited(trainNet, new Map(edits));
}

/** Network and pictures of a case as files in a folder of their own. */
function writeCase(one: VectorCase): { readonly prototxt: string; readonly caffemodel: string } {
  const place = join(folder, one.name);
  mkdirSync(place);
  const [count = 0, channels = 0, height = 0, width = 0] = one.inputs["images"]!.shape;
  const all = one.inputs["images"]!.data as Uint8Array;
  const size = channels * height * width;
  const pictures = Array.from({ length: count }, (_, at): Picture => {
    const data = all.slice(at * size, (at + 1) * size);
    return { channels, height, width, data, label: 0 };
  });
  writeLmdb(join(place, "db"), pictures);
  const files = writeTrainNet(networkOf(one));
  const paths = {
    prototxt: join(place, "net.prototxt"),
    caffemodel: join(place, "net.caffemodel"),
  };
  writeFileSync(paths.prototxt, files.prototxt);
  writeFileSync(paths.caffemodel, files.caffemodel);
  return paths;
}

function readWritten(files: readonly string[]): TrainNet {
  const [prototxt = "", caffemodel = ""] = files;
  const named = (name: string) => ({ name, bytes: new Uint8Array(readFileSync(name)) });
  return readTrainNet(named(prototxt), named(caffemodel), silent);
}

const layerNamed = ({ net }: TrainNet, name: string): LayerParameter =>
  net.layer.find((layer) => layer.name === name)!;

/** Every blob under `prefix` in the outputs is the network's, bit for bit. */
function expectBlobs(trainNet: TrainNet, { outputs }: VectorCase, prefix: string): number {
  const expected = blobsUnder(outputs, prefix);
  for (const [name, blobs] of expected) {
    const got = blobsOf(trainNet, layerNamed(trainNet, name)) ?? [];
    expect(
      got.map(({ data }) => data),
      `${prefix}/${name}`,
    ).toEqual(blobs.map(({ data }) => data));
    expect(got.map(({ shape }) => shape)).toEqual(blobs.map(({ shape }) => shape));
  }
  return expected.size;
}

function expectNear(got: Float32Array, want: Float32Array, tolerance: number): void {
  const largest = want.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expect(got.length).toBe(want.length);
  const worst = got.reduce((max, value, at) => Math.max(max, Math.abs(value - want[at]!)), 0);
  expect(worst / largest).toBeLessThanOrEqual(tolerance);
}

/** Runs the network on `x`; gives the values behind these layers. */
async function forward(
  trainNet: TrainNet,
  x: Tensor,
  layers: readonly string[],
): Promise<readonly Float32Array[]> {
  const { prototxt, caffemodel } = writeTrainNet(trainNet);
  const net = readPrototxt(
    "NetParameter",
    { name: "n", bytes: new TextEncoder().encode(prototxt) },
    silent,
  );
  const input = `input: "data" input_shape { ${x.shape.map((dim) => `dim: ${dim}`).join(" ")} }`;
  const text = writeTrainNet({
    ...trainNet,
    net: { ...net, layer: net.layer.filter(({ type }) => type !== "Data") },
  }).prototxt;
  const graph = readCaffe({
    prototxt: { name: "n", bytes: new TextEncoder().encode(input + text) },
    caffemodel: { name: "m", bytes: caffemodel },
  });
  const session = await openSession(graph, await nodeRuntime({ threads: 1 }), { taps: layers });
  const values = await session.run(new Map([["data", x]]));
  await session.release();
  return layers.map((name) => values.get(name)!.data as Float32Array);
}

const calls = ({ params }: VectorCase): readonly string[] =>
  params["calls"] as unknown as readonly string[];
const meansOf = ({ params }: VectorCase): readonly number[] =>
  params["image_means"] as unknown as readonly number[];

/** Caps that the reference had when refining began. */
function referenceCaps(one: VectorCase): readonly number[] {
  return [0, 1, 2].map((at) => floats(one.outputs, `after_${calls(one)[0]}/relu${at}/0`)[0]!);
}

describe.skipIf(vectorsFolder === undefined)(
  title("refining, step by step, exactly", refined.length),
  () => {
    it.each(refined.map((one) => [one.name, one] as const))("%s", (_name, one) => {
      const { params } = one;
      const warnings: Warning[] = [];
      const options = { likeMdk: true, onWarning: (warning: Warning) => warnings.push(warning) };
      let net = withCaps(networkOf(one), referenceCaps(one));
      let compared = 0;
      for (const call of calls(one)) {
        if (call === "MergeBatchnorm") {
          const merged = mergeBatchNorms(net, options);
          expect(merged.removed).toEqual(["bn0", "sc0", "bn1", "sc1", "bn2", "sc2"]);
          net = merged.trainNet;
        } else if (call === "MergeInputMean") {
          const scale = Number(params["input_scale"]);
          net = mergeInputMeans(net, { ...options, scale, means: meansOf(one) }) ?? net;
        } else {
          net = editGains(net, {
            ...options,
            inputScale: Number(params["input_scale"]),
            actBits: params["act_bits"] === 10 ? 10 : 5,
            lastLayer10bit: params["last_layer_10bit"] === 1,
          }).trainNet;
        }
        compared += expectBlobs(net, one, `after_${call}`);
      }
      expect(compared).toBe(6 * calls(one).length);
      const wrongCount = meansOf(one).length !== 3;
      expect(warnings.map(({ id }) => id)).toEqual(wrongCount ? ["mean-count"] : []);
      expectLayers(net, one.name);
    });
  },
);

/** The fields of the refined prototxt. */
function expectLayers({ net }: TrainNet, name: string): void {
  type Row = { readonly name: string; readonly type: string; readonly lr_mult: readonly number[] };
  const { cases } = JSON.parse(readFileSync(join(vectorsFolder!, "scripts.json"), "utf8")) as {
    readonly cases: readonly { readonly name: string; readonly refined_layers: readonly Row[] }[];
  };
  const rows = net.layer.map((layer) => ({
    name: layer.name,
    type: layer.type === "Data" ? "Input" : layer.type,
    shift_enable: layer.quant_convolution_param?.shift_enable ?? null,
    act_bits: layer.quant_relu_param?.act_bits ?? null,
    quant_enable: layer.quant_relu_param?.quant_enable ?? null,
    filler: layer.quant_relu_param?.filler?.value ?? null,
    lr_mult: layer.param.map(({ lr_mult = 1 }) => lr_mult),
  }));
  expect(rows).toEqual(cases.find((one) => one.name === name)!.refined_layers);
}

const refinedNames = ["conv0", "conv1", "conv2", "fc"];

describe.skipIf(vectorsFolder === undefined)(
  title("forward of calibrated and refined networks", refined.length),
  () => {
    it.each(refined.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
      const layers = ["relu0", "relu1", "relu2", "fc"];
      const calibrated = withCaps(networkOf(one), referenceCaps(one));
      const options = { likeMdk: true, onWarning: silent };
      const scale = Number(one.params["input_scale"]);
      let net = calls(one).includes("MergeBatchnorm")
        ? mergeBatchNorms(calibrated, options).trainNet
        : calibrated;
      net = mergeInputMeans(net, { ...options, scale, means: meansOf(one) }) ?? net;
      const actBits = one.params["act_bits"] === 10 ? 10 : 5;
      const gained = editGains(net, {
        ...options,
        ...{ inputScale: scale, actBits, lastLayer10bit: false },
      }).trainNet;
      for (const [network, input, prefix] of [
        [calibrated, "x_first_batch", "calibrated_forward"],
        [gained, "x_int", "refined_forward"],
      ] as const) {
        const got = await forward(network, one.inputs[input]!, layers);
        for (const [at, name] of refinedNames.entries()) {
          expectNear(got[at]!, floats(one.outputs, `${prefix}/${name}`), sumTolerance);
        }
      }
    });
  },
);

type Job = Parameters<typeof calibrateQuantReluJob>[0];

/** Batches, percentile, and the key of the caps that the kit chose. */
function calibrations({ params }: VectorCase): readonly (readonly [number, number, string])[] {
  if (params["calibrate_only"] === true) return [[10, 0.999, "alphas"]];
  return [
    [3, 0.9, "alphas_3batches_p0.9"],
    [10, 0.999, "alphas_10batches_p0.999"],
  ];
}

async function expectCalibrated(job: Job, reference: Float32Array): Promise<void> {
  const measured = calibrateQuantReluJob(job, context);
  if (reference.some((cap) => cap <= 0)) {
    // The kit writes a cap of 0, and NaN come out of the network.
    await expect(measured).rejects.toThrow("the cap would not be above 0: got 0");
    return;
  }
  const report = await measured;
  expectNear(
    Float32Array.from(report.layers, ({ cap }) => cap),
    reference,
    sumTolerance,
  );
  const written = readWritten(report.files);
  for (const { layer, cap } of report.layers) {
    const relu = layerNamed(written, layer);
    expect(blobsOf(written, relu)![0]!.data).toEqual(Float32Array.of(cap));
    expect(relu.quant_relu_param).toMatchObject({ quant_enable: true, filler: { value: cap } });
    expect(relu.param.map(({ lr_mult }) => lr_mult)).toEqual([0]);
  }
}

describe.skipIf(vectorsFolder === undefined)(
  title("both commands as the kit runs them", scripts.length),
  () => {
    it.each(scripts.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
      const paths = writeCase(one);
      const job = {
        ...{ ...paths, folder: join(folder, one.name) },
        ...({ phase: "TEST", likeMdk: true, force: true } as const),
      };
      for (const [numBatches, percentile, key] of calibrations(one)) {
        await expectCalibrated({ ...job, numBatches, percentile }, floats(one.outputs, key));
      }
      if (calls(one) === undefined) return;
      const calibrated = join(job.folder, "QuantRelu", "net_QuantReLU");
      const report = await refineNetworkJob(
        {
          ...job,
          ...{ prototxt: `${calibrated}.prototxt`, caffemodel: `${calibrated}.caffemodel` },
          ...{ inputScale: Number(one.params["input_scale"]), imageMeans: meansOf(one) },
          actBits: Number(one.params["act_bits"]),
        },
        context,
      );
      const written = readWritten(report.files);
      for (const [name, blobs] of blobsUnder(one.outputs, "after_EditGain")) {
        const got = blobsOf(written, layerNamed(written, name))!;
        for (const [at, { data }] of blobs.entries()) {
          expectNear(got[at]!.data, data as Float32Array, sumTolerance);
        }
      }
      expectLayers(written, one.name);
    });
  },
);

describe.skipIf(vectorsFolder === undefined)(
  title("gain editing on the grid, exactly", gains.length),
  () => {
    it.each(gains.map((one) => [one.name, one] as const))("%s", (_name, one) => {
      const { params, inputs, outputs } = one;
      const bits = Number(params["coef_bits"]) as ResliceRule["bits"];
      const parameterBits = params["weight_bits"] === 8 ? 8 : 12;
      const shiftMax = Number(params["shift_max"]);
      const before: number[] = [];
      const layers = [0, 1, 2].map((at) => {
        const name = `conv${at}`;
        const made = resliceCoefficients(
          {
            weight: floats(inputs, `init/${name}/0`),
            bias: floats(inputs, `init/${name}/1`),
            taps: 9,
            node: name,
          },
          { bits, parameterBits, shiftMax },
        );
        before.push(made.shift);
        const cap = floats(inputs, `init/relu${at}/0`)[0]!;
        return { name, weight: made.weight, bias: made.bias, cap };
      });
      const edited = editGainOnGrid(layers, {
        ...{ parameterBits, shiftMax, activationBitMode: 0, likeMdk: true },
        inputScale: Number(params["input_scale"]),
      } as const);
      expect(before).toEqual([...outputs["shift_list_before"]!.data]);
      expect(edited.layers.map(({ shift }) => shift)).toEqual([...outputs["shift_list"]!.data]);
      for (const [at, { weight, bias, cap }] of edited.layers.entries()) {
        // -0 and 0 are one number to the kit's arithmetic.
        expect(weight.map((value) => value + 0)).toEqual(
          floats(outputs, `edited/conv${at}/0`).map((value) => value + 0),
        );
        expect(bias).toEqual(floats(outputs, `edited/conv${at}/1`));
        expect(cap).toBe(floats(outputs, `edited/relu${at}/0`)[0]);
      }
    });
  },
);
