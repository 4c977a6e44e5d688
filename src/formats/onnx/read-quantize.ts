/**
 * QuantizeLinear and DequantizeLinear, per tensor or per axis.
 */
import { type DType, type Tensor, tensor } from "../../tensor/tensor.ts";
import { elementCode } from "./element-types.ts";
import { intOf, type OnnxNode } from "./onnx-node.ts";
import { floatShape, makeConstant, outputOf, type Reading, type ReadRules } from "./reading.ts";

const grids: ReadonlySet<DType> = new Set(["int8", "uint8", "int16", "uint16", "int32"]);

/** Zeros of the grid's element type, for nodes that leave the zero point out. */
function zeros(dtype: DType, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  switch (dtype) {
    case "int8":
      return tensor("int8", shape, new Int8Array(count));
    case "int16":
      return tensor("int16", shape, new Int16Array(count));
    case "uint16":
      return tensor("uint16", shape, new Uint16Array(count));
    case "int32":
      return tensor("int32", shape, new Int32Array(count));
    default:
      return tensor("uint8", shape, new Uint8Array(count));
  }
}

/** The shape of a scale per tensor or per axis; undefined for blocks and other types. */
function scaleShape(node: OnnxNode, reading: Reading): readonly number[] | undefined {
  const shape = floatShape(reading, node.inputs[1]);
  if (shape === undefined || shape.length > 1 || intOf(node, "block_size", 0) !== 0) {
    return undefined;
  }
  return shape;
}

/** The element type of the integers; undefined where the node's inputs are not ours. */
function gridType(
  op: "quantize" | "dequantize",
  node: OnnxNode,
  reading: Reading,
): DType | undefined {
  const [input = "", , zero = ""] = node.inputs;
  const type = reading.types.get(input)?.dtype;
  const implied = op === "quantize" ? "uint8" : type;
  const dtype = zero === "" ? implied : reading.types.get(zero)?.dtype;
  const fits = type === (op === "quantize" ? "float32" : dtype);
  if (dtype === undefined || !fits || !grids.has(dtype)) return undefined;
  const wanted = elementCode(op === "quantize" ? dtype : "float32");
  return [0, wanted].includes(intOf(node, "output_dtype", 0)) ? dtype : undefined;
}

function readLinear(op: "quantize" | "dequantize"): ReadRules[string] {
  return (node, reading) => {
    const [input = "", scale = "", zero = ""] = node.inputs;
    const [dtype, shape] = [gridType(op, node, reading), scaleShape(node, reading)];
    if (dtype === undefined || shape === undefined) return undefined;
    const attrs = { axis: intOf(node, "axis", 1) };
    const id = outputOf(node);
    if (zero !== "") return [{ op, id, inputs: [input, scale, zero], attrs }];
    const made = makeConstant(reading, `${id}.zeroPoint`, zeros(dtype, shape));
    return [made, { op, id, inputs: [input, scale, made.id], attrs }];
  };
}

export const quantizeReadRules: ReadRules = {
  QuantizeLinear: readLinear("quantize"),
  DequantizeLinear: readLinear("dequantize"),
};
