/**
 * Where a network JSON and the network itself disagree: two layouts, key by key in the file's own words.
 */
import type { Layout, MajorLayer } from "./layout.ts";

/** One disagreement, in the words of the file. */
export type LayoutDifference = {
  /** Counted from 1; undefined for a key of the whole model. */
  readonly major: number | undefined;
  readonly key: string;
  /** What the JSON says. */
  readonly json: string;
  /** What the graph says. */
  readonly graph: string;
};

/**
 * All differences, in the file's order. A missing or additional major layer is one of them. What comes out is the
 * user's choice, so it differs only where the graph needs an output that the JSON does not give.
 */
export function compareLayouts(fromUser: Layout, fromGraph: Layout): readonly LayoutDifference[] {
  const [json, graph] = [fromUser.majors.length, fromGraph.majors.length];
  const majors = Array.from({ length: Math.min(json, graph) }, (_, at) =>
    majorDifferences(at, fromUser, fromGraph),
  );
  return [
    ...difference(undefined, "layer", `${json} major layers`, `${graph} major layers`),
    ...difference(
      undefined,
      "ActivationBitMode",
      String(fromUser.activationBitMode),
      String(fromGraph.activationBitMode),
    ),
    ...majors.flat(),
  ];
}

function difference(
  major: number | undefined,
  key: string,
  json: string,
  graph: string,
): readonly LayoutDifference[] {
  return json === graph ? [] : [{ major, key, json, graph }];
}

/** What each key says of a major layer, as text. */
const values: ReadonlyMap<string, (major: MajorLayer) => string> = new Map([
  ["image_size", ({ imageSize }: MajorLayer) => String(imageSize)],
  ["input_channels", ({ inputChannels }) => String(inputChannels)],
  ["output_channels", ({ outputChannels }) => String(outputChannels)],
  ["sublayer_number", ({ sublayers }) => String(sublayers.length)],
  ["coef_bits", ({ coefficientBits }) => String(coefficientBits)],
  ["pooling", ({ pooling }) => String(pooling !== undefined)],
  ["upsample_enable", ({ upsampling }) => String(upsampling !== undefined)],
  ["one_coef", kindsOf],
  ["resnet_shortcut_start_layers", ({ shortcutStarts }) => `[${shortcutStarts.join(", ")}]`],
]);

/** `3x3, 1x1, depthwise 3x3`: `one_coef` and `depth_enable` together. */
function kindsOf({ sublayers }: MajorLayer): string {
  const names = { full: "3x3", pointwise: "1x1", depthwise: "depthwise 3x3" } as const;
  return sublayers.map(({ kind }) => names[kind]).join(", ");
}

function majorDifferences(
  at: number,
  fromUser: Layout,
  fromGraph: Layout,
): readonly LayoutDifference[] {
  const [json, graph] = [fromUser.majors[at], fromGraph.majors[at]];
  if (json === undefined || graph === undefined) return [];
  const compare = (key: string, a: string, b: string) => difference(at + 1, key, a, b);
  return [
    ...[...values].flatMap(([key, value]) => compare(key, value(json), value(graph))),
    ...samplingDifferences(at, json, graph),
    ...compare("ten_bits_enable", tenBits(json, fromUser), tenBits(graph, fromGraph)),
    ...(graph.lastLayerOut && !json.learning
      ? compare("last_layer_out", String(json.lastLayerOut), "true")
      : []),
  ];
}

/** The kind of a pooling or upsampling that both have. */
function samplingDifferences(
  at: number,
  json: MajorLayer,
  graph: MajorLayer,
): readonly LayoutDifference[] {
  return (["pooling", "upsampling"] as const).flatMap((key) => {
    const [a, b] = [json[key], graph[key]];
    if (a === undefined || b === undefined) return [];
    const name = key === "pooling" ? "SamplingMethod" : "upsample_enable";
    return difference(at + 1, name, a, b);
  });
}

function tenBits({ tenBits: own }: MajorLayer, { activationBitMode }: Layout): string {
  return String(own || activationBitMode === 2);
}
