/**
 * filter.txt and bias.txt: a number per line, as C's `%.16e` prints it. No header; all layers in network order,
 * weights [out][in][row][column]. VGG16 has 14.7 million lines, so text is made in pieces and lines that repeat
 * (values of a grid do) are kept.
 */
import { inputError, usageError } from "../../../error.ts";
import { damaged, type NamedBytes } from "./bytes.ts";

/**
 * C's `printf("%.16e", x)`: 17 significant digits of the exact value, a tie to the even digit, an exponent of
 * two digits or more. `0.25 -> 2.5000000000000000e-01`, `-0 -> -0.0000000000000000e+00`; a tie: `2^-25 =
 * 2.98023223876953125e-8 -> 2.9802322387695312e-08`, `3 * 2^-25 = 8.94069671630859375e-8 -> 8.9406967163085938e-08`.
 */
export function formatC16e(x: number): string {
  if (Number.isNaN(x)) return "nan";
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  if (!Number.isFinite(x)) return `${sign}inf`;
  const [digits = "", exponent = ""] = nearestDigits(Math.abs(x)).split("e");
  return `${sign}${digits}e${exponent.slice(0, 1)}${exponent.slice(1).padStart(2, "0")}`;
}

/**
 * toExponential rounds exactly, but takes the larger neighbour at a tie. A tie has 18 significant digits. With
 * `x = m / 2^k`, m odd, the digits are those of `m * 5^k`, which has more than 18 where k > 25; and an integer
 * below 2^53 * 2^j never ties.
 */
function nearestDigits(x: number): string {
  const rounded = x.toExponential(16);
  if (!Number.isInteger(x * 2 ** 25) || Number.isInteger(x)) return rounded;
  // At most 34 digits are needed, so this text is exact: d.ddd, the 18th digit at index 18.
  const exact = x.toExponential(40);
  const isTie = /^50*e/.test(exact.slice(18));
  const isEven = Number(exact[17]) % 2 === 0;
  return isTie && isEven ? exact.slice(0, 18) + exact.slice(exact.indexOf("e")) : rounded;
}

const chunkBytes = 2 ** 20;
/** A line of a float32 has at most 24 bytes with its end, of a double 25. */
const slotBytes = 32;
const slotBits = 17;
/** A line longer than this is no number of ours. */
const longestLine = 64;
const newline = 10;

/** The text of all values, in pieces of about 1 MiB. Values must be finite. */
export function* coefficientText(tensors: Iterable<Float32Array>): Generator<Uint8Array> {
  const put = createLinePrinter();
  let chunk = new Uint8Array(chunkBytes);
  let used = 0;
  for (const values of tensors) {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    for (let index = 0; index < values.length; index++) {
      if (used + slotBytes > chunkBytes) {
        yield chunk.subarray(0, used);
        chunk = new Uint8Array(chunkBytes);
        used = 0;
      }
      used = put(values[index] ?? 0, bits[index] ?? 0, chunk, used);
    }
  }
  if (used > 0) yield chunk.subarray(0, used);
}

type PutLine = (value: number, bits: number, out: Uint8Array, at: number) => number;

/** Writes a line and gives the place behind it. Lines are kept by the value's bits, so that -0 stays apart. */
function createLinePrinter(): PutLine {
  const lines = new Uint8Array(slotBytes << slotBits);
  const lengths = new Uint8Array(1 << slotBits);
  const keys = new Int32Array(1 << slotBits);
  const encoder = new TextEncoder();
  return (value, bits, out, at) => {
    const slot = Math.imul(bits, 0x9e3779b1) >>> (32 - slotBits);
    const start = slot * slotBytes;
    if (lengths[slot] === 0 || keys[slot] !== bits) {
      if (!Number.isFinite(value))
        throw usageError("a coefficient must be finite", { got: `${value}` });
      lengths[slot] = encoder.encodeInto(`${formatC16e(value)}\n`, lines.subarray(start)).written;
      keys[slot] = bits;
    }
    const length = lengths[slot] ?? 0;
    for (let index = 0; index < length; index++) out[at + index] = lines[start + index] ?? 0;
    return at + length;
  };
}

/**
 * The numbers of such a file, an array of `counts[i]` for each layer; the file must have as many lines. Any
 * finite decimal number is taken, rounded to float32; lines may end in CRLF.
 */
export function readCoefficients(file: NamedBytes, counts: readonly number[]): Float32Array[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const lines = countLines(file.bytes);
  if (lines !== total) {
    throw inputError("the file has the wrong number of lines", {
      where: file.name,
      expected: `${total}, a number each`,
      got: `${lines}`,
      hint: "Does it belong to this network, with the weights of every layer?",
    });
  }
  const values = parseLines(file, total);
  let at = 0;
  return counts.map((count) => {
    at += count;
    return values.subarray(at - count, at);
  });
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let index = 0; index < bytes.length; index++) if (bytes[index] === newline) count += 1;
  const isOpen = bytes.length > 0 && bytes[bytes.length - 1] !== newline;
  return isOpen ? count + 1 : count;
}

function parseLines(file: NamedBytes, total: number): Float32Array {
  const { bytes } = file;
  const parse = createLineParser(file);
  const values = new Float32Array(total);
  let start = 0;
  for (let index = 0; index < total; index++) {
    let end = start;
    let hash = 0;
    while (end < bytes.length && bytes[end] !== newline) {
      hash = Math.imul(hash ^ (bytes[end] ?? 0), 0x01000193);
      end += 1;
    }
    values[index] = parse(start, end, hash, index + 1);
    start = end + 1;
  }
  return values;
}

type ParseLine = (start: number, end: number, hash: number, line: number) => number;

/** Parses bytes `start..end - 1`; lines that were seen lately are compared instead. */
function createLineParser(file: NamedBytes): ParseLine {
  const { bytes } = file;
  const starts = new Float64Array(1 << slotBits).fill(-1);
  const lengths = new Uint8Array(1 << slotBits);
  const values = new Float64Array(1 << slotBits);
  return (start, end, hash, line) => {
    const slot = Math.imul(hash, 0x9e3779b1) >>> (32 - slotBits);
    const kept = starts[slot] ?? -1;
    if (kept >= 0 && lengths[slot] === end - start && equalBytes(bytes, kept, start, end - start))
      return values[slot] ?? 0;
    const value = parseLine(file, start, end, line);
    starts[slot] = start;
    lengths[slot] = end - start;
    values[slot] = value;
    return value;
  };
}

function equalBytes(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let index = 0; index < length; index++)
    if (bytes[a + index] !== bytes[b + index]) return false;
  return true;
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\r?$/;

function parseLine(file: NamedBytes, start: number, end: number, line: number): number {
  const shown = file.bytes.subarray(start, Math.min(end, start + longestLine));
  const text = String.fromCharCode(...shown);
  const value = Math.fround(Number.parseFloat(text));
  if (end - start <= longestLine && decimal.test(text) && Number.isFinite(value)) return value;
  throw damaged(file, start, `line ${line} is not a finite decimal number`, {
    expected: "like 1.4599609375000000e-01",
    got: JSON.stringify(text),
  });
}
