/**
 * Networks for tests of the chip mapping, built step by step: the structure of known ones, weights random or zero.
 */
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32 } from "../src/tensor/tensor.ts";

export type ConvSpec = {
  /** 3 unless given; pads keep the size unless given. */
  readonly kernel?: number;
  readonly stride?: number;
  readonly pads?: number;
  readonly dilation?: number;
  readonly groups?: number;
  /** Another input than the last value. */
  readonly from?: string;
  /** `none`: no activation behind; then the convolution is the last value. `relu` unless given. */
  readonly activation?: "relu" | "clip" | "leaky" | "none";
  readonly name?: string;
};

/** Collects nodes; each call adds behind the last value and gives the id of the new one. */
export class NetBuilder {
  readonly #nodes: Node[] = [];
  readonly #random: (() => number) | undefined;
  readonly #channels = new Map<string, number>();
  #last = "x";
  #count = 0;

  /** With a seed weights are random, else zero. */
  constructor(size: number, channels = 3, seed?: number) {
    const random = seed === undefined ? undefined : createRandom(seed);
    this.#random = random && (() => random.unit() * 2 - 1);
    this.#put(
      {
        op: "input",
        id: "x",
        inputs: [],
        attrs: { dtype: "float32", shape: [1, channels, size, size] },
      },
      channels,
    );
  }

  get last(): string {
    return this.#last;
  }

  #put(node: Node, channels: number): string {
    this.#nodes.push(node);
    this.#channels.set(node.id, channels);
    this.#last = node.id;
    return node.id;
  }

  #channelsOf(id: string): number {
    return this.#channels.get(id) ?? 0;
  }

  constant(id: string, shape: Shape): string {
    const data = new Float32Array(elementCount(shape));
    if (this.#random !== undefined)
      for (let at = 0; at < data.length; at++) data[at] = this.#random();
    this.#nodes.push({ op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } });
    return id;
  }

  /** Convolution and activation. */
  conv(outputs: number, spec: ConvSpec = {}): string {
    this.#count += 1;
    const { kernel = 3, stride = 1, dilation = 1, groups = 1, from = this.#last } = spec;
    const name = spec.name ?? `conv${this.#count}`;
    const pad = spec.pads ?? ((kernel - 1) * dilation) / 2;
    const shape = [outputs, this.#channelsOf(from) / groups, kernel, kernel];
    const weights = [this.constant(`${name}.w`, shape), this.constant(`${name}.b`, [outputs])];
    const attrs = {
      stride: [stride, stride],
      pads: [pad, pad, pad, pad],
      dilation: [dilation, dilation],
      groups,
    } as const;
    this.#put({ op: "conv", id: name, inputs: [from, ...weights], attrs }, outputs);
    return spec.activation === "none" ? name : this.activate(`${name}_relu`, spec.activation);
  }

  depthwise(spec: ConvSpec = {}): string {
    const channels = this.#channelsOf(spec.from ?? this.#last);
    return this.conv(channels, { ...spec, groups: channels });
  }

  activate(id: string, kind: ConvSpec["activation"] = "relu"): string {
    const inputs = [this.#last];
    const channels = this.#channelsOf(this.#last);
    if (kind === "clip")
      return this.#put({ op: "clip", id, inputs, attrs: { min: 0, max: 6 } }, channels);
    const attrs = { slope: kind === "leaky" ? 0.1 : 0 };
    return this.#put({ op: "relu", id, inputs, attrs }, channels);
  }

  /** `max` and `sample` are the chip's; `wide` is 3x3, `mean` average pooling 3x3. */
  pool(kind: "max" | "sample" | "wide" | "mean", from: string = this.#last): string {
    this.#count += 1;
    const size = { max: 2, sample: 1, wide: 3, mean: 3 }[kind];
    const attrs = {
      kernel: [size, size],
      stride: [2, 2],
      pads: [0, 0, 0, 0],
      dilation: [1, 1],
      ceil: kind !== "sample",
    } as const;
    const head = { id: `pool${this.#count}`, inputs: [from] };
    const node: Node =
      kind === "mean"
        ? { op: "avgPool", ...head, attrs: { ...attrs, countPad: true } }
        : { op: "maxPool", ...head, attrs };
    return this.#put(node, this.#channelsOf(from));
  }

  /** A frozen Deconvolution: each pixel four times, or zeros around it. */
  upsample(kind: "repeat" | "zeros"): string {
    this.#count += 1;
    const [channels, id] = [this.#channelsOf(this.#last), `up${this.#count}`];
    const taps = kind === "repeat" ? [1, 1, 1, 1] : [1, 0, 0, 0];
    const tensor = float32(
      [channels, 1, 2, 2],
      Array.from({ length: channels }, () => taps).flat(),
    );
    this.#nodes.push({ op: "const", id: `${id}.w`, inputs: [], attrs: { tensor } });
    const attrs = {
      stride: [2, 2],
      pads: [0, 0, 0, 0],
      dilation: [1, 1],
      groups: channels,
      outputPads: [0, 0],
    } as const;
    return this.#put({ op: "deconv", id, inputs: [this.#last, `${id}.w`], attrs }, channels);
  }

  /** Two convolutions, and the sum with what goes into them, or with a projection of it. */
  block(
    outputs: number,
    spec: { readonly stride?: number; readonly project?: boolean } = {},
  ): string {
    const [start, stride] = [this.#last, spec.stride ?? 1];
    this.conv(outputs, { stride });
    const second = this.conv(outputs, { activation: "none" });
    const other = spec.project
      ? this.conv(outputs, { from: start, kernel: 1, stride, activation: "none" })
      : start;
    this.#count += 1;
    const id = `add${this.#count}`;
    this.#put({ op: "add", id, inputs: [second, other], attrs: {} }, outputs);
    return this.activate(`${id}_relu`);
  }

  /** Global average pooling and a linear layer, as a classifier ends. */
  classifier(classes = 10): string {
    const channels = this.#channelsOf(this.#last);
    this.#put({ op: "globalAvgPool", id: "gap", inputs: [this.#last], attrs: {} }, channels);
    this.#put(
      { op: "flatten", id: "flat", inputs: ["gap"], attrs: { axis: 1, endAxis: -1 } },
      channels,
    );
    const weight = this.constant("fc.w", [classes, channels]);
    return this.#put({ op: "linear", id: "fc", inputs: ["flat", weight], attrs: {} }, classes);
  }

  /** Any node of one input per id. */
  add(node: Node, channels: number): string {
    return this.#put(node, channels);
  }

  /** The graph with these outputs besides the last value. */
  graph(...outputs: readonly string[]): Graph {
    const ids = [...new Set([...outputs, this.#last])];
    return {
      name: "net",
      nodes: this.#nodes,
      outputs: ids.map((id) => ({ name: id, id })),
      opsets: {},
    };
  }
}

/** VGG16 of convolutions with ReLU and max pooling, linear layers left out. */
export function vgg16Net(): NetBuilder {
  const net = new NetBuilder(224);
  for (const [count, channels] of [
    [2, 64],
    [2, 128],
    [3, 256],
    [3, 512],
    [3, 512],
  ] as const) {
    for (let at = 0; at < count; at++) net.conv(channels);
    net.pool("max");
  }
  return net;
}

/** MobileNet as it is published: strided convolutions, ReLU6. */
export function mobilenetNet(size: number, first = 32, second = 64): NetBuilder {
  const net = new NetBuilder(size);
  net.conv(first, { stride: 2, activation: "clip" });
  const rows = [
    [second, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
    ...Array.from({ length: 5 }, () => [512, 1]),
    [1024, 2],
    [1024, 1],
  ];
  for (const [channels = 0, stride = 1] of rows) {
    net.depthwise({ stride, activation: "clip" });
    net.conv(channels, { kernel: 1, activation: "clip" });
  }
  return net;
}

/** ResNet18 in the form that the chips take: pooling and plain convolutions between the stages. */
export function resnet18Net(): NetBuilder {
  const net = new NetBuilder(224);
  for (let at = 0; at < 2; at++) net.conv(64);
  net.pool("max");
  for (let at = 0; at < 2; at++) net.conv(64);
  net.pool("max");
  net.block(64);
  net.block(64);
  for (const channels of [128, 256, 512]) {
    net.pool("max");
    net.conv(channels);
    net.conv(channels);
    net.block(channels);
  }
  return net;
}
