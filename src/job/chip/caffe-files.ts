/**
 * The refined network as the vendor's kit has it: a deploy prototxt and a caffemodel of float weights, which train on
 * and convert there. Upsampling is written as the frozen Deconvolution that the kit asks for.
 */
import { InlayError } from "../../error.ts";
import { writeCaffeChunks } from "../../formats/caffe/write.ts";
import { freshId, type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import type { OnWarning } from "../../notice.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import { float32 } from "../../tensor/tensor.ts";

/** `<name>.prototxt` and `<name>.caffemodel`; none, with a warning that says why, where a layer has no Caffe form. */
export function caffeFiles(
  graph: Graph,
  { name, chip, target }: { name: string; chip: ReadonlySet<string>; target: string },
  onWarning: OnWarning | undefined,
): readonly (readonly [string, Chunks])[] {
  try {
    const { prototxt, caffemodel } = writeCaffeChunks(frozenUpsamplings(graph, chip));
    const head = `# Refined for ${target}: caps are the chip's, weights are float, as before rounding.\n`;
    return [
      [`${name}.prototxt`, [new TextEncoder().encode(head + prototxt)]],
      [`${name}.caffemodel`, caffemodel],
    ];
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    onWarning?.({ id: "no-caffe", message: `no ${name}.prototxt is written: ${error.message}` });
    return [];
  }
}

/** The chip's upsamplings as depthwise 2x2 deconvolutions of stride 2: weights 1,1,1,1 or 1,0,0,0. */
function frozenUpsamplings(graph: Graph, chip: ReadonlySet<string>): Graph {
  const types = inferTypes(graph);
  const taken = new Set(nodeMap(graph).keys());
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!chip.has(node.id) || (node.op !== "resize" && node.op !== "zeroInsert")) return [node];
    const [, channels = 1] = types.get(node.id)?.shape ?? [];
    const taps = node.op === "resize" ? [1, 1, 1, 1] : [1, 0, 0, 0];
    const data = Float32Array.from({ length: 4 * channels }, (_, at) => taps[at % 4] ?? 0);
    const weight = freshId(`${node.id}.weight`, taken);
    taken.add(weight);
    const tensor = float32([channels, 1, 2, 2], data);
    return [
      { op: "const", id: weight, inputs: [], attrs: { tensor } },
      {
        op: "deconv",
        id: node.id,
        inputs: [node.inputs[0] ?? "", weight],
        attrs: {
          stride: [2, 2],
          pads: [0, 0, 0, 0],
          dilation: [1, 1],
          groups: channels,
          outputPads: [0, 0],
        },
      },
    ];
  });
  return { ...graph, nodes };
}
